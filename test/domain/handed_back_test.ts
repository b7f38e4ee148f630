// Notes of what was handed back: written and read, merged, and counted.

import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import {
  countHandedBack,
  handedBackSubject,
  mergeHandedBack,
  readHandedBack,
  writeHandedBack,
} from "../../src/domain/handed_back.ts";

const delivery = (sequence: number, attempt: number, storedAt = 1_000) => ({
  sequence,
  storedAt,
  attempt,
});
const bytes = (text: string) => new TextEncoder().encode(text);

test("a note is read as it was written", () => {
  const all = [delivery(1, 1), delivery(7, 3)];
  deepStrictEqual(readHandedBack(bytes(writeHandedBack(all))), all);
  strictEqual(
    handedBackSubject("cache", "cache=one"),
    "dead_letters.suspects.cache.handed_back.cache=one",
  );
});

test("of what somebody else has written there nothing is taken for a delivery", () => {
  for (
    const text of ["", "{", "null", "{}", "[1]", '[["1",2,3]]', "[[1,2]]", "[[1,2,0]]", "[[]]"]
  ) {
    deepStrictEqual(readHandedBack(bytes(text)), [], text);
  }
});

test("a merged note has each delivery once, none of what is done, and the last 2,000 of many", () => {
  const older = [delivery(1, 1), delivery(5, 1), delivery(6, 1)];
  deepStrictEqual(mergeHandedBack(older, [delivery(5, 1), delivery(5, 2)], 4), [
    delivery(5, 1),
    delivery(6, 1),
    delivery(5, 2),
  ]);
  const many = Array.from({ length: 6_000 }, (_, index) => delivery(index + 1, 1));
  const kept = mergeHandedBack(many, [], 0);
  deepStrictEqual([kept.length, kept[0]], [2_000, delivery(4_001, 1)]);
});

test("counted are other deliveries of the same event before this one, each once", () => {
  const noted = [delivery(5, 1), delivery(5, 1), delivery(5, 2), delivery(5, 4), delivery(6, 1)];
  strictEqual(countHandedBack(noted, delivery(5, 4)), 2);
  strictEqual(countHandedBack(noted, delivery(5, 1)), 0);
  strictEqual(countHandedBack(noted, delivery(5, 4, 2_000)), 0);
});
