// What operations on a bucket are given, checked and made ready.

import { isPlainObject, show } from "../domain/check.ts";
import { assertPutOptions } from "../domain/kv_options.ts";
import type { KvPutOptions } from "../ports/kv.ts";
import type { KvBucket } from "./kv_bucket.ts";
import type { KvPut } from "./kv_put.ts";

/** How a value is put, beside its key and its time. */
export type PutManner = Pick<KvPut, "ttlMs" | "on">;

/** How a value is put. @throws {TypeError | RangeError} when the options cannot be. */
export function putManner(bucket: KvBucket, options: KvPutOptions, call: string): PutManner {
  assertPutOptions(options, call);
  const { revision, createOnly = false, updateOnly = false } = options;
  const ttlMs = Math.ceil(options.ttlMs ?? 0);
  const most = bucket.keeping.ttlMs;
  if (most > 0 && ttlMs > most) {
    throw new RangeError(
      `Cannot use ${ttlMs} as option "ttlMs" of ${call}: the bucket ${bucket.name} keeps nothing for longer than ${most} ms`,
    );
  }
  const on = createOnly || revision === 0
    ? "nothing"
    : revision ?? (updateOnly ? "something" : undefined);
  return { ttlMs, on };
}

/** Keys, each once. @throws {TypeError | RangeError} when they cannot be. */
export function keyList(bucket: KvBucket, keys: Iterable<string>, call: string): string[] {
  if (typeof keys === "string" || typeof keys?.[Symbol.iterator] !== "function") {
    throw new TypeError(
      `Cannot use ${show(keys)} as the keys of ${call}: they must be an array, or be iterable`,
    );
  }
  const all = [...new Set(keys)];
  for (const key of all) bucket.subject(key);
  return all;
}

/** Keys and values; of a key that comes several times the last value. @throws {TypeError} when they cannot be. */
export function pairs<T>(
  values: Readonly<Record<string, T>> | Iterable<readonly [string, T]>,
): ReadonlyMap<string, T> {
  if (typeof values === "object" && values !== null && Symbol.iterator in values) {
    const map = new Map<string, T>();
    for (const pair of values as Iterable<unknown>) {
      if (!Array.isArray(pair) || pair.length !== 2) {
        throw new TypeError(
          `Cannot use ${show(pair)} as one of the values of putMany(): it must be [key, value]`,
        );
      }
      map.set(pair[0], pair[1]);
    }
    return map;
  }
  if (isPlainObject(values)) return new Map(Object.entries(values) as [string, T][]);
  throw new TypeError(
    `Cannot use ${
      show(values)
    } as the values of putMany(): they must be an object of values by their keys, or pairs of both`,
  );
}
