// A thousand instances that start together: how often they write, how that is spread, and that none is ever lost.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { connect, createLogger, createService, rpc } from "../../mod.ts";
import { instancePrefix, REGISTRY_BUCKET } from "../../src/domain/instance.ts";
import { createMemoryTransport, ManualClock, MemoryBroker } from "../../testing.ts";
import { until } from "./buses.ts";
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

test("1,000 services on the embedded broker: a write each a heartbeat, all there, all gone at once", async () => {
  const clock = new ManualClock();
  const broker = new MemoryBroker(clock);
  const logger = createLogger({ level: "silent" });
  const buses = await Promise.all(
    Array.from(
      { length: 10 },
      () => connect({ transport: createMemoryTransport(broker), clock, logger }),
    ),
  );
  const services = Array.from({ length: INSTANCES }, (_, n) =>
    createService("orders", {
      bus: buses[n % buses.length]!,
      instanceId: `orders-${n}`,
      handlers: [rpc("create", () => "created")],
      registry: { ttlMs: 15_000, heartbeatIntervalMs: INTERVAL_MS },
    }));
  await Promise.all(services.map((service) => service.start()));
  const watcher = await connect({ transport: createMemoryTransport(broker), clock, logger });
  const kv = await watcher.kv(REGISTRY_BUCKET);
  const { admin } = createMemoryTransport(broker).streams!;
  const written = async () => (await admin.stream(`KV_${REGISTRY_BUCKET}`))!.lastSequence;
  strictEqual(await written(), INSTANCES);
  for (let beat = 1; beat <= 4; beat++) {
    for (let ms = 0; ms < INTERVAL_MS; ms += 100) {
      clock.advance(100);
      await new Promise((resolve) => setTimeout(resolve));
    }
    await until(async () => await written() === INSTANCES * (beat + 1));
    strictEqual((await kv.keys(instancePrefix("orders"))).length, INSTANCES);
  }
  await Promise.all(services.map((service) => service.stop()));
  deepStrictEqual(await kv.keys(), []);
  await Promise.all([...buses, watcher].map((bus) => bus.close()));
});
