// A thousand instances that start together: how often they write, how that is spread, and that none is ever lost.

import { ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { pass, settle, stage } from "./registry_tools.ts";

const INSTANCES = 1_000;
const INTERVAL_MS = 5_000;
const STEP_MS = 50;

/** Random numbers that are the same each time. */
function seeded(seed: number): () => number {
  return () => {
    seed = (seed * 1_664_525 + 1_013_904_223) % 4_294_967_296;
    return seed / 4_294_967_296;
  };
}

test("1,000 instances make one write each a heartbeat, spread over all of it, and stay there", async () => {
  const { bucket, clock, instance } = stage(seeded(7));
  await Promise.all(
    Array.from({ length: INSTANCES }, (_, n) => instance(`orders-${n}`).open()),
  );
  strictEqual(bucket.puts.length, INSTANCES);
  for (let beat = 0; beat < 12; beat++) {
    const before = bucket.puts.length;
    for (let ms = 0; ms < INTERVAL_MS; ms += 500) {
      await pass(clock, 500, STEP_MS);
      strictEqual(bucket.instances().length, INSTANCES);
    }
    const beats = bucket.puts.slice(before);
    strictEqual(new Set(beats.map(({ key }) => key)).size, INSTANCES);
    strictEqual(beats.length, INSTANCES);
    // A hundredth of the interval has about a hundredth of the writes.
    const busiest = Math.max(...counts(beats.map(({ at }) => at % INTERVAL_MS)));
    ok(busiest <= 3 * INSTANCES / 100, `${busiest} writes in ${STEP_MS} ms`);
  }
});

test("after an outage of all of them each writes once, spread over a second, and then in its turn", async () => {
  const { bucket, clock, instance, transport } = stage(seeded(11));
  await Promise.all(
    Array.from({ length: INSTANCES }, (_, n) => instance(`orders-${n}`).open()),
  );
  await pass(clock, INTERVAL_MS, STEP_MS);
  transport.become("reconnecting");
  await pass(clock, 60_000, 1_000);
  bucket.lose();
  const before = bucket.puts.length;
  transport.become("connected");
  const back = clock.monotonic();
  await pass(clock, 1_000, STEP_MS);
  const onReturn = bucket.puts.slice(before);
  strictEqual(bucket.instances().length, INSTANCES);
  // Those whose turn came in that second have had it as well.
  ok(onReturn.length <= INSTANCES * 1.25, `${onReturn.length} writes`);
  const busiest = Math.max(...counts(onReturn.map(({ at }) => at - back)));
  ok(busiest <= 3 * INSTANCES * STEP_MS / 1_000, `${busiest} writes in ${STEP_MS} ms`);
  await pass(clock, INTERVAL_MS, STEP_MS);
  const later = bucket.puts.length;
  await pass(clock, INTERVAL_MS, STEP_MS);
  strictEqual(bucket.puts.length - later, INSTANCES);
  await settle();
});

/** How many of the times lie in each step. */
function counts(times: readonly number[]): number[] {
  const counted = new Map<number, number>();
  for (const time of times) {
    const step = Math.floor(time / STEP_MS);
    counted.set(step, (counted.get(step) ?? 0) + 1);
  }
  return [...counted.values()];
}
