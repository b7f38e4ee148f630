// The KV store as programs see it: a bucket with values of one type.

import { SerializationError, ValidationError } from "../domain/error.ts";
import { keyFilter, prefixFilter } from "../domain/kv_key.ts";
import { isEndedByServer } from "../domain/kv_message.ts";
import {
  assertCallOptions,
  assertRemoveOptions,
  assertWatchOptions,
} from "../domain/kv_options.ts";
import type {
  Kv,
  KvCallOptions,
  KvDeleteOptions,
  KvEntry,
  KvOutcome,
  KvPutOptions,
  KvRevision,
  KvStatus,
  KvWatch,
  KvWatchOptions,
} from "../ports/kv.ts";
import type { KvBucket } from "./kv_bucket.ts";
import type { KvFeeds } from "./kv_feeds.ts";
import { keyList, pairs, type PutManner, putManner } from "./kv_input.ts";
import { outcomes, pipelined } from "./kv_many.ts";
import type { KvLimits } from "./kv_parts.ts";
import { put } from "./kv_put.ts";
import { readHistory, readKept, readKey, readKeys } from "./kv_read.ts";
import { remove } from "./kv_remove.ts";
import type { KvValues } from "./kv_values.ts";
import { Watch } from "./kv_watch.ts";
import { assertHere } from "./runtime.ts";

const TIMEOUT_MS = 5_000;
const NO_OPTIONS = Object.freeze({});
const PLAIN_PUT: PutManner = Object.freeze({ ttlMs: 0, on: undefined });

/** A bucket, and how its values are read and written. */
export class BucketKv<T> implements Kv<T> {
  readonly bucket: string;
  readonly #bucket: KvBucket;
  readonly #feeds: KvFeeds;
  readonly #values: KvValues<T>;

  constructor(bucket: KvBucket, feeds: KvFeeds, values: KvValues<T>) {
    this.bucket = bucket.name;
    this.#bucket = bucket;
    this.#feeds = feeds;
    this.#values = values;
  }

  async get(key: string, options: KvCallOptions = NO_OPTIONS): Promise<KvEntry<T> | undefined> {
    return await this.#get(key, this.#limits(options, "get()"));
  }

  async put(key: string, value: T, options: KvPutOptions = NO_OPTIONS): Promise<number> {
    const manner = options === NO_OPTIONS ? PLAIN_PUT : putManner(this.#bucket, options, "put()");
    return await this.#put(key, value, manner, this.#limits(options));
  }

  async delete(key: string, options: KvDeleteOptions = NO_OPTIONS): Promise<boolean> {
    assertRemoveOptions(options, "delete()");
    return await this.#remove("delete", key, this.#limits(options), options.revision) > 0;
  }

  async purge(key: string, options: KvDeleteOptions = NO_OPTIONS): Promise<boolean> {
    assertRemoveOptions(options, "purge()");
    return await this.#remove("purge", key, this.#limits(options), options.revision) > 0;
  }

  async exists(key: string, options: KvCallOptions = NO_OPTIONS): Promise<boolean> {
    return await readKey(this.#bucket, key, this.#limits(options, "exists()")) !== undefined;
  }

  async getMany(
    keys: Iterable<string>,
    options: KvCallOptions = NO_OPTIONS,
  ): Promise<Map<string, KvEntry<T>>> {
    const limits = this.#limits(options, "getMany()");
    const all = keyList(this.#bucket, keys, "getMany()");
    const entries = await pipelined(
      all,
      (key) => this.#readable(key, () => this.#get(key, limits)),
    );
    return new Map(
      entries.filter((entry) => entry !== undefined).map((entry) => [entry.key, entry]),
    );
  }

  async putMany(
    values: Readonly<Record<string, T>> | Iterable<readonly [string, T]>,
    options: KvPutOptions = NO_OPTIONS,
  ): Promise<Map<string, KvOutcome>> {
    const manner = putManner(this.#bucket, options, "putMany()");
    const limits = this.#limits(options);
    limits.signal?.throwIfAborted();
    // Which is no outcome of a key.
    assertHere(this.#bucket.parts.runtime);
    const all = pairs(values);
    const keys = keyList(this.#bucket, all.keys(), "putMany()");
    return await outcomes(keys, (key) => this.#put(key, all.get(key)!, manner, limits));
  }

  async deleteMany(
    keys: Iterable<string>,
    options: KvCallOptions = NO_OPTIONS,
  ): Promise<Map<string, KvOutcome>> {
    const limits = this.#limits(options, "deleteMany()");
    limits.signal?.throwIfAborted();
    assertHere(this.#bucket.parts.runtime);
    const all = keyList(this.#bucket, keys, "deleteMany()");
    return await outcomes(all, (key) => this.#remove("delete", key, limits));
  }

  async keys(prefix: string = "", options: KvCallOptions = NO_OPTIONS): Promise<string[]> {
    return await readKeys(this.#bucket, prefix, this.#limits(options, "keys()"));
  }

  async history(key: string, options: KvCallOptions = NO_OPTIONS): Promise<KvRevision<T>[]> {
    const all = await readHistory(this.#bucket, key, this.#limits(options, "history()"));
    const changes = all.map(async (
      { message, meaning: { kind, expiresAt } },
    ): Promise<KvRevision<T> | undefined> => {
      if (kind === "put") {
        const entry = await this.#readable(key, () => this.#values.entry(key, message, expiresAt));
        return entry && { operation: kind, ...entry };
      }
      const operation = kind === "delete" ? kind : "purge";
      const { sequence: revision, storedAt: createdAt } = message;
      return { operation, key, value: undefined, revision, createdAt };
    });
    return (await Promise.all(changes)).filter((change) => change !== undefined);
  }

  async clear(prefix: string = "", options: KvCallOptions = NO_OPTIONS): Promise<number> {
    const limits = this.#limits(options, "clear()");
    const kept = await readKept(this.#bucket, prefix, limits);
    const removed = await pipelined(kept, async ({ key, hasValue }) => {
      return await this.#remove("purge", key, limits) > 0 && hasValue;
    });
    return removed.filter((hadValue) => hadValue).length;
  }

  watch(options: KvWatchOptions = NO_OPTIONS): KvWatch<T> {
    assertWatchOptions(options);
    assertHere(this.#bucket.parts.runtime);
    const { key, prefix = "" } = options;
    const filter = key === undefined ? prefixFilter(prefix) : keyFilter(key);
    return new Watch({
      runtime: this.#bucket.parts.runtime,
      feed: this.#feeds.of(this.#bucket, filter),
      bucket: this.bucket,
      fits: key === undefined ? (other) => other.startsWith(prefix) : (other) => other === key,
      entry: ({ key, message, expiresAt }) => this.#values.entry(key, message!, expiresAt),
    }, options);
  }

  async status(options: KvCallOptions = NO_OPTIONS): Promise<KvStatus> {
    const limits = this.#limits(options, "status()");
    const bucket = this.#bucket;
    const keys = await readKeys(bucket, "", limits);
    const what = `look at the bucket ${bucket.name}`;
    const state = await bucket.read(what, limits, () => bucket.found());
    const { config, messages: values, bytes } = state;
    return {
      bucket: bucket.name,
      keys: keys.length,
      values,
      bytes,
      history: config.maxMessagesPerSubject,
      ttlMs: config.maxAgeMs,
      replicas: config.replicas,
      storage: config.storage,
      expiry: isEndedByServer(bucket.keeping) ? "server" : "client",
    };
  }

  #limits(options: KvCallOptions, call?: string): KvLimits {
    if (call !== undefined && options !== NO_OPTIONS) assertCallOptions(options, call);
    const { timeoutMs = TIMEOUT_MS, signal } = options;
    return { expiresAt: this.#bucket.parts.runtime.clock.monotonic() + timeoutMs, signal };
  }

  async #get(key: string, limits: KvLimits): Promise<KvEntry<T> | undefined> {
    const found = await readKey(this.#bucket, key, limits);
    if (found === undefined) return undefined;
    return await this.#values.entry(key, found.message, found.meaning.expiresAt);
  }

  /** One value that cannot be read must not keep the others from whoever asked for many. */
  async #readable<Value>(
    key: string,
    read: () => Value | Promise<Value>,
  ): Promise<Value | undefined> {
    try {
      return await read();
    } catch (error) {
      if (!SerializationError.is(error) && !ValidationError.is(error)) throw error;
      const { logger } = this.#bucket.parts.runtime;
      const fields = { bucket: this.bucket, key, error: String(error) };
      logger.warn("A value that cannot be read is left out", fields);
      return undefined;
    }
  }

  #put(key: string, value: T, manner: PutManner, limits: KvLimits): Promise<number> {
    this.#bucket.subject(key);
    const body = this.#values.encode(key, value);
    return body instanceof Promise
      ? body.then((body) => put(this.#bucket, { key, body, ...manner, ...limits }))
      : put(this.#bucket, { key, body, ...manner, ...limits });
  }

  #remove(
    kind: "delete" | "purge",
    key: string,
    { expiresAt, signal }: KvLimits,
    revision?: number,
  ): Promise<number> {
    return remove(this.#bucket, { key, kind, revision, expiresAt, signal });
  }
}
