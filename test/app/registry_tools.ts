// What tests of the registry share: a bucket in memory, and a transport that goes away and comes back when it is told to.

import { ConflictError } from "../../mod.ts";
import type { BusStatus, Transport } from "../../mod.ts";
import { ManualClock } from "../../testing.ts";
import { Registry, type RegistryParts } from "../../src/app/registry.ts";
import { RegistryNotices } from "../../src/app/registry_notices.ts";
import type { Runtime } from "../../src/app/runtime.ts";
import { readInstance } from "../../src/domain/instance.ts";
import type { ServiceInstance } from "../../src/domain/instance.ts";
import type { Kv, KvDeleteOptions, KvEntry, KvPutOptions } from "../../src/ports/kv.ts";
import { type LogLine, recordingLogger } from "./buses.ts";

/** A bucket that keeps its values in memory, and their time by a clock. */
export class FakeBucket implements Pick<Kv, "get" | "put" | "purge"> {
  readonly bucket = "fake";
  readonly #clock: ManualClock;
  readonly #entries = new Map<string, KvEntry & { readonly expiresAt: number }>();
  #revision = 0;
  /** When each put came, and which key it was of. */
  readonly puts: { readonly at: number; readonly key: string; readonly options: KvPutOptions }[] =
    [];
  /** How long it keeps a value at most, in milliseconds. */
  longestMs: number = Infinity;
  /** What becomes of puts; they are stored by default. */
  onPut: (store: () => number) => Promise<number> = async (store) => await store();

  constructor(clock: ManualClock) {
    this.#clock = clock;
  }

  put(key: string, value: unknown, options: KvPutOptions = {}): Promise<number> {
    const now = this.#clock.now();
    this.puts.push({ at: this.#clock.monotonic(), key, options });
    return this.onPut(() => {
      const there = this.#entries.get(key);
      const is = there !== undefined && there.expiresAt > now ? there.revision : 0;
      if (options.revision !== undefined && options.revision !== is) {
        throw new ConflictError(`${key} has another revision`);
      }
      const revision = ++this.#revision;
      const kept = JSON.parse(JSON.stringify(value));
      const expiresAt = this.#clock.now() + Math.min(options.ttlMs ?? Infinity, this.longestMs);
      this.#entries.set(key, { key, value: kept, revision, createdAt: now, expiresAt });
      return revision;
    });
  }

  get(key: string): Promise<KvEntry | undefined> {
    const entry = this.#entries.get(key);
    return Promise.resolve(
      entry === undefined || entry.expiresAt <= this.#clock.now() ? undefined : entry,
    );
  }

  async purge(key: string, options: KvDeleteOptions = {}): Promise<boolean> {
    const entry = await this.get(key);
    if (options.revision !== undefined && options.revision !== entry?.revision) {
      throw new ConflictError(`${key} has another revision`);
    }
    return this.#entries.delete(key);
  }

  /** Loses all that it holds. */
  lose(): void {
    this.#entries.clear();
  }

  /** The instances whose records are there and have not expired. */
  instances(): ServiceInstance[] {
    return [...this.#entries.values()].filter(({ expiresAt }) => expiresAt > this.#clock.now())
      .flatMap(({ key, value }) => readInstance(value, key) ?? []);
  }
}

/** A transport that has nothing but core messages, and is there or away as it is told. */
export class FakeTransport {
  status: BusStatus = "connected";
  /** Whether the server has JetStream itself. */
  readonly server = { jetstream: true };
  /** What was published: subjects and bodies. */
  readonly sent: (readonly [string, Record<string, unknown>])[] = [];
  readonly #listeners = new Set<(status: BusStatus) => void>();
  #refused: ((subject: string, error: Error) => void) | undefined;
  readonly messaging: object = {
    connected: true,
    publish: (subject: string, body: string) => void this.sent.push([subject, JSON.parse(body)]),
    onRefused: (listener: (subject: string, error: Error) => void) =>
      void (this.#refused = listener),
  };

  onStatus(listener: (status: BusStatus) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Goes away, or comes back. */
  become(status: BusStatus): void {
    this.status = status;
    for (const listener of this.#listeners) listener(status);
  }

  /** The server does not let anybody publish to a subject. */
  refuse(subject: string): void {
    this.#refused?.(subject, new Error("no"));
  }
}

/** Instances on one bus, and the bucket that they share. */
export interface Stage {
  readonly clock: ManualClock;
  readonly bucket: FakeBucket;
  readonly transport: FakeTransport;
  readonly logs: LogLine[];
  /** One more instance. */
  instance(instanceId?: string, parts?: Partial<RegistryParts>): Registry;
}

/** A bus with a clock that is moved by hand. `random` is what jitter comes from. */
export function stage(
  random: () => number = () => 0.5,
  clock: ManualClock = new ManualClock(),
): Stage {
  let runs = 0;
  const bucket = new FakeBucket(clock), transport = new FakeTransport(), logs: LogLine[] = [];
  const runtime = {
    clock,
    random: { next: random, spanId: () => `run${++runs}` },
    transport: transport as unknown as Transport,
    logger: recordingLogger(logs),
  } as unknown as Runtime;
  const notices = new RegistryNotices(runtime);
  const settings = { ttlMs: 15_000, heartbeatIntervalMs: 5_000 };
  const instance: Stage["instance"] = (instanceId = "orders-1", parts = {}) => {
    const about = {
      service: "orders",
      instanceId,
      version: "1.0.0",
      metadata: { zone: "a" },
      methods: [{ name: "create" }],
      events: [],
      commands: [],
    };
    return new Registry({
      runtime,
      notices,
      settings,
      service: "orders",
      instanceId,
      about: () => about,
      open: () => Promise.resolve(bucket as unknown as Kv),
      load: () => ({ inFlight: 2, eventLoopDelayMs: 1 }),
      isReady: () => true,
      ...parts,
    });
  };
  return { clock, bucket, transport, logs, instance };
}

/** Lets promises settle. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

/** Moves the clock on in steps, and lets promises settle in between. */
export async function pass(clock: ManualClock, ms: number, stepMs = 100): Promise<void> {
  for (let left = ms; left > 0; left -= stepMs) {
    clock.advance(Math.min(stepMs, left));
    await settle();
  }
}
