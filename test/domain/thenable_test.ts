// Thenables: what is waited for.

import { strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { isThenable } from "../../src/domain/thenable.ts";

test("what await would wait for is waited for, of whatever kind it is", async () => {
  const then = (resolve: (value: string) => void) => resolve("settled");
  const values: unknown[] = [
    Promise.resolve("settled"),
    { then },
    Object.create({ then }),
    Object.assign(() => {}, { then }),
  ];
  for (const value of values) {
    strictEqual(isThenable(value), true, typeof value);
    strictEqual(await value, "settled");
  }
});

test("what await would give back at once is not waited for", async () => {
  const values = [
    undefined,
    null,
    0,
    "then",
    true,
    5n,
    {},
    [],
    { then: 1 },
    { then: {} },
    () => {},
  ];
  for (const value of values) {
    strictEqual(isThenable(value), false, String(value));
    strictEqual(await value, value);
  }
});
