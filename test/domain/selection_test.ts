// Selection: fair where it goes by turn, chance or load, and steady where it goes by a key.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Candidate, choose, hashOf, type SelectStrategy } from "../../src/domain/selection.ts";

interface Named extends Candidate {
  readonly name: string;
}

const named = (name: string, load = 0): Named => ({ name, hash: hashOf(name), load });
const many = (count: number): Named[] =>
  Array.from({ length: count }, (_, i) => named(`shop-${i}`));

function pick(
  strategy: SelectStrategy,
  candidates: readonly Named[],
  { key = "", turn = 0, random = (): number => 0 } = {},
): string | undefined {
  return choose(candidates, { strategy, key, turn, random })?.name;
}

/** The same numbers in every run. */
function seeded(): () => number {
  let state = 42;
  return () => {
    state = Math.imul(state ^ state >>> 15, state | 1);
    state ^= state + Math.imul(state ^ state >>> 7, state | 61);
    return ((state ^ state >>> 14) >>> 0) / 2 ** 32;
  };
}

const NAMES = fc.uniqueArray(fc.stringMatching(/^[a-zA-Z0-9_-]{1,12}$/), {
  minLength: 1,
  maxLength: 12,
});

test("of nobody nobody is chosen", () => {
  for (const strategy of ["round_robin", "random", "sticky", "least_loaded"] as const) {
    strictEqual(pick(strategy, [], { key: "a", turn: 7 }), undefined);
  }
});

test("round_robin gives each its turn", () => {
  const chosen = [0, 1, 2, 3, 4, 5].map((turn) => pick("round_robin", many(3), { turn }));
  deepStrictEqual(chosen, ["shop-0", "shop-1", "shop-2", "shop-0", "shop-1", "shop-2"]);
});

test("random chooses each as often as the other", () => {
  const random = seeded();
  const counts = new Map<string, number>();
  for (let i = 0; i < 10_000; i++) {
    const name = pick("random", many(10), { random })!;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  strictEqual(counts.size, 10);
  // 1,000 each; five standard deviations are 150.
  for (const count of counts.values()) ok(Math.abs(count - 1_000) < 150, `${count}`);
});

test("random reaches the last, however close to 1 chance comes", () => {
  strictEqual(pick("random", many(3), { random: () => 1 - Number.EPSILON / 2 }), "shop-2");
});

test("sticky gives a key to the same one, whatever order they stand in", () => {
  fc.assert(fc.property(NAMES, fc.string(), (names, key) => {
    const candidates = names.map((name) => named(name));
    strictEqual(
      pick("sticky", candidates, { key }),
      pick("sticky", [...candidates].reverse(), { key, turn: 3, random: () => 0.9 }),
    );
  }));
});

test("one that comes takes keys to itself, and no other key moves", () => {
  fc.assert(fc.property(NAMES, fc.array(fc.string(), { maxLength: 50 }), (names, keys) => {
    const [newcomer, ...rest] = names.map((name) => named(name));
    for (const key of keys) {
      const before = pick("sticky", rest, { key });
      const after = pick("sticky", [...rest, newcomer!], { key });
      ok(after === before || after === newcomer!.name);
    }
  }));
});

test("one that goes leaves its keys to others, and no other key moves", () => {
  fc.assert(fc.property(NAMES, fc.array(fc.string(), { maxLength: 50 }), (names, keys) => {
    const [leaver, ...rest] = names.map((name) => named(name));
    for (const key of keys) {
      const before = pick("sticky", [...rest, leaver!], { key });
      ok(before === leaver!.name || before === pick("sticky", rest, { key }));
    }
  }));
});

test("adding one of n moves about 1/n of the keys, and each has about its share", () => {
  for (const count of [2, 3, 10, 100]) {
    const keys = Array.from({ length: 20_000 }, (_, i) => `user:${i}`);
    const shares = new Map<string, number>();
    let moved = 0;
    for (const key of keys) {
      const name = pick("sticky", many(count), { key })!;
      shares.set(name, (shares.get(name) ?? 0) + 1);
      if (pick("sticky", many(count - 1), { key }) !== name) moved++;
    }
    const share = keys.length / count;
    // Five standard deviations of what independent draws would give.
    const off = 5 * Math.sqrt(share * (1 - 1 / count));
    ok(Math.abs(moved - share) < off, `${moved} of ${keys.length} moved to one of ${count}`);
    strictEqual(shares.size, count);
    for (const got of shares.values()) ok(Math.abs(got - share) < off, `${got} of ${count}`);
  }
});

test("processes of all runtimes and versions agree on where a key belongs", () => {
  deepStrictEqual(["", "a", "shop-1", "Ünïcödé 🙂"].map(hashOf), [
    -1421968373,
    444641715,
    30958719,
    1889459725,
  ]);
  deepStrictEqual(
    ["user:1", "user:2", "user:3", "", "🙂"].map((key) => pick("sticky", many(5), { key })),
    ["shop-4", "shop-4", "shop-1", "shop-1", "shop-4"],
  );
});

test("least_loaded chooses one that has least to do", () => {
  fc.assert(fc.property(
    fc.array(fc.nat({ max: 5 }), { minLength: 1 }),
    fc.double({
      min: 0,
      max: 1,
      maxExcluded: true,
      noNaN: true,
    }),
    (loads, chance) => {
      const candidates = loads.map((load, i) => named(`${i}`, load));
      const name = pick("least_loaded", candidates, { random: () => chance });
      strictEqual(loads[Number(name)], Math.min(...loads));
    },
  ));
});

test("least_loaded is fair among those that have as little to do", () => {
  const random = seeded();
  const candidates = [named("a", 1), named("b", 5), named("c", 1), named("d", 1), named("e", 9)];
  const counts = new Map<string, number>();
  for (let i = 0; i < 9_000; i++) {
    const name = pick("least_loaded", candidates, { random })!;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  deepStrictEqual([...counts.keys()].sort(), ["a", "c", "d"]);
  for (const count of counts.values()) ok(Math.abs(count - 3_000) < 250, `${count}`);
});
