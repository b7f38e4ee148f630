// The registry: the record of one instance, written as it starts, again with each heartbeat, and removed as it stops.

import { UnavailableError } from "../domain/error.ts";
import {
  type InstanceDescription,
  instanceKey,
  type InstanceLoad,
  type InstanceStatus,
  instanceValue,
} from "../domain/instance.ts";
import {
  heartbeatJson,
  heartbeatSubject,
  REGISTERED_SUBJECT,
  registrationJson,
  UNREGISTERED_SUBJECT,
} from "../domain/instance_notice.ts";
import type { Timer } from "../ports/clock.ts";
import type { Kv } from "../ports/kv.ts";
import { patiently } from "./patience.ts";
import { pause } from "./pause.ts";
import type { RegistryNotices } from "./registry_notices.ts";
import type { RegistrySettings } from "./registry_options.ts";
import { isLasting, RegistryRecord } from "./registry_record.ts";
import type { Runtime } from "./runtime.ts";

/** How the record of an instance is doing. */
export interface RegistryHealth {
  /** Whether others can find it there. */
  readonly ok: boolean;
  /** Why they cannot. */
  readonly error: Error | undefined;
}

/** What the record of an instance is made of. */
export interface RegistryParts {
  readonly runtime: Runtime;
  readonly notices: RegistryNotices;
  readonly settings: RegistrySettings;
  readonly service: string;
  readonly instanceId: string;
  /** What stays the same; asked for once. */
  readonly about: () => Omit<InstanceDescription, "status" | "group" | "load">;
  /** Opens the bucket; it is asked again when that has gone. */
  readonly open: () => Promise<Kv>;
  /** What the instance has to do. */
  readonly load: () => InstanceLoad;
  /** Whether it serves all that it should. */
  readonly isReady: () => boolean;
}

/** How long one write may take at most, in milliseconds. */
const WRITE_MS = 5_000;
/** It has ended when the next one is due, in parts of the interval. */
const WRITE_PART = 0.8;
/** How soon after the first failure it is tried again, in parts of the interval. */
const SOON = 4;
/** What is refused for want of permission, or of JetStream, is tried again that much later, in milliseconds. */
const REFUSED_MS = 60_000;
/** How long start() waits for a record where the server has no JetStream itself, in milliseconds. */
const UNLIKELY_MS = 20;

/** Keeps the record of one instance. */
export class Registry {
  readonly #parts: RegistryParts;
  readonly #record: RegistryRecord;
  readonly #interval: number;
  #about: ReturnType<RegistryParts["about"]> | undefined;
  #startTime = "";
  /** What tells this run from another with its name. */
  #run = "";
  #startedAt = 0;
  #status: Exclude<InstanceStatus, "UNHEALTHY"> = "ACTIVE";
  #group: string | undefined;
  /** The write that is under way. */
  #writing: Promise<void> | undefined;
  /** Whether what is being written is out of date already. */
  #isStale = false;
  #writtenAt = -Infinity;
  #failures = 0;
  #notBefore = -Infinity;
  #error: Error | undefined;
  /** What its record suffers from, as far as that was told. */
  #told: Error | undefined;
  #load: InstanceLoad = { inFlight: 0, eventLoopDelayMs: 0 };
  #dueAt = 0;
  #timer: Timer | undefined;
  #again: Timer | undefined;
  #unsubscribe: (() => void) | undefined;
  #isOpen = false;

  /** Makes the registry of one instance; it does nothing before `open()`. */
  constructor(parts: RegistryParts) {
    this.#parts = parts;
    this.#interval = parts.settings.heartbeatIntervalMs;
    this.#record = new RegistryRecord({
      key: instanceKey(parts.service, parts.instanceId),
      ttlMs: parts.settings.ttlMs,
      open: parts.open,
    });
  }

  /**
   * Writes the record and begins with heartbeats. Without JetStream, or permission for the bucket, it warns and goes on: the
   * instance serves all the same, and it is tried again from time to time.
   *
   * @throws {UnavailableError | TimeoutError} when it could not be written in time.
   */
  async open(): Promise<void> {
    const { runtime } = this.#parts;
    const { clock, random, transport } = runtime;
    this.#startTime = clock.timestamp();
    this.#run = random.spanId();
    this.#startedAt = clock.monotonic();
    this.#isOpen = true;
    this.#load = this.#parts.load();
    const { jetstream } = transport.server;
    // In a cluster whose servers have just started or lost one another some questions are answered by nobody.
    const codes = jetstream ? ["SERVICE_UNAVAILABLE", "TIMEOUT"] : [];
    const first = patiently(runtime, () => this.#put(WRITE_MS), codes)
      .then(() => this.#succeeded(), (error) => {
        if (jetstream && !isLasting(error)) {
          this.#isOpen = false;
          throw error;
        }
        this.#failed(error);
      })
      .finally(() => this.#writing = undefined);
    this.#writing = first.catch(() => undefined);
    // Another server of the cluster may have it. Where none has, those before 2.10 do not answer at all.
    await (jetstream ? first : Promise.race([first, pause(runtime, UNLIKELY_MS)]));
    if (!this.#isOpen) return;
    this.#tell(REGISTERED_SUBJECT);
    // Instances that start together do not beat together.
    this.#dueAt = clock.monotonic() + random.next() * this.#interval;
    this.#schedule();
    this.#unsubscribe = transport.onStatus((status) => {
      if (status === "connected") this.#returned();
    });
  }

  /** How it is doing. */
  health(): RegistryHealth {
    const { runtime, settings } = this.#parts;
    const age = runtime.clock.monotonic() - this.#writtenAt;
    const hasExpired = age > settings.ttlMs && age < Infinity;
    const error = this.#error ?? this.#record.trouble ??
      (this.#isOpen && hasExpired
        ? new UnavailableError(
          `The record ${this.#record.key} was not written for ${
            Math.round(age)
          } ms, and has expired`,
        )
        : undefined);
    return { ok: this.#isOpen && age <= settings.ttlMs && error === undefined, error };
  }

  /** Says whether the instance serves or stands by, in which group, and writes that at once. */
  setStatus(status: Exclude<InstanceStatus, "UNHEALTHY">, group?: string): void {
    if (status === this.#status && group === this.#group) return;
    this.#status = status;
    this.#group = group;
    if (!this.#isOpen) return;
    this.#isStale = this.#writing !== undefined;
    this.#write();
  }

  /** Removes the record and ends. It never rejects: a record that could not be removed expires. */
  async close(): Promise<void> {
    this.#timer?.cancel();
    this.#again?.cancel();
    this.#unsubscribe?.();
    if (!this.#isOpen) return;
    this.#isOpen = false;
    const { runtime: { transport, logger }, service, instanceId: instance } = this.#parts;
    if (transport.status !== "connected") return;
    this.#tell(UNREGISTERED_SUBJECT);
    if (this.#writtenAt === -Infinity && !transport.server.jetstream) return;
    await this.#writing;
    try {
      await this.#record.remove(this.#run);
    } catch (error) {
      logger.warn(`${service} could not remove its record: it expires`, { instance, error });
    }
  }

  /** Beats at its own moment of each interval, whatever else it wrote meanwhile. */
  #schedule(): void {
    const { clock } = this.#parts.runtime;
    const now = clock.monotonic();
    // A process that stood still has missed some, which nobody needs any more.
    const missed = Math.floor((now - this.#dueAt) / this.#interval) + 1;
    if (missed > 0) this.#dueAt += missed * this.#interval;
    this.#timer = clock.setTimer(this.#dueAt - now, () => {
      this.#schedule();
      this.#beat();
    });
  }

  #beat(): void {
    const { runtime: { clock, transport }, service, instanceId, notices } = this.#parts;
    if (transport.status === "closed") return void this.close();
    if (transport.status !== "connected") return;
    this.#load = this.#parts.load();
    const uptimeMs = clock.monotonic() - this.#startedAt;
    notices.send(
      heartbeatSubject(service),
      heartbeatJson(instanceId, clock.now(), uptimeMs, this.#load),
    );
    if (clock.monotonic() >= this.#notBefore) this.#write();
  }

  /** The bus is back: a record that was not written in its turn is written now, and not by all at once. */
  #returned(): void {
    const { clock, random } = this.#parts.runtime;
    this.#notBefore = -Infinity;
    if (clock.monotonic() - this.#writtenAt < this.#interval) return;
    this.#soon(random.next() * Math.min(1_000, this.#interval / 2));
  }

  #soon(ms: number): void {
    const { clock, transport } = this.#parts.runtime;
    const setAt = clock.monotonic();
    this.#again?.cancel();
    this.#again = clock.setTimer(ms, () => {
      if (transport.status === "connected" && this.#writtenAt < setAt) this.#write();
    });
  }

  /** Writes the record, unless that is under way already. */
  #write(): void {
    if (this.#writing !== undefined || !this.#isOpen) return;
    const writeMs = Math.min(WRITE_MS, this.#interval * WRITE_PART);
    this.#writing = this.#put(writeMs).then(() => this.#succeeded(), (error) => this.#failed(error))
      .finally(() => {
        this.#writing = undefined;
        const again = this.#isStale;
        this.#isStale = false;
        if (again) this.#write();
      });
  }

  async #put(writeMs: number): Promise<void> {
    const { runtime: { clock }, isReady } = this.#parts;
    const about = this.#about ??= this.#parts.about();
    const status: InstanceStatus = isReady() ? this.#status : "UNHEALTHY";
    const instance = { ...about, status, group: this.#group, load: this.#load };
    const began = clock.monotonic();
    if (began - this.#writtenAt > this.#parts.settings.ttlMs) this.#record.expired();
    const value = instanceValue(instance, clock.timestamp(), this.#startTime, this.#run);
    await this.#record.put(value, this.#run, writeMs);
    this.#writtenAt = began;
  }

  #succeeded(): void {
    const { runtime: { logger }, service, instanceId: instance } = this.#parts;
    if (this.#error !== undefined) logger.info(`${service} is in the registry again`, { instance });
    this.#error = undefined;
    this.#failures = 0;
    const { trouble } = this.#record;
    if (trouble !== undefined && this.#told === undefined) {
      logger.warn(`${service} is not in the registry as it should be`, {
        instance,
        error: trouble,
      });
    }
    this.#told = trouble;
  }

  #failed(cause: unknown): void {
    const { runtime: { clock, logger, transport }, service, instanceId, settings } = this.#parts;
    const error = cause instanceof Error ? cause : new Error(String(cause));
    // An outage is told by the bus already.
    if (transport.status !== "connected") return;
    const lasts = isLasting(error);
    this.#failures++;
    // What passes by itself does no harm before the record has expired that is there.
    if (lasts || clock.monotonic() - this.#writtenAt > settings.ttlMs) {
      if (this.#error === undefined && this.#isOpen) {
        // Where the server has said no, its words say all; otherwise somebody may want to know from where.
        logger.warn(
          `${service} serves, but is not in the registry, so nobody discovers it; with JetStream, and permission for the bucket, it will be, and registry: false goes without`,
          { instance: instanceId, ...(lasts ? { reason: error.message } : { error }) },
        );
      }
      this.#error = error;
    }
    if (lasts) this.#notBefore = clock.monotonic() + REFUSED_MS;
    else if (this.#failures === 1) this.#soon(this.#interval / SOON);
  }

  #tell(subject: string): void {
    const { runtime: { clock }, notices, service, instanceId } = this.#parts;
    notices.send(subject, registrationJson(service, instanceId, clock.now()));
  }
}
