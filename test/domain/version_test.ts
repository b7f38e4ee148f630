// Versions: their order.

import { ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { compareVersions } from "../../src/domain/version.ts";

/** Versions of every shape that people write. */
const version = fc.oneof(
  fc.stringMatching(
    /^v?\d{1,20}(\.\d{1,3}){0,3}(-[a-z0-9]{1,3}(\.[a-z0-9]{1,3}){0,2})?(\+[a-z0-9]{1,3})?$/,
  ),
  fc.constantFrom("", "v", "latest", "2026-11-24", "1.x", "-", "+", "ä", "1..2", "v1.0-"),
  fc.string({ maxLength: 6 }),
);

test("versions have the order of Semantic Versioning", () => {
  const rising = [
    "0.9.9",
    "0.10.0",
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0",
    "1.0.1",
    "1.2.0",
    "1.10.0",
    "2.0.0",
  ];
  for (const [i, a] of rising.entries()) {
    for (const [j, b] of rising.entries()) {
      strictEqual(Math.sign(compareVersions(a, b)), Math.sign(i - j), `${a} and ${b}`);
    }
  }
});

test("how a version was built, and a v before it, say nothing of its order", () => {
  strictEqual(compareVersions("1.2.3+one", "1.2.3+two"), 0);
  strictEqual(compareVersions("1.2.3-rc.1+a-b", "1.2.3-rc.1"), 0);
  strictEqual(compareVersions("v1.2.3", "1.2.3"), 0);
});

test("a number counts as a number, however long it is", () => {
  ok(compareVersions("20261124120000000001", "20261124120000000002") < 0);
  ok(compareVersions(`1.${"9".repeat(400)}`, `1.1${"0".repeat(400)}`) < 0);
  strictEqual(compareVersions(`1.${"9".repeat(400)}`, `1.${"9".repeat(400)}`), 0);
  strictEqual(compareVersions("1.007", "1.7"), 0);
});

test("a version that says more is newer than one that says less", () => {
  ok(compareVersions("1.0", "1.0.0") < 0);
  ok(compareVersions("1.1", "1.0.9") > 0);
});

test("versions of any shape have one order: whoever compares them in whatever order agrees", () => {
  fc.assert(
    fc.property(version, version, version, (a, b, c) => {
      const [ab, bc, ac] = [
        compareVersions(a, b),
        compareVersions(b, c),
        compareVersions(a, c),
      ].map(Math.sign);
      strictEqual(compareVersions(a, a), 0);
      strictEqual(ab! + Math.sign(compareVersions(b, a)), 0);
      if (ab! <= 0 && bc! <= 0) ok(ac! <= 0, `${a} ≤ ${b} ≤ ${c}`);
    }),
    { numRuns: 5_000 },
  );
});
