// The service: handlers served under one name, from start() to stop().

import { assertKeys, show } from "../domain/check.ts";
import { deferred } from "../domain/deferred.ts";
import { ClosedError } from "../domain/error.ts";
import { assertServiceName } from "../domain/subject.ts";
import type { Call, Handler, Typed } from "./context.ts";
import type { Send } from "./command_types.ts";
import type { Publish } from "./event_types.ts";
import type { Runtime } from "./runtime.ts";
import { startError } from "./start_error.ts";
import { LEAST_MS, Stopping } from "./stopping.ts";
import { Serving } from "./serving.ts";
import {
  checkServiceOptions,
  registerService,
  type ServiceHealth,
  type ServiceOptions,
  type ServiceStatus,
  type StopOptions,
} from "./service_options.ts";

/** A service: one instance of it, in this process. */
export interface Service<Handlers extends readonly Handler[] = readonly Handler[]>
  extends Typed<Handlers>, AsyncDisposable {
  /** Its name. */
  readonly name: string;
  /** The name of this instance. */
  readonly instanceId: string;
  /** Its version. */
  readonly version: string;
  /** What others may want to know of this instance. */
  readonly metadata: Readonly<Record<string, unknown>>;
  /** Where it stands. */
  readonly status: ServiceStatus;
  /** Resolves when it has stopped, for whatever reason, or its start has failed. It never rejects. */
  readonly stopped: Promise<void>;
  /** For how long it has been started, in milliseconds; 0 when it is not. */
  readonly uptimeMs: number;
  /** Calls other services, under this service's name. */
  readonly call: Call;
  /** Publishes events, under this service's name. */
  readonly publish: Publish;
  /** Sends commands, under this service's name. */
  readonly send: Send;
  /**
   * Starts it; resolves when every handler is live on the server and its record is in the registry. All or nothing: when it
   * fails, nothing stays live.
   *
   * @throws {ClosedError} when it was stopped before.
   */
  start(): Promise<void>;
  /**
   * Stops it without losing a call or an event: leaves the registry, takes no more, hands back what waits for its turn, which goes to another
   * instance, finishes what runs, and aborts what runs longer than `graceMs`. Answers and acknowledgements that wait for
   * the bus to come back go out before, if it does within that time. Hooks have the same time, and half a second at least. Calling it again
   * waits for the same stop; `stop({ graceMs: 0 })` cuts that short. Of a service with `singleActive` the next instance leads
   * as soon as nothing of what the leader alone does runs here any more.
   */
  stop(options?: StopOptions): Promise<void>;
  /** Whether it leads now, by the clock: ask before each step that is the leader's. Without `singleActive` it never does. */
  isLeader(): boolean;
  /** How it is doing. It never rejects. */
  health(): Promise<ServiceHealth>;
}

/**
 * A service that serves `handlers` under `name`. It does nothing before `start()`.
 *
 * @throws {TypeError | RangeError} for a name or an option that cannot be.
 *
 * @example
 * ```ts
 * import { connect, createClient, createService, rpc } from "@aegis/sdk";
 * import { strictEqual } from "node:assert/strict";
 *
 * await using bus = await connect({ servers: "memory:" });
 * const service = createService("clock", { bus, handlers: [rpc("year", () => 2026)] });
 * await service.start();
 * strictEqual(await createClient({ bus }).call("clock", "year"), 2026);
 * await service.stop();
 * ```
 */
export function createService<const Handlers extends readonly Handler[]>(
  name: string,
  options: ServiceOptions<Handlers>,
): Service<Handlers> {
  assertServiceName(name);
  checkServiceOptions(name, options);
  const serving: Serving = new Serving(name, options, () => service);
  const service = new ServiceInstance(name, options, serving);
  registerService(service, { name, options, instanceId: serving.instanceId });
  return service;
}

class ServiceInstance<Handlers extends readonly Handler[]> implements Service<Handlers> {
  readonly name: string;
  readonly instanceId: string;
  readonly version: string;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly call: Call;
  readonly publish: Publish;
  readonly send: Send;
  readonly stopped: Promise<void>;
  readonly #options: ServiceOptions<Handlers>;
  readonly #runtime: Runtime;
  readonly #serving: Serving;
  readonly #ending: Stopping;
  readonly #end: () => void;
  #unsubscribe: (() => void) | undefined;
  #status: ServiceStatus = "initializing";
  #startedAt = 0;
  #error: Error | undefined;
  #starting: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;

  constructor(name: string, options: ServiceOptions<Handlers>, serving: Serving) {
    this.name = name;
    this.instanceId = serving.instanceId;
    this.version = options.version ?? "0.0.0";
    this.metadata = options.metadata ?? {};
    this.call = serving.client.call;
    this.publish = serving.client.publish;
    this.send = serving.client.send;
    this.#options = options;
    this.#runtime = serving.runtime;
    this.#serving = serving;
    this.#ending = new Stopping(serving.runtime, name, serving.work);
    const { promise, resolve } = deferred<void>();
    this.stopped = promise;
    this.#end = resolve;
  }

  get status(): ServiceStatus {
    return this.#status;
  }

  get uptimeMs(): number {
    return this.#status === "started" ? this.#runtime.clock.monotonic() - this.#startedAt : 0;
  }

  isLeader(): boolean {
    return this.#serving.election?.token !== undefined;
  }

  start(): Promise<void> {
    if (this.#stopping !== undefined) {
      return Promise.reject(
        new ClosedError(`Cannot start ${this.name}: it was stopped; create it anew`),
      );
    }
    return this.#starting ??= this.#start();
  }

  stop(options: StopOptions = {}): Promise<void> {
    assertKeys(options, ["graceMs"], "of stop()");
    const { graceMs = 30_000 } = options;
    if (typeof graceMs !== "number" || !(graceMs >= 0)) {
      throw new RangeError(
        `Cannot use ${
          show(graceMs)
        } as option "graceMs" of stop(): it must be a number of milliseconds of at least 0`,
      );
    }
    // A second stop() that will not wait cuts the first one short.
    if (this.#stopping !== undefined && graceMs === 0) this.#ending.hurry();
    return this.#stopping ??= this.#stop(graceMs).finally(() => this.#over());
  }

  async health(): Promise<ServiceHealth> {
    const bus = await this.#options.bus.health();
    const events = this.#serving.eventHealth();
    const commands = this.#serving.commandHealth();
    const leadership = this.#serving.election?.health();
    const taken = [...events, ...commands, leadership].filter((part) => part !== undefined);
    const served = this.#error === undefined && taken.every(({ ok }) => ok);
    return {
      ok: this.#status === "started" && bus.ok && served,
      status: this.#status,
      inFlight: this.#serving.work.inFlight,
      error: this.#error ?? taken.find(({ ok }) => !ok)?.error,
      events,
      commands,
      registry: this.#serving.presence.health(),
      leadership,
      bus,
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #start(): Promise<void> {
    const { hooks, handlers } = this.#options;
    const { transport, logger, clock } = this.#runtime;
    this.#status = "starting";
    try {
      await this.#started(hooks?.onStart?.());
      await this.#started(this.#serve());
      this.#startedAt = clock.monotonic();
      await this.#started(hooks?.onStarted?.());
    } catch (error) {
      this.#status = "failed";
      const { presence } = this.#serving;
      const unseen = Promise.all([presence.unregister(), presence.close()]);
      await Promise.all([this.#ending.close(), this.#ending.within(unseen, LEAST_MS)])
        .catch((cause) =>
          logger.warn(`${this.name} could not take down its handlers`, { error: cause })
        );
      this.#over();
      throw error;
    }
    this.#status = "started";
    logger.info(`${this.name} has started`, {
      instance: this.instanceId,
      methods: handlers.flatMap((handler) => handler.kind === "rpc" ? [handler.method] : []),
      events: handlers.flatMap((handler) => handler.kind === "event" ? [handler.pattern] : []),
      commands: handlers.flatMap((handler) => handler.kind === "command" ? [handler.command] : []),
    });
    this.#unsubscribe = transport.onStatus((status) => {
      if (status === "closed") this.#abandon();
    });
    if (transport.status === "closed") this.#abandon();
  }

  /** Waits for a step of the start. @throws {ClosedError} when a stop waits no longer for it. */
  async #started(step: void | Promise<void>): Promise<void> {
    if (await this.#ending.within(Promise.resolve(step), LEAST_MS)) return;
    throw new ClosedError(`Cannot start ${this.name}: it was stopped meanwhile`);
  }

  async #serve(): Promise<void> {
    try {
      await this.#serving.open((error) => this.#refused(error));
      if (this.#error !== undefined) throw this.#error;
      await this.#serving.presence.register();
    } catch (error) {
      throw startError(this.name, error);
    }
  }

  async #stop(graceMs: number): Promise<void> {
    this.#ending.begin(graceMs);
    // A start that is under way ends first; whether it failed is for whoever awaits it.
    await this.#starting?.catch(() => undefined);
    if (this.#status !== "started") {
      if (this.#status === "initializing") {
        await this.#ending.close();
        this.#status = "stopped";
      }
      return;
    }
    this.#status = "stopping";
    const { logger } = this.#runtime;
    logger.info(`${this.name} is stopping`, {
      instance: this.instanceId,
      inFlight: this.#serving.work.inFlight,
    });
    // First nobody finds it any more; a stop in a hurry takes that along with the rest.
    const { presence } = this.#serving;
    const unregistered = presence.unregister();
    await this.#ending.within(unregistered);
    await this.#hook("onStop").catch((error) =>
      logger.error(`The onStop hook of ${this.name} failed`, { error })
    );
    const unseen = Promise.all([unregistered, presence.close()]);
    await Promise.all([this.#ending.run(), this.#ending.within(unseen, LEAST_MS)]);
    this.#status = "stopped";
    logger.info(`${this.name} has stopped`, { instance: this.instanceId });
    await this.#hook("onStopped");
  }

  async #hook(name: "onStop" | "onStopped"): Promise<void> {
    const run = async (): Promise<void> => await this.#options.hooks?.[name]?.();
    if (await this.#ending.within(run(), LEAST_MS)) return;
    this.#runtime.logger.warn(`The ${name} hook of ${this.name} takes too long: it is left alone`);
  }

  /** Stops, since the bus was closed under it and nobody can be answered any more. */
  #abandon(): void {
    const { logger } = this.#runtime;
    logger.warn(`${this.name} stops: its bus was closed`, { instance: this.instanceId });
    this.stop({ graceMs: 0 }).catch((error) =>
      logger.error(`${this.name} did not stop in order`, { error })
    );
  }

  #over(): void {
    this.#ending.finish();
    this.#unsubscribe?.();
    this.#end();
  }

  #refused(error: Error): void {
    // The first tells most: a user who may not serve is refused the subscriptions behind it too.
    this.#error ??= error;
    this.#runtime.logger.error(`The server refused a subscription of ${this.name}`, { error });
  }
}
