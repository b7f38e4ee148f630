// What the encoder takes: a value in the terms of JSON, in which every integer has the type that it is written as.

import { SerializationError } from "../../domain/error.ts";
import { assertWritten } from "../../domain/written.ts";

/** How many maps and arrays may lie in each other, the outermost counted. */
export const MAX_DEPTH = 64;

const LEAST_INT64 = -(2n ** 63n);
const GREATEST_UINT64 = 2n ** 64n - 1n;

/**
 * `value` itself where it can be written as it is, and a copy with the difference where it cannot: `toJSON()` called,
 * integers of more than 32 bits as `bigint`, small ones as numbers.
 *
 * @throws {SerializationError} when the value cannot be written, saying what is wrong and where.
 */
export function writable(value: unknown): unknown {
  assertWritten(value, "MessagePack");
  return prepare(value, "", 0) ?? null;
}

function prepare(value: unknown, key: string, depth: number): unknown {
  switch (typeof value) {
    case "string":
      if (value.isWellFormed()) return value;
      throw refused(key, "is a string with half a surrogate pair, which UTF-8 cannot hold");
    case "number":
      // A double holds what is not a safe integer, as it does for the original: 1e21 is no integer there either.
      return value > 0xffff_ffff || value < -0x8000_0000
        ? Number.isSafeInteger(value) ? BigInt(value) : value
        : value;
    case "bigint":
      if (value < LEAST_INT64 || value > GREATEST_UINT64) {
        throw refused(key, `is a bigint of more than 64 bits, ${value}n`);
      }
      return value >= -0x8000_0000n && value <= 0xffff_ffffn ? Number(value) : value;
    case "boolean":
      return value;
    case "object":
      return value === null ? null : prepareObject(value, key, depth);
    default:
      // undefined, functions and symbols: dropped from objects and null in arrays, as JSON has it.
      return undefined;
  }
}

function prepareObject(value: object, key: string, depth: number): unknown {
  if (ArrayBuffer.isView(value)) return value;
  const plain: unknown = "toJSON" in value && typeof value.toJSON === "function"
    ? value.toJSON(key)
    : value;
  if (typeof plain !== "object" || plain === null) return prepare(plain, key, depth);
  if (depth === MAX_DEPTH) {
    throw refused(key, `is nested deeper than ${MAX_DEPTH} levels, or contains itself`);
  }
  return Array.isArray(plain) ? prepareArray(plain, depth + 1) : prepareMap(plain, depth + 1);
}

function prepareArray(value: readonly unknown[], depth: number): unknown {
  let copy: unknown[] | undefined;
  for (let i = 0; i < value.length; i++) {
    const prepared = prepare(value[i], String(i), depth);
    if (!Object.is(prepared, value[i])) (copy ??= [...value])[i] = prepared;
  }
  return copy ?? value;
}

function prepareMap(value: object, depth: number): unknown {
  const from = value as Readonly<Record<string, unknown>>;
  let copy: Record<string, unknown> | undefined;
  for (const key of Object.keys(from)) {
    // Whoever reads it refuses it, so that it cannot reach a prototype: better here, where it comes from.
    if (key === "__proto__") throw refused(key, "is a key that is not sent");
    if (!key.isWellFormed()) throw refused(key, "is a key with half a surrogate pair");
    const item = from[key];
    const prepared = prepare(item, key, depth);
    if (!Object.is(prepared, item)) (copy ??= { ...from })[key] = prepared;
  }
  return copy ?? value;
}

function refused(key: string, what: string): SerializationError {
  const subject = key === "" ? "it" : JSON.stringify(key);
  return new SerializationError(`The value has no MessagePack form: ${subject} ${what}`, {
    details: { codec: "msgpack", key },
  });
}
