// Ranges of versions, against what the package `semver` (7.8.6) makes of them.

import { deepStrictEqual, match, ok, strictEqual, throws } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { inRange, parseRange } from "../../src/domain/version_range.ts";

const VERSIONS = [
  "0.0.0",
  "0.0.3",
  "0.0.4",
  "0.1.0",
  "0.1.2",
  "0.2.0",
  "1.0.0-rc.1",
  "1.0.0",
  "1.2.0",
  "1.2.3-beta",
  "1.2.3-rc.1",
  "1.2.3-rc.2",
  "1.2.3",
  "1.2.4",
  "1.3.0-rc.1",
  "1.3.0",
  "2.0.0-0",
  "2.0.0-rc.1",
  "2.0.0",
  "2.0.1",
  "3.0.0",
  "10.1.1",
];

/** Ranges, and which of the versions `semver.satisfies()` finds in them: 1 where it does. */
const RECORDED: readonly (readonly [string, string])[] = [
  ["1", "0000000110001101000000"],
  ["", "1111110110001101001111"],
  ["*", "1111110110001101001111"],
  ["x", "1111110110001101001111"],
  ["1.x", "0000000110001101000000"],
  ["1.*", "0000000110001101000000"],
  ["1.2", "0000000010001100000000"],
  ["1.2.x", "0000000010001100000000"],
  ["1.2.3", "0000000000001000000000"],
  ["=1.2.3", "0000000000001000000000"],
  ["v1.2.3", "0000000000001000000000"],
  ["^1", "0000000110001101000000"],
  ["^1.2", "0000000010001101000000"],
  ["^1.2.3", "0000000000001101000000"],
  ["^0", "1111110000000000000000"],
  ["^0.1", "0001100000000000000000"],
  ["^0.1.2", "0000100000000000000000"],
  ["^0.0", "1110000000000000000000"],
  ["^0.0.3", "0100000000000000000000"],
  ["^0.0.x", "1110000000000000000000"],
  ["^1.2.3-rc.1", "0000000000111101000000"],
  ["^0.0.3-beta", "0100000000000000000000"],
  ["^x", "1111110110001101001111"],
  ["~1", "0000000110001101000000"],
  ["~1.2", "0000000010001100000000"],
  ["~1.2.3", "0000000000001100000000"],
  ["~> 1.2.3", "0000000000001100000000"],
  ["~1.2.3-rc.1", "0000000000111100000000"],
  ["~0.1", "0001100000000000000000"],
  ["~*", "1111110110001101001111"],
  [">1", "0000000000000000001111"],
  ["> 1", "0000000000000000001111"],
  [">1.2", "0000000000000001001111"],
  [">1.2.3", "0000000000000101001111"],
  [">=1", "0000000110001101001111"],
  [">= 1.2", "0000000010001101001111"],
  [">=1.2.3-rc.1", "0000000000111101001111"],
  ["<1", "1111110000000000000000"],
  ["<1.2", "1111110100000000000000"],
  ["<1.2.3", "1111110110000000000000"],
  ["<2.0.0-rc.1", "1111110110001101100000"],
  ["<=1", "1111110110001101000000"],
  ["<=1.2", "1111110110001100000000"],
  ["<=1.2.3", "1111110110001000000000"],
  ["<*", "0000000000000000000000"],
  [">*", "0000000000000000000000"],
  [">=*", "1111110110001101001111"],
  ["<=*", "1111110110001101001111"],
  [">=1 <3", "0000000110001101001100"],
  [">1 <=2.0.0", "0000000000000000001000"],
  [">=1.2.3 <1.2.3", "0000000000000000000000"],
  ["1.2 - 2", "0000000010001101001100"],
  ["1.2.3 - 2.0.0", "0000000000001101001000"],
  ["1 - 1.2", "0000000110001100000000"],
  ["* - 1", "1111110110001101000000"],
  ["1.2.3-rc.1 - 1.2", "0000000000111100000000"],
  ["^1 || ^3", "0000000110001101000010"],
  ["1.2.3 || >=2", "0000000000001000001111"],
  ["^1.2 ^1.2.4", "0000000000000101000000"],
  [">1.2.3-rc.1 <1.3.0", "0000000000011100000000"],
  ["1.2.3+build", "0000000000001000000000"],
  ["^1.2.3+build", "0000000000001101000000"],
  ["~1.2.3 || ", "1111110110001101001111"],
  ["1.2.3 - 2.x", "0000000000001101001100"],
  ["^ 1.2", "0000000010001101000000"],
  ["=1.2", "0000000010001100000000"],
  ["^0.1.x", "0001100000000000000000"],
  ["^1.x", "0000000110001101000000"],
  ["<1.x", "1111110000000000000000"],
  ["<=1.x", "1111110110001101000000"],
  [">1.x", "0000000000000000001111"],
  [">=1.2.x", "0000000010001101001111"],
];

/** What `semver.validRange()` refuses. */
const REFUSED = [
  "a",
  "^a",
  "1.2.3.4",
  "^^1",
  "1..2",
  "latest",
  ">=",
  "^1.2.3 foo",
  "1.2 -",
  "- 1",
  "||a",
  "~1.2.3-",
  "1.2.3_4",
  "><1",
  ">=1, <2",
  "1 | 2",
  "1.2.3-",
  "^1.x.y",
];

test("a range takes what npm's takes", () => {
  for (const [text, expected] of RECORDED) {
    const range = parseRange(text);
    const found = VERSIONS.map((version) => inRange(version, range) ? "1" : "0").join("");
    strictEqual(found, expected, text);
  }
});

test("what npm refuses is refused, with what a range looks like", () => {
  for (const text of [...REFUSED, undefined, null, 1, {}, ["^1"], "1".repeat(257)]) {
    throws(() => parseRange(text), (error) => {
      ok(error instanceof TypeError);
      match(
        error.message,
        /^Cannot use .* as a range of versions: it must be one such as "\^1\.2"/,
      );
      return true;
    }, String(text));
  }
});

test("a number behind an x is refused: it would count for nothing", () => {
  for (const text of ["1.x.3", "x.1", "~1.x.3", "^*.2"]) throws(() => parseRange(text), TypeError);
});

test("a version whose end is left out has zeros there, and leading zeros count for nothing", () => {
  ok(inRange("1.2", parseRange("^1.2.0")));
  ok(inRange("2", parseRange(">=2 <3")));
  ok(inRange("v1.2.3", parseRange("1.2.3")));
  ok(inRange("2026.05.01", parseRange("2026.5.x")));
  ok(inRange("1.2.3+build.7", parseRange("1.2.3")));
});

test("what is no version is in no range", () => {
  for (const version of ["", "latest", "1.2.3.4", "1.x", "-1", "1.2-rc", " 1.2.3", "2026-05-01"]) {
    for (const range of ["*", ">=0", "1.x"]) ok(!inRange(version, parseRange(range)), version);
  }
});

test("a caret takes all that is not older until the first number that is not 0 changes", () => {
  const number = fc.nat({ max: 3 });
  const version = fc.tuple(number, number, number);
  fc.assert(fc.property(version, version, (base, other) => {
    const first = base.findIndex((n) => n > 0);
    const place = first === -1 ? 2 : first;
    const isSame = base.slice(0, place + 1).every((n, i) => n === other[i]);
    const isOlder = base.map((n, i) => other[i]! - n).find((n) => n !== 0)! < 0;
    strictEqual(inRange(other.join("."), parseRange(`^${base.join(".")}`)), isSame && !isOlder);
  }));
});

test("any text either is a range or is refused as a TypeError", () => {
  const part = fc.constantFrom(..."0123456789.xX*^~<>=v-+| ab");
  const text = fc.oneof(fc.string(), fc.array(part, { maxLength: 30 }).map((all) => all.join("")));
  fc.assert(fc.property(text, (range) => {
    try {
      deepStrictEqual(typeof inRange("1.2.3", parseRange(range)), "boolean");
    } catch (error) {
      ok(error instanceof TypeError);
    }
  }));
});
