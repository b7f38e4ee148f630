// Identifiers and jitter, from the platform's random bytes.

import type { Random } from "../../ports/random.ts";

/**
 * Identifiers made at a time. They are slices of one text: to join each from parts would give ropes, which cost more
 * to flatten, when the message is written, than all the rest. More at a time would keep more text alive for each
 * identifier that somebody keeps.
 */
const BATCH = 64;

/** The ASCII codes of the hexadecimal digits. */
const DIGITS: Uint8Array = Uint8Array.from("0123456789abcdef", (digit) => digit.charCodeAt(0));

/** What a UUID of version 4 looks like before its digits are known, and where the byte pairs of digits go. */
const UUID = "00000000-0000-4000-8000-000000000000";
const PAIRS: readonly number[] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];

/** Writes `byte` as two digits. */
function writeByte(text: Uint8Array, at: number, byte: number): void {
  text[at] = DIGITS[byte >>> 4]!;
  text[at + 1] = DIGITS[byte & 15]!;
}

/** Writes a random UUID of version 4 from sixteen random bytes. */
function writeUuid(text: Uint8Array, at: number, random: Uint8Array, from: number): void {
  for (let i = 0; i < 16; i++) {
    let byte = random[from + i]!;
    // RFC 9562: the version is the thirteenth digit, the variant the upper two bits of the seventeenth.
    if (i === 6) byte = byte & 0x0f | 0x40;
    else if (i === 8) byte = byte & 0x3f | 0x80;
    writeByte(text, at + PAIRS[i]!, byte);
  }
}

/** Identifiers of one width, made {@linkcode BATCH} at a time. */
class Batch {
  readonly #width: number;
  readonly #bytes: Uint8Array;
  readonly #fill: (bytes: Uint8Array) => void;
  readonly #decoder = new TextDecoder();
  // Empty until the first use: edge runtimes allow no randomness while a module loads.
  #text = "";
  #at = 0;

  constructor(template: string, fill: (bytes: Uint8Array) => void) {
    this.#width = template.length;
    this.#bytes = new TextEncoder().encode(template.repeat(BATCH));
    this.#fill = fill;
  }

  take(): string {
    let at = this.#at;
    if (at === this.#text.length) {
      this.#fill(this.#bytes);
      this.#text = this.#decoder.decode(this.#bytes);
      at = 0;
    }
    return this.#text.slice(at, this.#at = at + this.#width);
  }
}

/** Fills a batch with UUIDs that differ in a counter, the last eight digits; its wrap draws a new prefix. */
function counted(): (bytes: Uint8Array) => void {
  const random = new Uint8Array(16);
  let counter = 0;
  return (bytes) => {
    const fresh = counter === 0;
    if (fresh) crypto.getRandomValues(random);
    for (let at = 0; at < bytes.length; at += UUID.length) {
      if (fresh) writeUuid(bytes, at, random, 0);
      writeByte(bytes, at + 28, counter >>> 24);
      writeByte(bytes, at + 30, counter >>> 16 & 255);
      writeByte(bytes, at + 32, counter >>> 8 & 255);
      writeByte(bytes, at + 34, counter & 255);
      counter = (counter + 1) >>> 0;
    }
  };
}

/** Fills a batch with UUIDs that are random in every digit. */
function varied(): (bytes: Uint8Array) => void {
  const random = new Uint8Array(16 * BATCH);
  return (bytes) => {
    crypto.getRandomValues(random);
    for (let i = 0; i < BATCH; i++) writeUuid(bytes, i * UUID.length, random, i * 16);
  };
}

/** Fills a batch with span ids. */
function spans(): (bytes: Uint8Array) => void {
  const random = new Uint8Array(8 * BATCH);
  return (bytes) => {
    crypto.getRandomValues(random);
    for (let i = 0; i < random.length; i += 8) {
      let any = 0;
      for (let j = i; j < i + 8; j++) {
        any |= random[j]!;
        writeByte(bytes, j * 2, random[j]!);
      }
      // W3C Trace Context calls a span id of zeros invalid. Chance makes one in 2^64; it becomes the number one.
      if (any === 0) bytes[i * 2 + 15] = DIGITS[1]!;
    }
  };
}

/**
 * The system's source of identifiers. `uuid()` is made for every message: a random prefix of 90 bits that this source
 * keeps, and a counter in the last eight digits, so identifiers are unique and in order but can be guessed from each
 * other. `traceId()` and `spanId()` are random in every digit, as W3C samplers need. None of them is a secret.
 */
export function createRandom(): Random {
  const uuids = new Batch(UUID, counted());
  const traceIds = new Batch(UUID, varied());
  const spanIds = new Batch("0".repeat(16), spans());
  return {
    uuid: () => uuids.take(),
    traceId: () => traceIds.take(),
    spanId: () => spanIds.take(),
    next: () => Math.random(),
  };
}
