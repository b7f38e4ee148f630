// What each option of connect() must be.

import * as v from "valibot";
import { optionError } from "./option_error.ts";
import { redactUrl, SERVERS_ALLOWED } from "./server_url.ts";

/** The longest time that a timer can be set to, in milliseconds. */
const MAX_TIMER_MS = 2 ** 31 - 1;

const text = (allowed = "a string that is not empty") =>
  v.optional(v.pipe(v.string(allowed), v.nonEmpty(allowed)));
const number = (allowed: string, fits: (value: number) => boolean) =>
  v.optional(
    v.pipe(v.custom<number>((x) => typeof x === "number", allowed), v.check(fits, allowed)),
  );
const shaped = (allowed: string, ...methods: string[]) =>
  v.optional(v.custom<object>(
    (x) =>
      ((typeof x === "object" && x !== null) || typeof x === "function") &&
      methods.every((name) => typeof (x as Record<string, unknown>)[name] === "function"),
    allowed,
  ));

function hasWaitUntil(value: unknown): boolean {
  return typeof value === "object" && value !== null &&
    typeof (value as { waitUntil?: unknown }).waitUntil === "function";
}

/** Each message says what is allowed, to complete "must be …". */
const SCHEMA = v.strictObject({
  servers: v.optional(v.union([v.string(), v.array(v.string())], SERVERS_ALLOWED)),
  name: text(),
  token: text(),
  user: text(),
  pass: v.optional(v.string("a string")),
  creds: v.optional(v.pipe(
    v.string("the text of a .creds file"),
    v.regex(/-----\s+\S+\s+-{3,}[^]*-----\s+SU[A-Z2-7]{56}\s+-{3,}/, "the text of a .creds file"),
  )),
  credsFile: text("a path"),
  nkeySeed: v.optional(v.pipe(
    v.string("a user's seed, SU and 56 more characters"),
    v.trim(),
    v.regex(/^SU[A-Z2-7]{56}$/, "a user's seed, SU and 56 more characters"),
  )),
  tls: v.optional(v.strictObject({
    caFile: text("a path"),
    certFile: text("a path"),
    keyFile: text("a path"),
    handshakeFirst: v.optional(v.boolean("true or false")),
  }, "an object with caFile, certFile, keyFile and handshakeFirst, each optional")),
  jetstreamDomain: v.optional(v.pipe(
    v.string("a word without blanks, dots and wildcards"),
    v.regex(/^[^\s.*>]+$/, "a word without blanks, dots and wildcards"),
  )),
  codec: shaped("a codec, with encode(), decode() and accepts()", "encode", "decode", "accepts"),
  logger: shaped(
    "a logger, with debug(), info(), warn() and error()",
    "debug",
    "info",
    "warn",
    "error",
  ),
  metrics: shaped(
    "a place for metrics, with increment(), gauge(), record() and timer()",
    "increment",
    "gauge",
    "record",
    "timer",
  ),
  tracer: shaped("a tracer, with start()", "start"),
  clock: shaped(
    "a clock, with now(), timestamp(), monotonic() and setTimer()",
    "now",
    "timestamp",
    "monotonic",
    "setTimer",
  ),
  replicas: number("a whole number from 1 to 5", (n) => Number.isInteger(n) && n >= 1 && n <= 5),
  streams: v.optional(v.custom<object>((x) => typeof x === "object" && x !== null, "an object")),
  timeoutMs: number(
    `a number of milliseconds, more than 0 and at most ${MAX_TIMER_MS}`,
    (n) => n > 0 && n <= MAX_TIMER_MS,
  ),
  perRequest: v.optional(
    v.union(
      [v.boolean(), v.custom<object>(hasWaitUntil)],
      "true, false, or what has waitUntil(), such as the ctx of a worker's handler",
    ),
  ),
  connection: shaped(
    "a connection of nats.js",
    "publish",
    "subscribe",
    "flush",
    "status",
    "closed",
  ),
  transport: shaped(
    "a transport, with ping(), onStatus() and close()",
    "ping",
    "onStatus",
    "close",
  ),
}, "an object");

/** The options of `connect()` that are plain values, each of its kind; and whether the others are there. */
export interface PlainOptions {
  /** Addresses, not yet read. */
  readonly servers?: string | string[] | undefined;
  /** The connection's name. */
  readonly name?: string | undefined;
  /** A token. */
  readonly token?: string | undefined;
  /** A user. */
  readonly user?: string | undefined;
  /** The user's password. */
  readonly pass?: string | undefined;
  /** The text of a .creds file. */
  readonly creds?: string | undefined;
  /** The path of a .creds file. */
  readonly credsFile?: string | undefined;
  /** The seed of an nkey. */
  readonly nkeySeed?: string | undefined;
  /** How TLS is spoken. */
  readonly tls?: {
    readonly caFile?: string | undefined;
    readonly certFile?: string | undefined;
    readonly keyFile?: string | undefined;
    readonly handshakeFirst?: boolean | undefined;
  } | undefined;
  /** The JetStream domain. */
  readonly jetstreamDomain?: string | undefined;
  /** How many servers keep a stream or bucket. */
  readonly replicas?: number | undefined;
  /** How long connecting may take, in milliseconds. */
  readonly timeoutMs?: number | undefined;
  /** Whether the connection is for one request, or what waits for its end. */
  readonly perRequest?: boolean | object | undefined;
  /** A connection that the caller brought. */
  readonly connection?: object | undefined;
  /** A transport that the caller brought. */
  readonly transport?: object | undefined;
}

/**
 * Each option by itself. One that is `undefined` counts as not given, as everywhere in JavaScript.
 *
 * @param nameOf how the option at a path is called where it was given
 * @throws {TypeError} when an option is unknown or of the wrong kind.
 * @throws {RangeError} when a number is out of its range.
 */
export function checkOptions(options: object, nameOf: (path: string) => string): PlainOptions {
  const result = v.safeParse(SCHEMA, withoutUndefined(options), { abortEarly: true });
  if (result.success) return result.output;
  throw optionError(result.issues[0], {
    nameOf,
    known: Object.keys(SCHEMA.entries),
    knownTls: Object.keys(SCHEMA.entries.tls.wrapped.entries),
  });
}

function withoutUndefined(options: unknown): object {
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    const servers = typeof options === "string" ? redactUrl(options) : "nats://localhost:4222";
    throw new TypeError(
      `connect(): the options must be an object, such as { servers: ${JSON.stringify(servers)} }`,
    );
  }
  return Object.fromEntries(
    Object.entries(options).filter(([, value]) => value !== undefined).map(([key, value]) =>
      key === "tls" && typeof value === "object" && value !== null && !Array.isArray(value)
        ? [key, withoutUndefined(value)]
        : [key, value]
    ),
  );
}
