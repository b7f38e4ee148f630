// What tests of discovery share: a registry in memory that does what it is told, and a directory over it.

import type { BusStatus, LogFields } from "../../mod.ts";
import { ManualClock } from "../../testing.ts";
import { Directory } from "../../src/app/discovery_directory.ts";
import type { Runtime } from "../../src/app/runtime.ts";
import { type InstanceDescription, instanceKey, instanceValue } from "../../src/domain/instance.ts";
import type { Kv, KvChange, KvWatch, KvWatchOptions } from "../../src/ports/kv.ts";
import { type LogLine, recordingLogger } from "./buses.ts";

/** What a test says of an instance; the rest is as usual. */
export type About = Partial<InstanceDescription> & { readonly startTime?: string };

/** A watch of a fake registry. It tells what is handed to it, and no more. */
class FakeWatch implements KvWatch {
  readonly ready: Promise<void>;
  readonly #settle: PromiseWithResolvers<void> = Promise.withResolvers<void>();
  readonly #queue: (KvChange | "initial" | Error)[] = [];
  readonly #options: KvWatchOptions;
  #isOver = false;
  #wake = (): void => {};

  constructor(options: KvWatchOptions) {
    this.#options = options;
    this.ready = this.#settle.promise;
    options.signal?.addEventListener("abort", () => void this.stop());
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  tell(...what: readonly (KvChange | "initial" | Error)[]): void {
    this.#queue.push(...what);
    this.#wake();
  }

  stop(): Promise<void> {
    this.#isOver = true;
    this.#settle.reject(new Error("The watch has ended"));
    this.#wake();
    return Promise.resolve();
  }

  async next(): Promise<IteratorResult<KvChange>> {
    while (!this.#isOver) {
      const next = this.#queue.shift();
      if (next instanceof Error) throw next;
      if (next === "initial") {
        this.#options.onInitial?.();
        this.#settle.resolve();
      } else if (next !== undefined) return { done: false, value: next };
      else await new Promise<void>((resolve) => this.#wake = resolve);
    }
    return { done: true, value: undefined };
  }

  async return(): Promise<IteratorResult<KvChange>> {
    await this.stop();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

/** A bucket of records that is watched. */
export class FakeRegistry {
  /** How often it was opened. */
  opened = 0;
  /** What an attempt to open it fails with. */
  refusal: Error | undefined;
  /** What a watch of it suffers from. */
  trouble: () => string | undefined = () => undefined;
  /** Whether watches tell what there is by themselves. */
  tells = true;
  readonly #values = new Map<string, KvChange>();
  #revision = 0;
  #watches: FakeWatch[] = [];

  /** The watches that are open. */
  get watches(): readonly FakeWatch[] {
    return this.#watches = this.#watches.filter(({ isOver }) => !isOver);
  }

  open: () => Promise<Kv> = () => {
    this.opened++;
    if (this.refusal !== undefined) return Promise.reject(this.refusal);
    const kv: Pick<Kv, "watch"> = { watch: (options = {}) => this.#watch(options) };
    return Promise.resolve(kv as Kv);
  };

  /** A heartbeat of an instance of `shop`. */
  beat(instanceId: string, about: About = {}): void {
    const { service = "shop", startTime = "2026-01-01T00:00:00.000Z" } = about;
    this.put(
      instanceKey(service, instanceId),
      instanceValue(
        {
          service,
          instanceId,
          version: "1.0.0",
          status: "ACTIVE",
          group: undefined,
          methods: [],
          events: [],
          commands: [],
          load: { inFlight: 0, eventLoopDelayMs: 0 },
          metadata: {},
          ...about,
        },
        new Date(1_767_225_600_000 + this.#revision * 1_000).toISOString(),
        startTime,
      ),
    );
  }

  /** The record of an instance goes. */
  drop(instanceId: string, service = "shop"): void {
    const key = instanceKey(service, instanceId);
    this.#values.delete(key);
    const revision = ++this.#revision;
    this.#tell({ operation: "purge", key, revision, initial: false });
  }

  put(key: string, value: unknown): void {
    const revision = ++this.#revision;
    const kept = JSON.parse(JSON.stringify(value));
    const entry = { key, value: kept, revision, createdAt: 0 };
    const change = { operation: "put", key, revision, entry, initial: false } as const;
    this.#values.set(key, { ...change, initial: true });
    this.#tell(change);
  }

  /** Changes what there is without telling anybody, as in an outage. */
  silently(change: () => void): void {
    const watches = this.#watches;
    this.#watches = [];
    change();
    this.#watches = watches;
  }

  /** Ends the watches as a server does. */
  fail(error: Error): void {
    for (const watch of this.watches) watch.tell(error);
  }

  #tell(change: KvChange): void {
    for (const watch of this.watches) watch.tell(change);
  }

  #watch(options: KvWatchOptions): FakeWatch {
    const watch = new FakeWatch(options);
    this.#watches.push(watch);
    if (this.tells) watch.tell(...this.#values.values(), "initial");
    return watch;
  }
}

/** A directory over a fake registry, whose bus is there or away as it is told. */
export class Stage {
  readonly clock: ManualClock = new ManualClock();
  readonly registry: FakeRegistry = new FakeRegistry();
  readonly logs: LogLine[] = [];
  readonly directory: Directory;
  readonly #listeners: ((status: BusStatus) => void)[] = [];
  #status: BusStatus = "connected";

  constructor() {
    let seed = 1;
    const random = (): number => (seed = seed * 16_807 % 2_147_483_647) / 2_147_483_647;
    // deno-lint-ignore no-this-alias
    const stage = this;
    this.directory = new Directory({
      clock: this.clock,
      logger: recordingLogger(this.logs),
      random: { next: random },
      transport: {
        get status() {
          return stage.#status;
        },
        messaging: {
          get connected() {
            return stage.#status === "connected";
          },
        },
        onStatus: (listener: (status: BusStatus) => void) => {
          this.#listeners.push(listener);
          return () => {};
        },
      },
    } as unknown as Runtime, this.registry);
  }

  get status(): BusStatus {
    return this.#status;
  }

  set status(status: BusStatus) {
    this.#status = status;
    for (const listener of this.#listeners) listener(status);
  }

  /** What was warned of, and with which fields. */
  get warnings(): readonly (readonly [string, LogFields])[] {
    return this.logs.filter(({ level }) => level === "warn").map((line) => [
      line.message,
      line.fields,
    ]);
  }

  /** Uses the directory, and waits until it knows who is there. */
  async known(): Promise<void> {
    this.directory.feed.use();
    await this.directory.feed.ready(1_000);
  }

  /** The names of the instances of a service that are there. */
  names(service = "shop", filter: { onlyHealthy?: boolean; version?: string } = {}): string[] {
    const { onlyHealthy = false, version } = filter;
    const list = this.directory.view.of(service)?.list({ onlyHealthy, version }) ?? [];
    return list.map(({ instanceId }) => instanceId);
  }
}

/** Lets everything happen that is about to. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setTimeout(resolve));
}
