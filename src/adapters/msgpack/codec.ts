// The MessagePack codec.

import { Encoder } from "@msgpack/msgpack";
import { SerializationError } from "../../domain/error.ts";
import type { Codec } from "../../ports/codec.ts";
import { read } from "./read.ts";
import { writable } from "./writable.ts";

/** The encoder keeps the buffer of the largest value that it ever wrote; above this it is let go. In bytes. */
const KEPT = 1024 * 1024;

/** A number whose only form is a double, so that it takes nine bytes. */
const FRACTION = 0.5;

class MessagePackCodec implements Codec {
  readonly name = "msgpack";
  #encoder = encoder();

  accepts(firstByte: number): boolean {
    return firstByte >= 0x80 && firstByte <= 0x9f || firstByte >= 0xc0 && firstByte <= 0xdf;
  }

  encode(value: unknown): Uint8Array {
    try {
      const plain = writable(value);
      const timeout = wholeTimeout(plain);
      if (timeout === undefined) return this.#write(plain);
      // The original's model holds the time-out as a float, and writes it so even when it is whole. It is the last key
      // of an envelope, so its eight bytes are the last of all.
      const bytes = this.#write({ ...plain as object, timeout: FRACTION });
      new DataView(bytes.buffer).setFloat64(bytes.length - 8, timeout);
      return bytes;
    } catch (cause) {
      if (cause instanceof SerializationError) throw cause;
      // A getter or a toJSON of the value threw, or the encoder met something too long.
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new SerializationError(`The value has no MessagePack form: ${reason}`, { cause });
    }
  }

  decode(bytes: Uint8Array): unknown {
    return read(bytes);
  }

  #write(value: unknown): Uint8Array<ArrayBuffer> {
    const bytes = this.#encoder.encode(value);
    if (bytes.length > KEPT) this.#encoder = encoder();
    return bytes;
  }
}

/** A number of more than 32 bits is written as an integer only where it comes as a bigint. */
function encoder(): Encoder {
  return new Encoder({ useBigInt64: true, ignoreUndefined: true });
}

/** The time-out of an envelope whose last key it is, if it is a whole number. */
function wholeTimeout(value: unknown): number | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  if (!("message_id" in value && "timeout" in value)) return undefined;
  const { timeout } = value;
  // One of more than 32 bits is a bigint by now.
  if (!(typeof timeout === "bigint" || Number.isInteger(timeout))) return undefined;
  return Object.keys(value).at(-1) === "timeout" ? Number(timeout) : undefined;
}

/**
 * MessagePack, the encoding that the original AegisSDK for Python writes by default. The entries `.` and `./deno`
 * understand it as it comes; give it to `connect()` to write it, or to read it with `./edge`.
 *
 * What JSON does to `undefined`, functions, `toJSON()` and class instances, it does too: a `Date` is written as its
 * ISO 8601 text, and a `Map` as an empty object. It has more than JSON: a `bigint` of 64 bits, `NaN`, and binary values,
 * which are `Uint8Array`. Integers are read as numbers where those are safe and as `bigint` elsewhere, timestamps as
 * ISO 8601 text. Nesting goes to 64 levels either way.
 *
 * @throws {SerializationError} from `encode` for a cycle, nesting deeper than 64 levels, a `bigint` over 64 bits, a
 * string with half a surrogate pair, and a function or a symbol alone; from `decode` for malformed bytes, keys that are no
 * strings, the key `__proto__`, text that is no UTF-8, bytes after the end, and nesting deeper than 64 levels, with
 * `details.position`.
 *
 * @example
 * ```ts
 * import { msgpack } from "@aegis/sdk/msgpack";
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * const codec = msgpack();
 * const bytes = codec.encode({ id: 2n ** 63n });
 * if (typeof bytes !== "string") deepStrictEqual(codec.decode(bytes), { id: 2n ** 63n });
 * ```
 */
export function msgpack(): Codec {
  return new MessagePackCodec();
}
