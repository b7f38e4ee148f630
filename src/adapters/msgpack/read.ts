// Reads MessagePack, strictly. The library's decoder takes text that is no UTF-8, keys that are integers, any depth, and
// room for as many items as a length claims; to refuse all that beforehand is to read everything, so it is read here.

import { SerializationError } from "../../domain/error.ts";
import { Keys } from "./keys.ts";
import { timestamp } from "./timestamp.ts";
import { MAX_DEPTH } from "./writable.ts";

/** Text up to this many bytes is put together here; a call of the decoder costs more. In bytes. */
const SHORT = 24;

/** The extension type of timestamps; the specification keeps the negative ones. */
const TIMESTAMP = -1;

let decoder: TextDecoder | undefined;
const keys = new Keys();

/**
 * The value that `bytes` encode.
 *
 * @throws {SerializationError} when they are no MessagePack or none that is taken, with `details.position`.
 */
export function read(bytes: Uint8Array): unknown {
  const reader = new Reader(bytes);
  const value = reader.value(0);
  reader.end();
  return value;
}

class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  end(): void {
    const over = this.#bytes.length - this.#at;
    if (over > 0) throw this.#refused(`${over} bytes more than the value`, this.#at);
  }

  value(depth: number): unknown {
    const start = this.#take(1);
    const type = this.#bytes[start]!;
    if (type < 0x80) return type;
    if (type >= 0xe0) return type - 0x100;
    if (type < 0x90) return this.#map(type & 0x0f, depth, start);
    if (type < 0xa0) return this.#array(type & 0x0f, depth, start);
    if (type < 0xc0) return this.#string(type & 0x1f);
    const view = this.#view;
    switch (type) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return this.#binary(this.#length(type - 0xc4));
      case 0xc7:
      case 0xc8:
      case 0xc9:
        return this.#extension(this.#length(type - 0xc7), start);
      case 0xca:
        return view.getFloat32(this.#take(4));
      case 0xcb:
        return view.getFloat64(this.#take(8));
      case 0xcc:
      case 0xcd:
      case 0xce:
        return this.#length(type - 0xcc);
      case 0xcf:
        return narrow(view.getBigUint64(this.#take(8)));
      case 0xd0:
        return view.getInt8(this.#take(1));
      case 0xd1:
        return view.getInt16(this.#take(2));
      case 0xd2:
        return view.getInt32(this.#take(4));
      case 0xd3:
        return narrow(view.getBigInt64(this.#take(8)));
      case 0xd4:
      case 0xd5:
      case 0xd6:
      case 0xd7:
      case 0xd8:
        return this.#extension(1 << (type - 0xd4), start);
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.#string(this.#length(type - 0xd9));
      case 0xdc:
      case 0xdd:
        return this.#array(this.#length(type - 0xdb), depth, start);
      case 0xde:
      case 0xdf:
        return this.#map(this.#length(type - 0xdd), depth, start);
      default:
        throw this.#refused("the byte c1, which MessagePack does not use", start);
    }
  }

  /** Where the next `count` bytes begin. */
  #take(count: number): number {
    const at = this.#at;
    if (at + count > this.#bytes.length) throw this.#refused("their end", this.#bytes.length);
    this.#at = at + count;
    return at;
  }

  /** An unsigned integer of 1, 2 or 4 bytes: 2 to the power of `size`. */
  #length(size: number): number {
    if (size === 0) return this.#bytes[this.#take(1)]!;
    return size === 1 ? this.#view.getUint16(this.#take(2)) : this.#view.getUint32(this.#take(4));
  }

  #array(count: number, depth: number, start: number): unknown[] {
    this.#enter(depth, start);
    // It grows as items come: a length is only a claim.
    const items: unknown[] = [];
    for (let i = 0; i < count; i++) items.push(this.value(depth + 1));
    return items;
  }

  #map(count: number, depth: number, start: number): Record<string, unknown> {
    this.#enter(depth, start);
    const map: Record<string, unknown> = {};
    for (let i = 0; i < count; i++) {
      const key = this.#key();
      map[key] = this.value(depth + 1);
    }
    return map;
  }

  #key(): string {
    const start = this.#take(1);
    const type = this.#bytes[start]!;
    let length: number;
    if (type >= 0xa0 && type < 0xc0) length = type & 0x1f;
    else if (type >= 0xd9 && type <= 0xdb) length = this.#length(type - 0xd9);
    else throw this.#refused("a key that is no string", start);
    const at = this.#take(length);
    const key = keys.find(this.#bytes, at, length) ??
      keys.keep(this.#bytes, at, length, this.#text(at, length));
    // As a plain assignment it would set the prototype.
    if (key === "__proto__") throw this.#refused('the key "__proto__"', start);
    return key;
  }

  #enter(depth: number, start: number): void {
    if (depth === MAX_DEPTH) throw this.#refused(`nesting deeper than ${MAX_DEPTH} levels`, start);
  }

  #string(length: number): string {
    return this.#text(this.#take(length), length);
  }

  #text(start: number, length: number): string {
    if (length <= SHORT) {
      let text = "";
      let i = start;
      for (; i < this.#at && this.#bytes[i]! < 0x80; i++) {
        text += String.fromCharCode(this.#bytes[i]!);
      }
      if (i === this.#at) return text;
    }
    try {
      // Without ignoreBOM it would drop a byte order mark, which here is part of the text.
      decoder ??= new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
      return decoder.decode(this.#bytes.subarray(start, this.#at));
    } catch (cause) {
      throw this.#refused("text that is no UTF-8", start, cause);
    }
  }

  /** A copy: the bytes of a message may be a view into a buffer of the connection. */
  #binary(length: number): Uint8Array {
    const start = this.#take(length);
    return new Uint8Array(this.#bytes.subarray(start, start + length));
  }

  #extension(length: number, start: number): string {
    const type = this.#view.getInt8(this.#take(1));
    const at = this.#take(length);
    const text = type === TIMESTAMP ? timestamp(this.#view, at, length) : undefined;
    if (text !== undefined) return text;
    throw this.#refused(
      type === TIMESTAMP ? "a timestamp of no known form" : `an extension of type ${type}`,
      start,
    );
  }

  #refused(what: string, position: number, cause?: unknown): SerializationError {
    const size = this.#bytes.length;
    return new SerializationError(
      `The bytes are no MessagePack: at position ${position} of ${size} comes ${what}`,
      { cause, details: { codec: "msgpack", position, size } },
    );
  }
}

/** A number where it is exact, and otherwise the `bigint`. */
function narrow(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
