// A key-value store: the last value of each key, its revisions, and a watch over what changes.

import type { Schema } from "../domain/schema.ts";

/** What became of a key: it has a value, was deleted, or was purged with its history; what expires is purged. */
export type KvOperation = "put" | "delete" | "purge";

/** A key and its value. */
export interface KvEntry<T = unknown> {
  /** The key, as it was given to `put`. */
  readonly key: string;
  /** The value. */
  readonly value: T;
  /** Its revision: it grows with every change in the bucket, and is what `put({ revision })` names. */
  readonly revision: number;
  /** When it was stored, in milliseconds since the epoch on the broker's clock. */
  readonly createdAt: number;
  /** When it expires, likewise; undefined when it does not. */
  readonly expiresAt?: number | undefined;
}

/** One of the last changes of a key. */
export interface KvRevision<T = unknown> extends Omit<KvEntry<T>, "value"> {
  /** What it was. */
  readonly operation: KvOperation;
  /** The value that was put; undefined when it was deleted or purged. */
  readonly value: T | undefined;
}

/** A change that a watch tells. */
export interface KvChange<T = unknown> {
  /** What became of the key. */
  readonly operation: KvOperation;
  /** The key. */
  readonly key: string;
  /** The revision of the change; of a key that vanished without one, that of its last value. */
  readonly revision: number;
  /** What the key has now; undefined when it was deleted or purged. */
  readonly entry?: KvEntry<T> | undefined;
  /** Whether it was so before the watch began. */
  readonly initial: boolean;
}

/** Options of `kv.watch()`. */
export interface KvWatchOptions {
  /** Which keys: those that begin with it. @default {""} */
  readonly prefix?: string;
  /** This key alone; instead of `prefix`. */
  readonly key?: string;
  /** Whether what is there already is told first. @default {true} */
  readonly initial?: boolean;
  /** Called once, when all that was there already has been taken and before anything that came after it. */
  readonly onInitial?: () => void;
  /** Ends the watch. */
  readonly signal?: AbortSignal;
}

/**
 * A watch: it tells each change once, in the order of their revisions, over outages, restarts and lost consumers. Of the
 * changes of one key the last is told at least: those before it are left out where the bucket did not keep them until they
 * could be told, and where more than 1,000 changes wait to be taken. A value that cannot be read, or does not fit the schema, is passed
 * over, with a warning in the log; `get()` says what is wrong with it. It ends with the bus, its signal, `stop()`, or a
 * `break` out of the loop over it.
 *
 * @example
 * ```ts
 * import { connect } from "@aegis/sdk";
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * await using bus = await connect({ servers: "memory:" });
 * const seats = await bus.kv<string>("seats");
 * await seats.put("A1", "Ada");
 *
 * await using watch = seats.watch({ prefix: "A" });
 * await watch.ready; // from here on nothing is missed
 * await seats.delete("A1");
 * const seen: string[] = [];
 * for await (const { operation, key } of watch) {
 *   if (seen.push(`${operation} ${key}`) === 2) break;
 * }
 * deepStrictEqual(seen, ["put A1", "delete A1"]);
 * ```
 */
export interface KvWatch<T = unknown> extends AsyncIterableIterator<KvChange<T>>, AsyncDisposable {
  /**
   * Resolves when the watch knows all that was there already, and hears of every change from now on; whether anybody takes
   * what it tells does not matter. Rejects when the watch ends before.
   */
  readonly ready: Promise<void>;
  /** Ends it; the loop over it ends. */
  stop(): Promise<void>;
}

/** Options of every call that waits, that which opens a bucket among them. */
export interface KvCallOptions {
  /** How long it may take, outages included, in milliseconds. @default {5000} */
  readonly timeoutMs?: number;
  /** Ends it with the signal's reason. What was sent may have been stored. */
  readonly signal?: AbortSignal;
}

/** Options of `kv.put()`. */
export interface KvPutOptions extends KvCallOptions {
  /** The revision that the key must have; 0 where it must not be there. */
  readonly revision?: number;
  /** Whether the key must not be there. @default {false} */
  readonly createOnly?: boolean;
  /** Whether the key must be there. @default {false} */
  readonly updateOnly?: boolean;
  /** For how long the key lives after this, in milliseconds; 0 is for as long as the bucket keeps it. @default {0} */
  readonly ttlMs?: number;
}

/** Options of `kv.delete()` and `kv.purge()`. */
export interface KvDeleteOptions extends KvCallOptions {
  /** The revision that the key must have. */
  readonly revision?: number;
}

/** What one of many operations came to. */
export type KvOutcome =
  | { readonly ok: true; readonly revision: number }
  | { readonly ok: false; readonly error: Error };

/** How a bucket is and what it holds. */
export interface KvStatus {
  /** Its name. */
  readonly bucket: string;
  /** How many keys have a value. */
  readonly keys: number;
  /** How many values and deletions are kept, history among them. */
  readonly values: number;
  /** How many bytes that takes. */
  readonly bytes: number;
  /** How many changes of a key are kept. */
  readonly history: number;
  /** For how long a value is kept that has no time of its own, in milliseconds; 0 is for ever. */
  readonly ttlMs: number;
  /** How many servers keep it. */
  readonly replicas: number;
  /** Where it is stored. */
  readonly storage: "file" | "memory";
  /** Who ends a key with a time of its own: the broker, or who reads it. */
  readonly expiry: "server" | "client";
}

/** Options of `bus.kv()`. What is given is compared with a bucket that is there; what cannot be is a `ConflictError`. */
export interface KvOptions<T = unknown> extends KvCallOptions {
  /** How many changes of a key are kept, from 1 to 64. @default {1} */
  readonly history?: number;
  /** For how long a value is kept that has no time of its own, in milliseconds; 0 is for ever. @default {0} */
  readonly ttlMs?: number;
  /** What every value must fit, when it is put and when it is read. */
  readonly schema?: Schema<unknown, T>;
  /** Where it is stored. @default {"file"} */
  readonly storage?: "file" | "memory";
  /** How many servers keep it. @default the bus's */
  readonly replicas?: number;
  /** How large one value may be, in bytes; 0 is as large as a message may be. @default {0} */
  readonly maxValueBytes?: number;
  /** How many bytes the bucket may take; 0 is any number. @default {0} */
  readonly maxBytes?: number;
}

/**
 * A bucket of keys and values.
 *
 * @example
 * ```ts
 * import { ConflictError, connect, type Kv } from "@aegis/sdk";
 * import { deepStrictEqual, rejects } from "node:assert/strict";
 *
 * await using bus = await connect({ servers: "memory:" });
 * const seats: Kv<string> = await bus.kv<string>("seats");
 * await seats.put("A1", "Ada", { createOnly: true });
 * await rejects(seats.put("A1", "Grace", { createOnly: true }), ConflictError); // it is taken
 * await seats.putMany({ A2: "Grace", B1: "Katherine" });
 * deepStrictEqual(await seats.keys("A"), ["A1", "A2"]);
 * await seats.delete("A2");
 * deepStrictEqual((await seats.get("A2"))?.value, undefined);
 * ```
 */
export interface Kv<T = unknown> {
  /** The name of the bucket. */
  readonly bucket: string;
  /** What a key has, as the bucket's leader knows it; undefined where it has nothing. */
  get(key: string, options?: KvCallOptions): Promise<KvEntry<T> | undefined>;
  /** Gives a key a value; its new revision. @throws {ConflictError} when somebody was faster, or it is there, or is not. */
  put(key: string, value: T, options?: KvPutOptions): Promise<number>;
  /** Removes a key; false when it was not there. @throws {ConflictError} when it has another revision. */
  delete(key: string, options?: KvDeleteOptions): Promise<boolean>;
  /** Removes a key and its history; false when there was none. @throws {ConflictError} likewise. */
  purge(key: string, options?: KvDeleteOptions): Promise<boolean>;
  /** Whether a key has a value. */
  exists(key: string, options?: KvCallOptions): Promise<boolean>;
  /** What each of the keys has that has something; what cannot be read is left out, with a warning in the log. */
  getMany(keys: Iterable<string>, options?: KvCallOptions): Promise<Map<string, KvEntry<T>>>;
  /** Gives many keys their values, pipelined; what became of each. */
  putMany(
    values: Readonly<Record<string, T>> | Iterable<readonly [string, T]>,
    options?: KvPutOptions,
  ): Promise<Map<string, KvOutcome>>;
  /** Removes many keys, pipelined; what became of each. */
  deleteMany(keys: Iterable<string>, options?: KvCallOptions): Promise<Map<string, KvOutcome>>;
  /** The keys that begin with `prefix`, sorted. */
  keys(prefix?: string, options?: KvCallOptions): Promise<string[]>;
  /** The last changes of a key that are kept, oldest first; values that cannot be read are left out, with a warning. */
  history(key: string, options?: KvCallOptions): Promise<KvRevision<T>[]>;
  /** Removes all keys that begin with `prefix`, which watches are told; how many had a value. */
  clear(prefix?: string, options?: KvCallOptions): Promise<number>;
  /** Watches what changes. */
  watch(options?: KvWatchOptions): KvWatch<T>;
  /** How the bucket is. */
  status(options?: KvCallOptions): Promise<KvStatus>;
}
