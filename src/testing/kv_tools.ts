// What the contract of the KV store shares: a stage with a bucket of its own, what a watch tells, and waiting.

import type { Clock } from "../ports/clock.ts";
import type { Kv, KvChange, KvOptions, KvWatch, KvWatchOptions } from "../ports/kv.ts";
import { equal } from "./contract_tools.ts";

/** Whoever opens buckets; a `Bus` is one. */
export interface KvStore {
  /** Opens a bucket, which is made where it is not there. */
  kv(name: string, options?: KvOptions): Promise<Kv>;
  /** Closes what it is connected with. */
  close(): Promise<void>;
}

/** One case of the contract of the KV store. */
export interface KvCase {
  /** The rule that it checks. */
  readonly name: string;
  /** Checks it; `open` gives a new store on the same broker each time. Rejects when it does not hold. */
  run(open: () => Promise<KvStore>): Promise<void>;
}

/** A case that needs a clock. Rules about time are shown on the time of the broker, so it has to be the system's. */
export type TimedKvCase = (clock: Clock) => KvCase;

/** How long anything may take that must happen. */
const PATIENCE_MS = 15_000;
/** How long nothing must happen that could happen at once. */
const QUIET_MS = 200;

let buckets = 0;

/** Makes a case on two stores, which are closed after it. */
export function onBucket(
  name: string,
  check: (stage: KvStage) => Promise<void>,
  options: KvOptions = {},
): TimedKvCase {
  return (clock) => ({
    name,
    async run(open) {
      const first = await open();
      try {
        const second = await open();
        try {
          const bucket = `contract_${clock.now().toString(36)}_${++buckets}`;
          const settings = { storage: "memory", ...options } as const;
          const a = await first.kv(bucket, settings);
          const b = await second.kv(bucket, settings);
          await check(new KvStage(first, second, a, b, clock));
        } finally {
          await second.close();
        }
      } finally {
        await first.close();
      }
    },
  });
}

/** What a case runs on: one bucket, opened on two stores. */
export class KvStage {
  readonly first: KvStore;
  readonly second: KvStore;
  /** The bucket on the first store. */
  readonly a: Kv;
  /** The same bucket on the second one. */
  readonly b: Kv;
  readonly clock: Clock;

  constructor(first: KvStore, second: KvStore, a: Kv, b: Kv, clock: Clock) {
    this.first = first;
    this.second = second;
    this.a = a;
    this.b = b;
    this.clock = clock;
  }

  /** The value of a key, on the second store unless another is given; undefined where it has none. */
  async value(key: string, kv: Kv = this.b): Promise<unknown> {
    return (await kv.get(key))?.value;
  }

  /** Waits. */
  pause(ms: number): Promise<void> {
    return new Promise((resolve) => void this.clock.setTimer(ms, resolve));
  }

  /** Waits for what must not happen. */
  quiet(): Promise<void> {
    return this.pause(QUIET_MS);
  }

  /** Waits until `met`. */
  async until(what: string, met: () => boolean | Promise<boolean>): Promise<void> {
    for (const end = this.clock.monotonic() + PATIENCE_MS; this.clock.monotonic() < end;) {
      if (await met()) return;
      await this.pause(5);
    }
    throw new Error(`Not within ${PATIENCE_MS} ms: ${what}`);
  }

  /** Watches, on the second store unless another is given. */
  watch(options: KvWatchOptions = {}, kv: Kv = this.b): Told {
    return new Told(this, kv, options);
  }
}

/** What a watch tells, in a list that grows. */
export class Told {
  readonly watch: KvWatch;
  readonly changes: KvChange[] = [];
  /** How many changes had been told when `onInitial` was called; each time. */
  readonly marks: number[] = [];
  /** Resolves when the loop over it ends. */
  readonly over: Promise<void>;
  readonly #stage: KvStage;

  constructor(stage: KvStage, kv: Kv, options: KvWatchOptions) {
    this.#stage = stage;
    this.watch = kv.watch({ ...options, onInitial: () => this.marks.push(this.changes.length) });
    this.over = this.#take();
  }

  /** Every change as `"put a"`; one of what was there already as `"(put a)"`. */
  get words(): string[] {
    return this.changes.map(({ operation, key, initial }) =>
      initial ? `(${operation} ${key})` : `${operation} ${key}`
    );
  }

  /** Waits until it has told so many changes. */
  async told(count: number): Promise<void> {
    await this.#stage.until(`${count} changes are told`, () => this.changes.length >= count);
  }

  /** Waits until it has told these changes, and a moment longer, for it must tell no others. */
  async tells(expected: readonly string[], what: string): Promise<void> {
    const isComplete = (): boolean => this.changes.length >= expected.length;
    await this.#stage.until(what, isComplete).catch(() => {}); // what was told says more
    await this.#stage.quiet();
    equal(this.words, expected, what);
  }

  async #take(): Promise<void> {
    for await (const change of this.watch) this.changes.push(change);
  }
}
