// The buckets of one bus before any is opened: what they are made of is loaded with the first.

import type { Kv, KvOptions } from "../ports/kv.ts";
import type { KvBuckets, KvInternals } from "./kv_buckets.ts";
import type { FeedHealth } from "./kv_event.ts";
import type { Parking } from "./parking.ts";
import type { Runtime } from "./runtime.ts";

/** The buckets of one bus. A page that only calls does not load the KV store. */
export class LaterBuckets {
  readonly #runtime: Runtime;
  readonly #parking: Parking;
  #buckets: KvBuckets | undefined;

  /** It does nothing before a bucket is opened. */
  constructor(runtime: Runtime, parking: Parking) {
    this.#runtime = runtime;
    this.#parking = parking;
  }

  /** Opens a bucket, as {@linkcode KvBuckets} does. */
  async open<T>(
    name: string,
    options?: KvOptions<T>,
    internals?: KvInternals,
  ): Promise<Kv<T>> {
    const { KvBuckets } = await import("./kv_buckets.ts");
    this.#buckets ??= new KvBuckets(this.#runtime, this.#parking);
    return await this.#buckets.open(name, options, internals);
  }

  /** How the watches are doing. */
  health(): FeedHealth[] {
    return this.#buckets?.health() ?? [];
  }

  /** Ends all watches. */
  close(): void {
    this.#buckets?.close();
  }
}
