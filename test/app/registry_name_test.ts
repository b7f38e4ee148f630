// Two processes with the name of one instance, and records that do not last: found out by their heartbeats, and said.

import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { ConflictError } from "../../mod.ts";
import { instanceKey, instanceValue } from "../../src/domain/instance.ts";
import { pass, stage } from "./registry_tools.ts";

const TIME = "2026-01-02T03:04:05.678Z";
const ABOUT = {
  instanceId: "orders-1",
  version: "1.0.0",
  status: "ACTIVE",
  group: undefined,
  load: undefined,
  metadata: {},
  methods: [],
  events: [],
  commands: [],
} as const;

/** Chance that makes instances beat one after the other. */
function inTurns(...turns: number[]): () => number {
  return () => turns.shift() ?? 0.5;
}

const warnings = ({ logs }: ReturnType<typeof stage>) =>
  logs.filter(({ level }) => level === "warn").map(({ fields }) => (fields.error as Error).message);

test("two that live under one name say so, once each, and their health does too", async () => {
  const set = stage(inTurns(0.2, 0.7));
  const [one, other] = [set.instance(), set.instance()];
  await one.open();
  await other.open();
  await pass(set.clock, 10_000);
  deepStrictEqual(warnings(set), [], "it may be one that takes over from the other");
  await pass(set.clock, 30_000);
  const said = warnings(set);
  strictEqual(said.length, 2);
  match(said[0]!, /Another process has the same name: .* give each an instanceId of its own/);
  for (const health of [one.health(), other.health()]) {
    strictEqual(health.ok, false);
    ok(health.error instanceof ConflictError);
  }
  strictEqual(set.bucket.instances().length, 1, "it is there all the same");
});

test("of two under one name the one that stops leaves the other's record, which is well again", async () => {
  const set = stage(inTurns(0.2, 0.7));
  const [one, other] = [set.instance(), set.instance()];
  await one.open();
  await other.open();
  await pass(set.clock, 42_000);
  await one.close();
  strictEqual(set.bucket.instances().length, 1);
  await pass(set.clock, 18_000);
  deepStrictEqual([other.health().ok, set.bucket.instances().length], [true, 1]);
  await other.close();
  deepStrictEqual(set.bucket.instances(), []);
});

test("one that takes over a name from one that was killed, or stops, says nothing", async () => {
  const set = stage();
  // What one has left that was killed.
  const value = instanceValue({ ...ABOUT, service: "orders" }, TIME, TIME, "killed");
  await set.bucket.put(instanceKey("orders", "orders-1"), value, { ttlMs: 15_000 });
  const stopping = set.instance();
  await stopping.open();
  await pass(set.clock, 7_000);
  const next = set.instance();
  await next.open();
  await pass(set.clock, 4_000);
  await stopping.close();
  strictEqual(set.bucket.instances().length, 1);
  await pass(set.clock, 60_000);
  deepStrictEqual([warnings(set), next.health().ok], [[], true]);
});

test("a record that is gone at each heartbeat, as in a bucket that keeps keys for less, is told of", async () => {
  const set = stage();
  set.bucket.longestMs = 2_000;
  const registry = set.instance();
  await registry.open();
  await pass(set.clock, 60_000);
  const said = warnings(set);
  strictEqual(said.length, 1);
  match(said[0]!, /does not last from one heartbeat to the next/);
  strictEqual(registry.health().ok, false);
  set.bucket.longestMs = Infinity;
  await pass(set.clock, 20_000);
  strictEqual(registry.health().ok, true);
});

test("two that beat at the same moments find it out, whichever comes first", async () => {
  const set = stage(inTurns(0.5, 0.5));
  let turn = 0;
  // Now one is the first to write, now the other.
  set.bucket.onPut = async (store) => {
    for (let waits = [0, 6, 6, 0, 0, 6][turn++ % 6]!; waits > 0; waits--) await undefined;
    return store();
  };
  const [one, other] = [set.instance(), set.instance()];
  await one.open();
  await other.open();
  await pass(set.clock, 120_000);
  deepStrictEqual([one.health().ok, other.health().ok], [false, false]);
  strictEqual(warnings(set).length, 2);
});

test("one that has lived for long finds out too that another one has its name", async () => {
  const set = stage(inTurns(0.2, 0.7));
  const one = set.instance();
  await one.open();
  await pass(set.clock, 100_000);
  await set.instance().open();
  await pass(set.clock, 18_000);
  strictEqual(warnings(set).length, 1, "the young one");
  await pass(set.clock, 60_000);
  strictEqual(warnings(set).length, 2);
});

test("a record that was lost now and then is no trouble, and costs one write more at most", async () => {
  const set = stage();
  const registry = set.instance();
  await registry.open();
  for (let times = 0; times < 5; times++) {
    await pass(set.clock, 10_000);
    const before = set.bucket.puts.length;
    set.bucket.lose();
    await pass(set.clock, 5_000);
    const writes = set.bucket.puts.length - before;
    ok(writes === 1 || writes === 2, `${writes}`);
    strictEqual(set.bucket.instances().length, 1);
  }
  deepStrictEqual([warnings(set), registry.health().ok], [[], true]);
});
