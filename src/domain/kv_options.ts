// Options of buckets and of what is done with them, checked where they come in.

import { assertKeys, assertTimeout, isPlainObject, show } from "./check.ts";
import { assertSchema } from "./schema.ts";

const MAX_HISTORY = 64;
const MAX_REPLICAS = 5;
/** The longest time, in milliseconds: a hundred years, which every server holds in nanoseconds. */
const MAX_TTL_MS = 36_500 * 86_400_000;
/** Servers take none that is shorter for a whole bucket. */
const LEAST_TTL_MS = 100;

const CALL = ["timeoutMs", "signal"];
const SETTINGS = ["history", "ttlMs", "storage", "replicas", "maxValueBytes", "maxBytes"];
const BUCKET = [...SETTINGS, "schema", ...CALL];
const PUT = [...CALL, "revision", "createOnly", "updateOnly", "ttlMs"];
const REMOVE = [...CALL, "revision"];
const WATCH = ["prefix", "key", "initial", "onInitial", "signal"];

/** Checks the options of `bus.kv()`. @throws {TypeError | RangeError} naming what cannot be. */
export function assertBucketOptions(options: unknown): void {
  const where = "of bus.kv()";
  assertCall(options, BUCKET, where);
  const { schema, storage } = options;
  if (schema !== undefined) assertSchema(schema, `option "schema" ${where}`);
  if (storage !== undefined && storage !== "file" && storage !== "memory") {
    throw new TypeError(
      `Cannot use ${show(storage)} as option "storage" ${where}: it must be "file" or "memory"`,
    );
  }
  assertWhole(options, "history", 1, MAX_HISTORY, where);
  assertWhole(options, "replicas", 1, MAX_REPLICAS, where);
  assertWhole(options, "ttlMs", 0, MAX_TTL_MS, where);
  const { ttlMs = 0 } = options;
  if (typeof ttlMs === "number" && ttlMs > 0 && ttlMs < LEAST_TTL_MS) {
    throw new RangeError(
      `Cannot use ${ttlMs} as option "ttlMs" ${where}: it must be 0, or at least ${LEAST_TTL_MS}; put() takes shorter ones`,
    );
  }
  assertWhole(options, "maxValueBytes", 0, Number.MAX_SAFE_INTEGER, where);
  assertWhole(options, "maxBytes", 0, Number.MAX_SAFE_INTEGER, where);
}

/** Checks the options of a call that waits. @throws {TypeError | RangeError} naming what cannot be. */
export function assertCallOptions(options: unknown, call: string): void {
  assertCall(options, CALL, `of ${call}`);
}

/** Checks the options of `delete()` and `purge()`. @throws {TypeError | RangeError} naming what cannot be. */
export function assertRemoveOptions(options: unknown, call: string): void {
  const where = `of ${call}`;
  assertCall(options, REMOVE, where);
  assertWhole(options, "revision", 1, Number.MAX_SAFE_INTEGER, where);
}

/** Checks the options of `put()`. @throws {TypeError | RangeError} naming what cannot be. */
export function assertPutOptions(options: unknown, call: string): void {
  const where = `of ${call}`;
  assertCall(options, call === "put()" ? PUT : PUT.filter((name) => name !== "revision"), where);
  assertBoolean(options, "createOnly", where);
  assertBoolean(options, "updateOnly", where);
  assertWhole(options, "revision", 0, Number.MAX_SAFE_INTEGER, where);
  assertTtl(options.ttlMs, where);
  const { revision, createOnly = false, updateOnly = false } = options;
  if (createOnly && updateOnly) {
    throw new TypeError(`Cannot use options "createOnly" and "updateOnly" together ${where}`);
  }
  const absent = createOnly || revision === 0;
  if (absent && (updateOnly || (revision !== undefined && revision !== 0))) {
    const one = createOnly ? `"createOnly"` : `"revision" 0`;
    throw new TypeError(
      `Cannot use option ${one} ${where} together with ${
        updateOnly ? `"updateOnly"` : `"revision" ${revision}`
      }: the key cannot be there and not be there`,
    );
  }
}

/** Checks the options of `watch()`. @throws {TypeError} naming what cannot be. */
export function assertWatchOptions(options: unknown): void {
  const where = "of watch()";
  assertOptions(options, WATCH, where);
  const { prefix, key, onInitial } = options;
  assertBoolean(options, "initial", where);
  assertSignal(options.signal, where);
  if (onInitial !== undefined && typeof onInitial !== "function") {
    throw new TypeError(
      `Cannot use ${show(onInitial)} as option "onInitial" ${where}: it must be a function`,
    );
  }
  if (prefix !== undefined && key !== undefined) {
    throw new TypeError(`Cannot use options "prefix" and "key" together ${where}`);
  }
}

function assertCall(
  options: unknown,
  allowed: readonly string[],
  where: string,
): asserts options is Record<string, unknown> {
  assertOptions(options, allowed, where);
  const { timeoutMs, signal } = options;
  if (timeoutMs !== undefined) assertTimeout(timeoutMs, `option "timeoutMs" ${where}`);
  assertSignal(signal, where);
}

function assertOptions(
  options: unknown,
  allowed: readonly string[],
  where: string,
): asserts options is Record<string, unknown> {
  if (!isPlainObject(options)) {
    throw new TypeError(
      `Cannot use ${show(options)} as the options ${where}: they must be an object`,
    );
  }
  assertKeys(options, allowed, where);
}

function assertSignal(signal: unknown, where: string): void {
  if (signal === undefined || signal instanceof AbortSignal) return;
  throw new TypeError(
    `Cannot use ${show(signal)} as option "signal" ${where}: it must be an AbortSignal`,
  );
}

function assertBoolean(options: Record<string, unknown>, name: string, where: string): void {
  const value = options[name];
  if (value === undefined || typeof value === "boolean") return;
  throw new TypeError(
    `Cannot use ${show(value)} as option "${name}" ${where}: it must be a boolean`,
  );
}

function assertTtl(ttlMs: unknown, where: string): void {
  if (ttlMs === undefined) return;
  const what = `Cannot use ${show(ttlMs)} as option "ttlMs" ${where}: it must be `;
  if (typeof ttlMs !== "number") throw new TypeError(`${what}a number of milliseconds`);
  if (!(ttlMs >= 0 && ttlMs <= MAX_TTL_MS)) {
    throw new RangeError(`${what}a number of milliseconds from 0 to ${MAX_TTL_MS}`);
  }
}

function assertWhole(
  options: Record<string, unknown>,
  name: string,
  least: number,
  most: number,
  where: string,
): void {
  const value = options[name];
  if (value === undefined) return;
  const what = `Cannot use ${show(value)} as option "${name}" ${where}: it must be a `;
  if (typeof value !== "number") throw new TypeError(`${what}number`);
  if (!Number.isSafeInteger(value) || value < least || value > most) {
    throw new RangeError(`${what}whole number from ${least} to ${most}`);
  }
}
