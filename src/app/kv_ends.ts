// What becomes of keys whose time is over, or that are not where they were: found out, and told once.

import type { KvBucket } from "./kv_bucket.ts";
import { type KnownKey, KnownKeys } from "./kv_known.ts";
import { pipelined } from "./kv_many.ts";

/** What it has to do with. */
export interface EndsOptions {
  /** Whether all is heard that becomes of the keys. */
  readonly isLive: () => boolean;
  /** Called with a key that is there no longer, where no message says so. */
  readonly onGone: (known: KnownKey) => void;
}

/** How many keys are asked for at once. */
const IN_FLIGHT = 64;
/** How far those who know of an end are spread who write it down, in milliseconds: the first one's word reaches the others. */
const SPREAD_MS = 250;
/** After how long it is looked again, in milliseconds. */
const AGAIN_MS = 500;
const ASK_MS = 2_000;

/** Looks after the keys of one feed. */
export class KvEnds {
  /** The keys that have a value. */
  readonly known: KnownKeys;
  readonly #bucket: KvBucket;
  readonly #options: EndsOptions;
  readonly #due = new Set<KnownKey>();
  #isAtIt = false;

  constructor(bucket: KvBucket, options: EndsOptions) {
    const { runtime, time } = bucket.parts;
    this.#bucket = bucket;
    this.#options = options;
    this.known = new KnownKeys(
      runtime,
      time,
      () => SPREAD_MS * runtime.random.next(),
      (known) => this.check([known]),
    );
  }

  /** Finds out what has become of keys, and tells it. */
  check(keys: Iterable<KnownKey>): void {
    for (const known of keys) this.#due.add(known);
    if (this.#due.size > 0 && !this.#isAtIt) void this.#work();
  }

  /** Removes a key that has come to its end before anybody knew of it. */
  bury(key: string): void {
    const known = this.known.remove(key);
    if (known?.meaning.ownTime) void this.#bucket.bury(known.subject, known.revision);
  }

  async #work(): Promise<void> {
    this.#isAtIt = true;
    // Those whose deadlines fire together are looked at together.
    await undefined;
    while (this.#due.size > 0) {
      const due = [...this.#due];
      this.#due.clear();
      await pipelined(due, (known) => this.#settle(known), IN_FLIGHT);
    }
    this.#isAtIt = false;
  }

  async #settle(known: KnownKey): Promise<void> {
    if (!this.known.has(known)) return;
    // While it is away somebody may write it: what has become of it is known when it is back.
    if (!this.#options.isLive()) return this.known.again(known, AGAIN_MS);
    const { subject, revision, meaning: { ownTime } } = known;
    const isOver = this.#isOver(known);
    // Others hear of what is written, and so does this one.
    if (isOver && ownTime && await this.#bucket.bury(subject, revision) === "done") {
      return this.known.again(known, ASK_MS);
    }
    try {
      const last = await this.#bucket.last(subject, ASK_MS, true);
      if (!this.known.has(known)) return;
      const isThere = last !== undefined && this.#bucket.meaning(last).kind === "put";
      const isSame = last?.sequence === revision;
      if (isThere && !isSame) return this.known.again(known, ASK_MS); // it is on its way
      if (isThere && !(isOver && ownTime)) {
        if (known.meaning.expiresAt !== undefined) {
          this.known.again(known, Math.max(AGAIN_MS, this.known.left(known) ?? 0));
        }
        return;
      }
    } catch {
      return this.known.again(known, AGAIN_MS); // the bus is away, or slow
    }
    this.known.remove(known.key);
    this.#options.onGone(known);
  }

  #isOver(known: KnownKey): boolean {
    const left = this.known.left(known);
    return left !== undefined && left <= 0;
  }
}
