// The feeds of one bus: one for all watches of the same keys.

import type { AegisError } from "../domain/error.ts";
import type { KvBucket } from "./kv_bucket.ts";
import type { FeedHealth } from "./kv_event.ts";
import { KvShared } from "./kv_shared.ts";

/** Keeps the feeds that have watches. */
export class KvFeeds {
  readonly #feeds = new Map<string, KvShared>();

  /** The feed of the keys of a bucket that a filter lets through. */
  of(bucket: KvBucket, filter: string): KvShared {
    const subject = bucket.filter(filter);
    let feed = this.#feeds.get(subject);
    if (feed === undefined) {
      feed = new KvShared(bucket, filter, () => void this.#feeds.delete(subject));
      this.#feeds.set(subject, feed);
    }
    return feed;
  }

  /** How they are doing. */
  health(): FeedHealth[] {
    return Array.from(this.#feeds.values(), ({ health }) => health);
  }

  /** The bus is there again. */
  returned(): void {
    for (const feed of [...this.#feeds.values()]) feed.returned();
  }

  /** Ends all. */
  end(error: AegisError): void {
    for (const feed of [...this.#feeds.values()]) feed.end(error);
  }
}
