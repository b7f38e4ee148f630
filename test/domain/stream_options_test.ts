// Options of streams: their defaults and their checks.

import { deepStrictEqual, doesNotThrow, match, strictEqual, throws } from "node:assert/strict";
import { test } from "node:test";
import { assertStreamsOptions, STREAM_DEFAULTS } from "../../src/domain/stream_options.ts";

const check: (options: unknown) => void = assertStreamsOptions;

/** Checks that options are refused by an error of that kind, which says this. */
function refuses(options: unknown, kind: typeof TypeError | typeof RangeError, says: RegExp): void {
  throws(() => check(options), (error: Error) => {
    strictEqual(error.constructor, kind, String(error));
    match(error.message, says);
    return true;
  });
}

test("the defaults are those that are documented: dead letters are kept for ever", () => {
  const common = {
    storage: "file",
    maxMessages: 0,
    maxBytes: 0,
    maxMessageBytes: 0,
    duplicateWindowMs: 120_000,
    discard: "new",
  };
  deepStrictEqual(STREAM_DEFAULTS, {
    events: { ...common, maxAgeMs: 604_800_000 },
    deadLetters: { ...common, maxAgeMs: 0 },
    commands: { ...common, maxAgeMs: 0 },
    commandRecords: { ...common, maxAgeMs: 604_800_000 },
  });
});

test("the defaults are options that may be given", () => {
  doesNotThrow(() => check(STREAM_DEFAULTS));
});

test("what is not given, or undefined, is no option", () => {
  for (
    const options of [
      {},
      { events: {} },
      { events: undefined, deadLetters: { maxAgeMs: undefined } },
      Object.create(null),
    ]
  ) doesNotThrow(() => check(options));
});

test("a number at the edge of what is allowed is allowed, one beyond it is not", () => {
  const numbers = ["maxAgeMs", "maxMessages", "maxBytes", "maxMessageBytes"];
  for (const key of [...numbers, "duplicateWindowMs"]) {
    const least = key === "duplicateWindowMs" ? 100 : 0;
    for (const value of [least, Number.MAX_SAFE_INTEGER]) {
      doesNotThrow(() => check({ events: { [key]: value } }), `${key} ${value}`);
    }
    for (const value of [least - 1, least + 0.5, NaN, Infinity, 2 ** 53]) {
      refuses(
        { deadLetters: { [key]: value } },
        RangeError,
        new RegExp(`streams\\.deadLetters\\.${key} must be a whole number of at least ${least},`),
      );
    }
    for (const value of ["1", null, true, 1n]) {
      refuses({ events: { [key]: value } }, TypeError, new RegExp(`${key} must be a number, not`));
    }
  }
});

test("a word is one of those that there are", () => {
  for (
    const [key, words] of [["storage", ["file", "memory"]], ["discard", ["new", "old"]]] as const
  ) {
    for (const word of words) doesNotThrow(() => check({ events: { [key]: word } }));
    for (const word of ["", "File", words.join(","), 0, null, [words[0]]]) {
      refuses(
        { events: { [key]: word } },
        TypeError,
        new RegExp(`${key} must be "${words[0]}" or`),
      );
    }
  }
});

test("a name that is none is refused, with what was meant", () => {
  refuses({ event: {} }, TypeError, /no such option; did you mean "events"/);
  refuses({ events: { maxAge: 1 } }, TypeError, /"streams\.events".*did you mean "maxAgeMs"/);
  refuses({ events: { constructor: 1 } }, TypeError, /no such option/);
});

test("what are no options at all is refused", () => {
  for (const wrong of [null, undefined, [], "file", 5, new Map(), () => {}]) {
    refuses(wrong, TypeError, /connect\(\): streams must be an object, not /);
    if (wrong !== undefined) {
      refuses({ events: wrong }, TypeError, /connect\(\): streams\.events must be an object, not /);
    }
  }
});
