// Where a consumer begins: read from what programs give, and as text.

import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type DeliverFrom, fromText, readFrom } from "../../src/domain/deliver_from.ts";

const where = 'option "from" of a test';
const LAST_MS = 8.64e15;

test("a consumer begins at what is new, at the oldest, or at a sequence", () => {
  for (const from of ["new", "all", { sequence: 1 }, { sequence: Number.MAX_SAFE_INTEGER }]) {
    deepStrictEqual(readFrom(from, where), from);
  }
});

test("a time may be a Date, milliseconds or ISO 8601, and is milliseconds", () => {
  const ms = Date.UTC(2026, 0, 2, 3, 4, 5, 6);
  const same = [ms, new Date(ms), "2026-01-02T03:04:05.006Z", "2026-01-02T04:04:05.006+01:00"];
  for (const time of same) deepStrictEqual(readFrom({ time }, where), { time: ms });
  deepStrictEqual(readFrom({ time: ms + 0.5 }, where), { time: ms });
  deepStrictEqual(readFrom({ time: 0 }, where), { time: 0 });
  for (
    const time of ["2026", "2026-01", "2026-01-01", "2026-01-01T00:00Z", "2026-01-01T00:00:00Z"]
  ) {
    deepStrictEqual(readFrom({ time }, where), { time: Date.UTC(2026, 0) });
  }
});

test("text that a runtime would take for some time or other is refused where it is not ISO 8601", () => {
  for (const time of ["1", "March 7, 2026", "05/06/2026", "2026-01-02 (about)", "2026-1-2"]) {
    throws(() => readFrom({ time }, where), /ISO 8601/, time);
  }
});

test("a sequence that cannot be is refused, with where it stands", () => {
  for (const sequence of [0, -1, 1.5, NaN, Infinity, 2 ** 53, "1", null]) {
    throws(() => readFrom({ sequence }, where), (error: Error) => {
      strictEqual(error.constructor, RangeError);
      return error.message.includes(`the sequence in ${where}: it must be a whole number`);
    });
  }
});

test("a time that cannot be is refused, with where it stands", () => {
  for (const time of ["yesterday", "", NaN, Infinity, LAST_MS + 1, new Date(NaN), null, {}, true]) {
    throws(() => readFrom({ time }, where), (error: Error) => {
      strictEqual(error.constructor, TypeError);
      return error.message.includes(`the time in ${where}: it must be a Date`);
    });
  }
});

test("what is no place is refused, with what one is", () => {
  const wrong = [
    undefined,
    null,
    "",
    "old",
    5,
    {},
    [],
    { sequence: 1, time: 1 },
    { sequence: undefined },
    { seq: 1 },
    new Date(0),
    Object.create({ sequence: 1 }),
  ];
  for (const from of wrong) {
    throws(() => readFrom(from, where), (error: Error) => {
      strictEqual(error.constructor, TypeError);
      return error.message.includes(`as ${where}: it must be "new", "all"`);
    });
  }
});

test("a place as text says what it is", () => {
  strictEqual(fromText("new"), "new");
  strictEqual(fromText("all"), "all");
  strictEqual(fromText({ sequence: 5 }), "sequence 5");
  strictEqual(fromText({ time: 0 }), "time 1970-01-01T00:00:00.000Z");
});

test("the same place has the same text, and no other place has it", () => {
  const place: fc.Arbitrary<DeliverFrom> = fc.oneof(
    fc.constantFrom("new" as const, "all" as const),
    fc.record({
      sequence: fc.oneof(fc.integer({ min: 1, max: 3 }), fc.maxSafeNat().map((n) => n + 1)),
    })
      .filter(({ sequence }) => Number.isSafeInteger(sequence)),
    fc.record({
      time: fc.oneof(fc.integer({ min: 0, max: 3 }), fc.integer({ min: -LAST_MS, max: LAST_MS })),
    }),
  );
  fc.assert(
    fc.property(place, place, (one, other) => {
      const [a, b] = [readFrom(one, where), readFrom(other, where)];
      deepStrictEqual(a, typeof one === "string" ? one : { ...one });
      strictEqual(fromText(a) === fromText(b), JSON.stringify(a) === JSON.stringify(b));
    }),
    { numRuns: 1_000 },
  );
});
