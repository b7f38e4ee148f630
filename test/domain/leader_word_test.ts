// Words of leaders: what is written is read again, and what is none is nothing.

import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import {
  leaderWord,
  ledMethods,
  readLeaderWord,
  readLedMethods,
} from "../../src/domain/leader_word.ts";

test("a word says which group, and who leads it", () => {
  strictEqual(leaderWord("eu"), "eu");
  deepStrictEqual(readLeaderWord("eu"), { group: "eu", leader: undefined });
  const leader = { token: 17, instanceId: "shop-01" };
  strictEqual(leaderWord("eu", leader), "eu 17 shop-01");
  deepStrictEqual(readLeaderWord("eu 17 shop-01"), { group: "eu", leader });
});

test("what is no word, or names what cannot be a part of a subject, is nobody's", () => {
  for (
    const text of [
      "",
      "eu 17",
      "eu 17 ",
      "eu  17 a",
      "eu 0 a",
      "eu -1 a",
      "eu 1.5 a",
      "eu 9007199254740993 a",
      "eu 17 >",
      "eu 17 a.b",
      "eu 17 *",
      "eu 17 a b",
      "e.u 17 a",
      `${"g".repeat(129)} 17 a`,
      `eu 17 ${"a".repeat(193)}`,
    ]
  ) strictEqual(readLeaderWord(text), undefined, text);
});

test("the methods of a leader are read as they were written, and nothing else is", () => {
  deepStrictEqual(readLedMethods(ledMethods(["pay", "refund"])), ["pay", "refund"]);
  deepStrictEqual(readLedMethods('{"methods":["pay",1,"no name",null]}'), ["pay"]);
  for (const text of ["", "null", "[]", "pay", '{"methods":"pay"}']) {
    deepStrictEqual(readLedMethods(text), [], text);
  }
});
