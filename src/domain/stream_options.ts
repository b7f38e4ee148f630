// Limits of a stream that holds messages until a limit says otherwise: options, defaults and checks.

import { assertKeys, isPlainObject, show } from "./check.ts";

/** How a stream is set up. What is not given is a default where the stream is made, and left as it is where it is there. */
export interface StreamOptions {
  /** Where it is stored; it cannot be changed. @default {"file"} */
  readonly storage?: "file" | "memory";
  /** For how long a message is kept, in milliseconds; 0 is for ever. @default {7 days for events and for records of commands, 0 for commands and dead letters} */
  readonly maxAgeMs?: number;
  /** How many messages are kept; 0 is any number. @default {0} */
  readonly maxMessages?: number;
  /** How many bytes all messages may take; 0 is any number, up to what the server allows. @default {0} */
  readonly maxBytes?: number;
  /** How large one message may be, in bytes; 0 is what the server allows. @default {0} */
  readonly maxMessageBytes?: number;
  /** For how long an id is remembered, so that what is published twice with it is stored once, in milliseconds. @default {120000} */
  readonly duplicateWindowMs?: number;
  /**
   * What gives way when it is full: `"new"`, what is published, which is refused with a `QueueFullError`, or `"old"`, the
   * oldest messages, handled or not.
   *
   * @default {"new"}
   */
  readonly discard?: "new" | "old";
}

/** Streams by what they hold. */
export interface StreamsOptions {
  /** The stream of events, `EVENTS`. */
  readonly events?: StreamOptions;
  /** The stream of dead letters, `DEAD_LETTERS`. */
  readonly deadLetters?: StreamOptions;
  /**
   * The work queues of commands, `COMMANDS_{service}`. What is sent to one that is full is refused with a `QueueFullError`;
   * with `discard: "old"` commands would be deleted that nobody has run.
   */
  readonly commands?: StreamOptions;
  /** The bucket of their records: `maxAgeMs` is how long the state and the result of a command outlive its last change. */
  readonly commandRecords?: StreamOptions;
}

const DAY_MS = 86_400_000;
const COMMON = {
  storage: "file",
  maxMessages: 0,
  maxBytes: 0,
  maxMessageBytes: 0,
  duplicateWindowMs: 120_000,
  discard: "new",
} as const;

/** The defaults of each. */
export const STREAM_DEFAULTS: Readonly<Record<keyof StreamsOptions, Required<StreamOptions>>> = {
  events: { ...COMMON, maxAgeMs: 7 * DAY_MS },
  // Nobody may lose them by not looking for a while.
  deadLetters: { ...COMMON, maxAgeMs: 0 },
  commands: { ...COMMON, maxAgeMs: 0 },
  commandRecords: { ...COMMON, maxAgeMs: 7 * DAY_MS },
};

const NUMBERS = ["maxAgeMs", "maxMessages", "maxBytes", "maxMessageBytes", "duplicateWindowMs"];
const MIN_WINDOW_MS = 100;

/** Checks such options. @throws {TypeError | RangeError} naming what cannot be. */
export function assertStreamsOptions(options: unknown): asserts options is StreamsOptions {
  if (!isPlainObject(options)) {
    throw new TypeError(`connect(): streams must be an object, not ${show(options)}`);
  }
  assertKeys(options, Object.keys(STREAM_DEFAULTS), 'in "streams" of connect()');
  for (const [name, stream] of Object.entries(options)) {
    if (stream !== undefined) assertStreamOptions(stream, `streams.${name}`);
  }
}

function assertStreamOptions(options: unknown, where: string): void {
  if (!isPlainObject(options)) {
    throw new TypeError(`connect(): ${where} must be an object, not ${show(options)}`);
  }
  assertKeys(options, Object.keys(STREAM_DEFAULTS.events), `in "${where}" of connect()`);
  for (const [key, value] of Object.entries(options)) {
    if (value === undefined) continue;
    if (NUMBERS.includes(key)) assertNumber(value, `${where}.${key}`);
    else if (!ALLOWED[key]!.includes(value as string)) {
      const allowed = ALLOWED[key]!.map((word) => `"${word}"`).join(" or ");
      throw new TypeError(`connect(): ${where}.${key} must be ${allowed}, not ${show(value)}`);
    }
  }
}

const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  storage: ["file", "memory"],
  discard: ["new", "old"],
};

function assertNumber(value: unknown, where: string): void {
  if (typeof value !== "number") {
    throw new TypeError(`connect(): ${where} must be a number, not ${show(value)}`);
  }
  const least = where.endsWith("duplicateWindowMs") ? MIN_WINDOW_MS : 0;
  if (!Number.isSafeInteger(value) || value < least) {
    throw new RangeError(
      `connect(): ${where} must be a whole number of at least ${least}, not ${value}`,
    );
  }
}
