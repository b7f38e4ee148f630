// What waits for whoever takes slowly: all of it while it is little, of each key the last once it is much.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Backlog, MUCH } from "../../src/app/kv_backlog.ts";

interface Item {
  readonly key: string;
  readonly n: number;
}

test("while little waits, all of it is taken in order", () => {
  const backlog = new Backlog<Item>();
  for (let n = 0; n < MUCH; n++) backlog.add({ key: "a", n });
  strictEqual(backlog.size, MUCH);
  for (let n = 0; n < MUCH; n++) strictEqual(backlog.take()?.n, n);
  deepStrictEqual([backlog.take(), backlog.size], [undefined, 0]);
  backlog.add({ key: "a", n: -1 });
  strictEqual(backlog.take()?.n, -1);
});

test("once much waits, of each key the last waits at the end", () => {
  const backlog = new Backlog<Item>();
  for (let n = 0; n < MUCH; n++) backlog.add({ key: `k${n}`, n });
  for (let n = 0; n < 10 * MUCH; n++) backlog.add({ key: n % 2 ? "odd" : "even", n });
  strictEqual(backlog.size, MUCH + 2);
  const taken = Array.from({ length: MUCH + 2 }, () => backlog.take()!);
  deepStrictEqual(taken.slice(-2).map(({ n }) => n), [10 * MUCH - 2, 10 * MUCH - 1]);
  ok(taken.slice(0, MUCH).every(({ n }, index) => n === index));
});

test("whatever is added and taken, the last of each key comes, in order, and the rest is bounded", () => {
  const steps = fc.array(
    fc.oneof(
      {
        weight: 4,
        arbitrary: fc.record({ key: fc.constantFrom("a", "b", "c"), many: fc.nat(900) }),
      },
      fc.record({ take: fc.nat(700) }),
    ),
    { maxLength: 30 },
  );
  fc.assert(fc.property(steps, (all) => {
    const backlog = new Backlog<Item>();
    const last = new Map<string, number>();
    const taken: Item[] = [];
    let n = 0;
    for (const step of all) {
      if ("take" in step) {
        for (let i = 0; i < step.take && backlog.size > 0; i++) taken.push(backlog.take()!);
      } else {
        for (let i = 0; i < step.many; i++) {
          last.set(step.key, n);
          backlog.add({ key: step.key, n: n++ });
        }
      }
      ok(backlog.size <= MUCH + 3);
    }
    while (backlog.size > 0) taken.push(backlog.take()!);
    const numbers = taken.map(({ n }) => n);
    deepStrictEqual(numbers, [...numbers].sort((one, other) => one - other));
    const ends = new Map(taken.map(({ key, n }) => [key, n]));
    deepStrictEqual([...ends].sort(), [...last].sort());
  }));
});

test("what is cleared is gone, and what is added after it is not", () => {
  const backlog = new Backlog<Item>();
  backlog.add({ key: "a", n: 1 });
  backlog.add({ key: "b", n: 2 });
  strictEqual(backlog.take()?.n, 1);
  backlog.clear();
  backlog.add({ key: "c", n: 3 });
  deepStrictEqual([backlog.size, backlog.take()?.n, backlog.take()], [1, 3, undefined]);
});
