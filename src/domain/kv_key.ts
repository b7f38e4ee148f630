// Keys of buckets: any text as what NATS allows in a subject, and back, one for one.

import { show } from "./check.ts";

/** A token as a subject may have it. */
const PLAIN = /^[-/_=a-zA-Z0-9]+$/;
/** What is escaped: what no token may have, and a "=" that would be read as the beginning of an escape. */
const ESCAPED = /=[0-9A-F]{2}|[^a-zA-Z0-9/_=-]+/g;
const ESCAPES = /(?:=[0-9A-F]{2})+/g;
/** What stands for a token without any character. */
const EMPTY = "=";
const BUCKET = /^[-_a-zA-Z0-9]{1,250}$/;
/** How many characters an encoded key may have, so that a subject fits into a line with all that stands beside it. */
const MAX_KEY = 3_000;
/** How many characters a filter may have, which stands in a subject beside names. */
const MAX_FILTER = 1_000;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Checks the name of a bucket. @throws {TypeError} when it is none. */
export function assertBucketName(name: unknown): asserts name is string {
  if (typeof name === "string" && BUCKET.test(name)) return;
  throw new TypeError(
    `Cannot use ${
      show(name)
    } as the name of a bucket: it must hold letters, digits, "_" and "-" alone, at most 250`,
  );
}

/** The stream behind a bucket. */
export function bucketStream(bucket: string): string {
  return `KV_${bucket}`;
}

/** What the subjects of a bucket begin with. */
export function bucketPrefix(bucket: string): string {
  return `$KV.${bucket}.`;
}

/**
 * A key as it stands in a subject. Letters, digits, `-`, `/`, `_`, `=` and dots that divide stay as they are, so that most
 * keys stay readable; the bytes of anything else are `=3A` and the like, and a token without a character is `=`.
 *
 * A key that NATS allows as it is stays as it is, unless it is what a key would become that NATS forbids: then its own
 * `=` is escaped. So each key has one encoding, and whatever anybody else has written is some key.
 *
 * @throws {TypeError} when it is no text. @throws {RangeError} when it is too long.
 */
export function encodeKey(key: unknown): string {
  if (typeof key !== "string" || !key.isWellFormed()) {
    const what = typeof key === "string" ? "it has half a surrogate pair" : "it must be a string";
    throw new TypeError(`Cannot use ${show(key)} as a key: ${what}`);
  }
  // The first look keeps what is far too long from being worked on.
  const encoded = key.length > MAX_KEY ? key : key.split(".").map(encodeToken).join(".");
  if (encoded.length <= MAX_KEY) return encoded;
  throw new RangeError(
    `Cannot use ${
      show(key)
    } as a key: it has ${encoded.length} characters as NATS writes it, and a key has ${MAX_KEY} at most`,
  );
}

/** The key that {@linkcode encodeKey} has encoded; every text that NATS allows is one. */
export function decodeKey(encoded: string): string {
  return encoded.includes("=") ? encoded.split(".").map(decodeToken).join(".") : encoded;
}

/**
 * The narrowest filter of a server that lets through all keys which begin with `prefix`, behind the prefix of the bucket;
 * others may come through as well.
 *
 * @throws {TypeError | RangeError} as {@linkcode encodeKey} does.
 */
export function prefixFilter(prefix: string): string {
  encodeKey(prefix);
  const end = prefix.lastIndexOf(".");
  if (end < 0) return ">";
  const tokens = encodeKey(prefix.slice(0, end));
  return tokens.length > MAX_FILTER ? ">" : `${tokens}.>`;
}

/** The same for one key. @throws {TypeError | RangeError} as {@linkcode encodeKey} does. */
export function keyFilter(key: string): string {
  const encoded = encodeKey(key);
  return encoded.length > MAX_FILTER ? ">" : encoded;
}

function encodeToken(token: string): string {
  if (!PLAIN.test(token)) return escaped(token);
  return token.includes("=") && !PLAIN.test(origin(token)) ? escaped(token) : token;
}

function decodeToken(token: string): string {
  if (!token.includes("=")) return token;
  const before = unescaped(token);
  return before === undefined || PLAIN.test(origin(before)) ? token : before;
}

/** What a token was before it was escaped for the first time, if each escape was the only one that it could be. */
function origin(token: string): string {
  for (let text = token;;) {
    const before = PLAIN.test(text) ? unescaped(text) : undefined;
    if (before === undefined) return text;
    text = before;
  }
}

function escaped(token: string): string {
  if (token === "") return EMPTY;
  if (token === EMPTY) return "=3D";
  return token.replaceAll(ESCAPED, (text) => {
    if (text.startsWith("=")) return `=3D${text.slice(1)}`;
    let escapes = "";
    for (const byte of encoder.encode(text)) {
      escapes += `=${byte.toString(16).toUpperCase().padStart(2, "0")}`;
    }
    return escapes;
  });
}

/** The token that is escaped as this one; undefined where there is none, or it needs no escape. */
function unescaped(token: string): string | undefined {
  let text: string;
  try {
    text = token === EMPTY ? "" : token.replaceAll(
      ESCAPES,
      (run) => decoder.decode(Uint8Array.from(run.slice(1).split("="), (hex) => parseInt(hex, 16))),
    );
  } catch {
    // The bytes are no text, so nothing becomes that.
    return undefined;
  }
  return text !== token && !text.includes(".") && escaped(text) === token ? text : undefined;
}
