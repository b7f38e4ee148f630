// What all watches of the same keys share: one feed, and others beside it for those who come later, until these know as much.

import type { AegisError } from "../domain/error.ts";
import type { Timer } from "../ports/clock.ts";
import type { KvBucket } from "./kv_bucket.ts";
import type { FeedHealth, Watcher } from "./kv_event.ts";
import { KvFeed } from "./kv_feed.ts";

/** After how long two feeds are compared again, in milliseconds. */
const AGAIN_MS = 500;

/**
 * The feeds of the keys that one filter lets through. Who begins later is told what is there by a feed of its own, so that
 * those who are told what changes miss nothing of it. Once both are at the same place one goes on for all.
 */
export class KvShared {
  readonly #bucket: KvBucket;
  readonly #filter: string;
  readonly #onIdle: () => void;
  /** The one that stays first, and those beside it. */
  readonly #feeds: KvFeed[] = [];
  #timer: Timer | undefined;
  /** When two of them knew different things, in monotonic milliseconds. */
  #comparedAt = -Infinity;

  /** Makes it; `onIdle` is called when the last watch has gone. */
  constructor(bucket: KvBucket, filter: string, onIdle: () => void) {
    this.#bucket = bucket;
    this.#filter = filter;
    this.#onIdle = onIdle;
  }

  /** How it is doing. */
  get health(): FeedHealth {
    const troubles = this.#feeds.map(({ trouble }) => trouble).filter((one) => one !== undefined);
    return {
      bucket: this.#bucket.name,
      filter: this.#filter,
      live: troubles.length === 0,
      error: troubles[0]?.message,
      watches: this.#feeds.reduce((sum, { watches }) => sum + watches, 0),
      keys: this.#feeds[0]?.known.size ?? 0,
    };
  }

  /** Tells one more; `wantsAll` says whether of what is there already too. */
  join(watcher: Watcher, wantsAll: boolean): void {
    const feed = wantsAll ? this.#feeds.find(({ isFresh }) => isFresh) : this.#feeds[0];
    (feed ?? this.#add()).join(watcher);
  }

  /** Tells one no longer. */
  leave(watcher: Watcher): void {
    for (const feed of [...this.#feeds]) feed.leave(watcher);
  }

  /** The bus is there again: there is no need to wait any longer. */
  returned(): void {
    for (const feed of [...this.#feeds]) feed.returned();
  }

  /** Ends it, and every watch. */
  end(error: AegisError): void {
    for (const feed of [...this.#feeds]) feed.end(error);
  }

  #add(): KvFeed {
    const feed = new KvFeed(this.#bucket, this.#filter, {
      onIdle: (feed) => this.#remove(feed),
      onStep: () => {
        if (this.#feeds.length > 1) this.#unite();
      },
    });
    this.#feeds.push(feed);
    return feed;
  }

  #remove(feed: KvFeed): void {
    this.#feeds.splice(this.#feeds.indexOf(feed), 1);
    if (this.#feeds.length > 1) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#feeds.length === 0) this.#onIdle();
  }

  /** Has the first feed go on for those that have come as far. */
  #unite(): void {
    const [first, ...others] = this.#feeds;
    for (const other of others) {
      if (areLive(first!, other) && first!.place.heard === other.place.heard) {
        this.#compare(first!, other);
      }
    }
    if (this.#feeds.length > 1) this.#later();
  }

  /** Has a feed go on for another one if both know the same. What one of them does not know may have gone without a word. */
  #compare(feed: KvFeed, other: KvFeed): void {
    const now = this.#bucket.parts.runtime.clock.monotonic();
    // With many keys it takes a while: not with each change.
    if (now < this.#comparedAt + AGAIN_MS) return;
    if (feed.known.isSame(other.known)) return other.handOver(feed);
    this.#comparedAt = now;
    feed.check((key) => other.known.get(key) !== undefined);
    other.check((key) => feed.known.get(key) !== undefined);
  }

  #later(): void {
    const { clock } = this.#bucket.parts.runtime;
    this.#timer ??= clock.setTimer(AGAIN_MS, () => {
      this.#timer = undefined;
      void this.#look();
    });
  }

  /** Where nothing comes, what one of them has heard last may be gone, so that the other one never hears of it. */
  async #look(): Promise<void> {
    const [first, ...others] = this.#feeds;
    for (const other of others) {
      if (await this.#isLevel(first!, other)) this.#compare(first!, other);
    }
    if (this.#feeds.length > 1) this.#later();
  }

  /** Whether there is nothing that one of two feeds has not heard. */
  async #isLevel(feed: KvFeed, other: KvFeed): Promise<boolean> {
    const { heard } = feed.place;
    const { heard: othersHeard } = other.place;
    const isStill = (): boolean =>
      areLive(feed, other) && feed.place.heard === heard && other.place.heard === othersHeard;
    if (!isStill()) return false;
    const { parts: { ports }, stream } = this.#bucket;
    const filter = this.#bucket.filter(this.#filter);
    try {
      const next = await ports.store.read(stream, Math.min(heard, othersHeard) + 1, filter);
      return next === undefined && isStill();
    } catch {
      return false; // the bus is away, or slow: it is looked again
    }
  }
}

/** Whether two feeds hear every change of the same stream. */
function areLive(feed: KvFeed, other: KvFeed): boolean {
  return feed.isLive && other.isLive && feed.place.createdAt === other.place.createdAt;
}
