// The keys that a feed knows to have a value: their revisions, and when they expire.

import type { KvMeaning } from "../domain/kv_message.ts";
import type { Expiring } from "../domain/timer_wheel.ts";
import { Deadlines } from "./deadlines.ts";
import type { BrokerTime } from "./kv_time.ts";
import type { Runtime } from "./runtime.ts";

/** A key that has a value. */
export interface KnownKey extends Expiring {
  /** The key. */
  readonly key: string;
  /** Its subject. */
  readonly subject: string;
  /** The revision of its value. */
  readonly revision: number;
  /** What else is known of the value. */
  readonly meaning: KvMeaning;
  /** When its time is over, on this side's monotonic clock; undefined where it has none, or that is not known yet. */
  endsAt: number | undefined;
}

/** After how long it is looked again when a key ends, where the time was not known, in milliseconds. */
const UNKNOWN_MS = 500;

/** Knows keys, and tells which of them have come to their end. */
export class KnownKeys {
  readonly #runtime: Runtime;
  readonly #time: BrokerTime;
  readonly #delay: () => number;
  readonly #keys = new Map<string, KnownKey>();
  readonly #deadlines: Deadlines<KnownKey>;

  /**
   * Makes an empty set; `onEnd` is called with a key once its time is over, and `delay()` milliseconds later, so that of
   * many who know it one is the first.
   */
  constructor(
    runtime: Runtime,
    time: BrokerTime,
    delay: () => number,
    onEnd: (known: KnownKey) => void,
  ) {
    this.#runtime = runtime;
    this.#time = time;
    this.#delay = delay;
    this.#deadlines = new Deadlines(runtime.clock, onEnd);
  }

  /** How many there are. */
  get size(): number {
    return this.#keys.size;
  }

  /** A key. */
  get(key: string): KnownKey | undefined {
    return this.#keys.get(key);
  }

  /** Whether this is what is known of the key still. */
  has(known: KnownKey): boolean {
    return this.#keys.get(known.key) === known;
  }

  /** Whether others are the same keys at the same revisions. */
  isSame(others: KnownKeys): boolean {
    if (this.size !== others.size) return false;
    for (const [key, { revision }] of this.#keys) {
      if (others.get(key)?.revision !== revision) return false;
    }
    return true;
  }

  /** All of them. */
  all(): IterableIterator<KnownKey> {
    return this.#keys.values();
  }

  /** Adds a key, in the place of what was known of it. */
  add(key: string, known: Omit<KnownKey, "key" | "endsAt" | keyof Expiring>): void {
    this.remove(key);
    const entry: KnownKey = {
      key,
      ...known,
      endsAt: undefined,
      expiresAt: 0,
      wheelPrevious: undefined,
      wheelNext: undefined,
    };
    this.#keys.set(key, entry);
    if (entry.meaning.expiresAt === undefined) return;
    const left = this.left(entry);
    this.again(entry, left === undefined ? UNKNOWN_MS : Math.max(0, left) + this.#delay());
  }

  /**
   * How long it is until a key ends, in milliseconds; undefined where that is not known. Once it is, it stays so, whatever
   * becomes of the broker's clock.
   */
  left(known: KnownKey): number | undefined {
    const { meaning: { expiresAt } } = known;
    const now = this.#time.now();
    const mono = this.#runtime.clock.monotonic();
    if (expiresAt !== undefined && now !== undefined) known.endsAt ??= mono + expiresAt - now;
    return known.endsAt === undefined ? undefined : known.endsAt - mono;
  }

  /** Removes a key; what was known of it. */
  remove(key: string): KnownKey | undefined {
    const known = this.#keys.get(key);
    if (known === undefined) return undefined;
    this.#deadlines.remove(known);
    this.#keys.delete(key);
    return known;
  }

  /** Has a key looked at again in a while. */
  again(known: KnownKey, delayMs: number): void {
    if (!this.has(known)) return;
    this.#deadlines.remove(known);
    known.expiresAt = this.#runtime.clock.monotonic() + delayMs;
    this.#deadlines.add(known);
  }

  /** Removes all; what was known of them. */
  clear(): readonly KnownKey[] {
    const all = [...this.#keys.values()];
    for (const { key } of all) this.remove(key);
    return all;
  }
}
