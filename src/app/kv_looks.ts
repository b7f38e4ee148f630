// Looking after a feed: whether the stream is still the same, and holds the keys that the feed knows.

import type { Timer } from "../ports/clock.ts";
import type { StreamState } from "../ports/stream.ts";
import type { KvBucket } from "./kv_bucket.ts";
import type { FeedPlace } from "./kv_event.ts";
import type { KnownKeys } from "./kv_known.ts";
import { readLast } from "./kv_read.ts";

/** What it has to do with. */
export interface LooksOptions {
  /** The keys that the feed knows to have a value. */
  readonly known: KnownKeys;
  /** Where the feed is. */
  readonly place: () => FeedPlace;
  /** Called when the feed has to be followed anew: it is another stream, or something has not come. */
  readonly onOther: () => void;
  /** Called with what of the keys is there, where some may have gone without a word. */
  readonly onKeys: (isThere: (key: string) => boolean) => void;
}

/** How often it is looked, in milliseconds, and how much that is spread. */
const LOOK_MS = 10_000;
const LOOK_SPREAD_MS = 5_000;
/** How long listing the keys may take, in milliseconds. */
const LIST_MS = 10_000;

/** Looks from time to time, between `start()` and `stop()`. */
export class KvLooks {
  readonly #bucket: KvBucket;
  readonly #filter: string;
  readonly #options: LooksOptions;
  #timer: Timer | undefined;
  /** Counts what `start()` has begun: what was asked for before that does not count. */
  #turn = 0;
  /** Whether some of the keys may have gone without a word. */
  #isUnsure = false;
  /** The last sequence of the stream when it was looked at last. */
  #looked = 0;

  /** Makes it, of the feed of a bucket with a filter. */
  constructor(bucket: KvBucket, filter: string, options: LooksOptions) {
    this.#bucket = bucket;
    this.#filter = filter;
    this.#options = options;
  }

  /** Begins; `isUnsure` says that keys may have gone without a word. */
  start(isUnsure: boolean): void {
    this.stop();
    this.#isUnsure ||= isUnsure;
    void this.#verify(this.#turn);
    this.#later(this.#turn);
  }

  /** Looks no more. */
  stop(): void {
    this.#turn++;
    this.#timer?.cancel();
  }

  #later(turn: number): void {
    const { clock, random } = this.#bucket.parts.runtime;
    const wait = LOOK_MS + LOOK_SPREAD_MS * random.next();
    this.#timer = clock.setTimer(wait, () => void this.#look(turn));
  }

  async #look(turn: number): Promise<void> {
    try {
      const state = await this.#bucket.look();
      if (turn !== this.#turn) return;
      if (this.#isOther(state)) return this.#options.onOther();
      this.#isUnsure ||= this.#isShort(state);
      await this.#verify(turn);
    } catch {
      // The bus is away, or slow; what is followed says so itself when it is lost.
    }
    if (turn === this.#turn) this.#later(turn);
  }

  /** Whether it is another stream, or what was there at the last look has not come yet. */
  #isOther(state: StreamState | undefined): state is undefined {
    const { createdAt, last } = this.#options.place();
    const isBehind = this.#filter === ">" && this.#looked > last;
    this.#looked = state?.lastSequence ?? 0;
    return state?.createdAt !== createdAt || isBehind;
  }

  #isShort({ messages, firstSequence }: StreamState): boolean {
    const { known } = this.#options;
    if (messages < known.size) return true;
    for (const { revision } of known.all()) if (revision < firstSequence) return true;
    return false;
  }

  async #verify(turn: number): Promise<void> {
    if (!this.#isUnsure) return;
    const { clock } = this.#bucket.parts.runtime;
    const what = `list the keys of the bucket ${this.#bucket.name}`;
    const limits = { expiresAt: clock.monotonic() + LIST_MS };
    try {
      const last = await readLast(this.#bucket, this.#filter, what, limits);
      if (turn !== this.#turn) return;
      this.#isUnsure = false;
      this.#options.onKeys((key) => last.has(key));
    } catch {
      // The bus is away, or slow: it is done again at the next look.
    }
  }
}
