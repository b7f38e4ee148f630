// The record of one instance: written, kept alive, corrected and removed.

import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { AegisError, TimeoutError, UnavailableError } from "../../mod.ts";
import { ManualClock } from "../../testing.ts";
import type { Kv } from "../../src/ports/kv.ts";
import { pass, settle, stage } from "./registry_tools.ts";

const HEARTBEAT = "internal.heartbeat.orders";

test("open() resolves when the record is there, with all that there is to know", async () => {
  const { bucket, instance, clock } = stage();
  await instance().open();
  deepStrictEqual(bucket.instances(), [{
    service: "orders",
    instanceId: "orders-1",
    addressable: true,
    version: "1.0.0",
    status: "ACTIVE",
    lastHeartbeat: clock.now(),
    group: undefined,
    startedAt: clock.now(),
    methods: [{ name: "create" }],
    events: [],
    commands: [],
    load: { inFlight: 2, eventLoopDelayMs: 1 },
    metadata: { zone: "a" },
  }]);
  strictEqual(bucket.puts[0]!.options.ttlMs, 15_000);
});

test("each heartbeat is one write, and keeps the record alive", async () => {
  const { bucket, instance, clock } = stage();
  await instance().open();
  const startedAt = clock.now();
  await pass(clock, 60_000);
  deepStrictEqual(
    bucket.puts.map(({ at }) => at),
    [0, ...Array.from({ length: 12 }, (_, n) => 2_500 + n * 5_000)],
  );
  const [there] = bucket.instances();
  strictEqual(there?.lastHeartbeat, startedAt + 57_500);
  strictEqual(there?.startedAt, startedAt);
});

test("others are told of it on core NATS, as the original tells them", async () => {
  const { transport, instance, clock } = stage();
  const seconds = clock.now() / 1_000;
  const registry = instance();
  await registry.open();
  await pass(clock, 3_000);
  await registry.close();
  const about = { service_name: "orders", instance_id: "orders-1" };
  deepStrictEqual(transport.sent, [
    ["internal.registry.register", { ...about, timestamp: seconds }],
    [HEARTBEAT, {
      instance_id: "orders-1",
      timestamp: seconds + 2.5,
      metrics: {
        uptime_seconds: 2.5,
        counters: {},
        gauges: { in_flight: 2, event_loop_delay_ms: 1 },
        summaries: {},
      },
    }],
    ["internal.registry.unregister", { ...about, timestamp: seconds + 3 }],
  ]);
});

test("a notice that the user may not send is not sent again before the bus was away", async () => {
  const { transport, instance, clock } = stage();
  await instance().open();
  const beats = () => transport.sent.filter(([subject]) => subject === HEARTBEAT).length;
  await pass(clock, 3_000);
  strictEqual(beats(), 1);
  transport.refuse(HEARTBEAT);
  await pass(clock, 10_000);
  strictEqual(beats(), 1);
  transport.become("reconnecting");
  transport.become("connected");
  await pass(clock, 5_000);
  strictEqual(beats(), 2);
});

test("close() removes the record at once, and nothing is written any more", async () => {
  const { bucket, instance, clock } = stage();
  const registry = instance();
  await registry.open();
  await pass(clock, 8_000);
  await registry.close();
  deepStrictEqual(bucket.instances(), []);
  const { length } = bucket.puts;
  await pass(clock, 30_000);
  strictEqual(bucket.puts.length, length);
  strictEqual(clock.pending, 0);
  await registry.close();
});

test("close() waits for a write that is under way, which would bring the record back", async () => {
  const { bucket, instance, clock } = stage();
  const registry = instance();
  await registry.open();
  const { promise, resolve } = Promise.withResolvers<void>();
  bucket.onPut = async (store) => {
    await promise;
    return store();
  };
  await pass(clock, 3_000);
  strictEqual(bucket.puts.length, 2);
  const closed = registry.close();
  await settle();
  resolve();
  await closed;
  deepStrictEqual(bucket.instances(), []);
});

test("the record of another run with the same name is left alone", async () => {
  const { bucket, instance } = stage();
  const old = instance();
  await old.open();
  // At the same moment, so that times do not tell them apart.
  const young = instance();
  await young.open();
  await old.close();
  strictEqual(bucket.instances().length, 1);
  await young.close();
  deepStrictEqual(bucket.instances(), []);
});

test("a record that was written without a word of it is removed all the same", async () => {
  const { bucket, instance, clock } = stage();
  const registry = instance();
  await registry.open();
  bucket.onPut = (store) => {
    store();
    return Promise.reject(new TimeoutError("no answer"));
  };
  await pass(clock, 2_500);
  strictEqual(bucket.instances().length, 1);
  await registry.close();
  deepStrictEqual(bucket.instances(), []);
});

test("a change of its status is written at once, the last one of many", async () => {
  const { bucket, instance } = stage();
  const registry = instance();
  await registry.open();
  registry.setStatus("STANDBY", "main");
  registry.setStatus("STANDBY", "main");
  registry.setStatus("ACTIVE", "main");
  registry.setStatus("STANDBY", "other");
  await settle();
  const [there] = bucket.instances();
  deepStrictEqual([there?.status, there?.group], ["STANDBY", "other"]);
  strictEqual(bucket.puts.length, 3);
});

test("a status that was given before it opened is the first that is written", async () => {
  const { bucket, instance } = stage();
  const registry = instance();
  registry.setStatus("STANDBY", "main");
  await registry.open();
  strictEqual(bucket.instances()[0]?.status, "STANDBY");
  strictEqual(bucket.puts.length, 1);
});

test("an instance that does not serve is UNHEALTHY from the next heartbeat on", async () => {
  const { bucket, instance, clock } = stage();
  let isReady = true;
  const registry = instance("orders-1", { isReady: () => isReady });
  registry.setStatus("STANDBY");
  await registry.open();
  isReady = false;
  await pass(clock, 5_000);
  strictEqual(bucket.instances()[0]?.status, "UNHEALTHY");
  isReady = true;
  await pass(clock, 5_000);
  strictEqual(bucket.instances()[0]?.status, "STANDBY");
});

test("a record that somebody removed is there again after a heartbeat", async () => {
  const { bucket, instance, clock } = stage();
  await instance().open();
  bucket.lose();
  await pass(clock, 5_000);
  strictEqual(bucket.instances().length, 1);
});

test("a bucket that has gone is opened anew, in the same heartbeat", async () => {
  const { bucket, instance, clock } = stage();
  let opened = 0;
  await instance("orders-1", {
    open: () => {
      opened++;
      bucket.onPut = (store) => Promise.resolve(store());
      return Promise.resolve(bucket as unknown as Kv);
    },
  }).open();
  bucket.lose();
  bucket.onPut = () => Promise.reject(new AegisError("STREAM_NOT_FOUND", "it has gone"));
  await pass(clock, 2_500);
  deepStrictEqual([opened, bucket.instances().length], [2, 1]);
});

test("without JetStream it warns once, goes on, and tries again after a minute", async () => {
  const { bucket, instance, clock, logs } = stage();
  let opened = 0;
  let open = (): Promise<Kv> =>
    Promise.reject(new AegisError("JETSTREAM_DISABLED", "there is none"));
  const registry = instance("orders-1", {
    open: () => {
      opened++;
      return open();
    },
  });
  await registry.open();
  await pass(clock, 50_000);
  strictEqual(opened, 1);
  const warnings = logs.filter(({ level }) => level === "warn");
  strictEqual(warnings.length, 1);
  match(warnings[0]!.message, /^orders serves, but is not in the registry/);
  strictEqual(registry.health().ok, false);
  ok(AegisError.is(registry.health().error, "JETSTREAM_DISABLED"));
  await pass(clock, 20_000);
  strictEqual(opened, 2);
  open = () => Promise.resolve(bucket as unknown as Kv);
  await pass(clock, 65_000);
  strictEqual(bucket.instances().length, 1);
  deepStrictEqual(registry.health(), { ok: true, error: undefined });
  strictEqual(logs.filter(({ level }) => level === "warn").length, 1);
  match(logs.at(-1)!.message, /in the registry again/);
});

test("open() rejects when the server does not answer, and leaves nothing behind", async () => {
  const { bucket, instance, clock, transport } = stage();
  for (const error of [new TimeoutError("late"), new UnavailableError("away")]) {
    bucket.onPut = () => Promise.reject(error);
    transport.status = AegisError.is(error, "TIMEOUT") ? "connected" : "reconnecting";
    const registry = instance();
    const refused = rejects(registry.open(), error);
    await pass(clock, 12_000);
    await refused;
    strictEqual(registry.health().ok, false);
    await registry.close();
    strictEqual(clock.pending, 0);
  }
  deepStrictEqual(transport.sent, []);
});

test("where the server has no JetStream, and nobody answers for it, neither start nor stop waits", async () => {
  const { bucket, instance, clock, transport, logs } = stage();
  transport.server.jetstream = false;
  bucket.onPut = () =>
    new Promise((_, reject) => clock.setTimer(4_000, () => reject(new TimeoutError("late"))));
  const registry = instance();
  const opened = registry.open();
  await pass(clock, 50);
  await opened;
  await pass(clock, 5_000);
  match(registry.health().error!.message, /late/);
  strictEqual(logs.filter(({ level }) => level === "warn").length, 1);
  bucket.onPut = (store) => Promise.resolve(store());
  await pass(clock, 65_000);
  strictEqual(bucket.instances().length, 1);
  await registry.close();
  const silent = instance("silent");
  bucket.onPut = () => new Promise(() => {});
  const again = silent.open();
  await pass(clock, 50);
  await again;
  await silent.close();
});

test("open() is patient with a bucket that elects its leader, and a server that does not answer yet", async () => {
  const { bucket, instance, clock } = stage();
  const failures = [new UnavailableError("no leader"), new TimeoutError("late")];
  bucket.onPut = (store) => {
    const failure = failures.shift();
    return failure === undefined ? Promise.resolve(store()) : Promise.reject(failure);
  };
  const opened = instance().open();
  await pass(clock, 3_000);
  await opened;
  strictEqual(bucket.instances().length, 1);
});

test("a write that fails is tried again soon, once, and then in its turn", async () => {
  const { bucket, instance, clock, logs } = stage();
  const registry = instance();
  await registry.open();
  bucket.onPut = () => Promise.reject(new TimeoutError("late"));
  await pass(clock, 13_000);
  deepStrictEqual(bucket.puts.map(({ at }) => at), [0, 2_500, 3_750, 7_500, 12_500]);
  deepStrictEqual([registry.health(), logs], [{ ok: true, error: undefined }, []]);
  await pass(clock, 10_000);
  // The record has expired by now.
  match(registry.health().error!.message, /late/);
  bucket.onPut = (store) => Promise.resolve(store());
  await pass(clock, 5_000);
  deepStrictEqual(registry.health(), { ok: true, error: undefined });
  strictEqual(logs.filter(({ level }) => level === "warn").length, 1);
});

test("while a write is under way no other begins", async () => {
  const { bucket, instance, clock } = stage();
  const registry = instance();
  await registry.open();
  const { promise, resolve } = Promise.withResolvers<void>();
  bucket.onPut = async (store) => {
    await promise;
    return store();
  };
  await pass(clock, 60_000);
  strictEqual(bucket.puts.length, 2);
  // It says itself that nobody finds it any more.
  strictEqual(registry.health().ok, false);
  match(registry.health().error!.message, /was not written for 60000 ms, and has expired/);
  resolve();
  await pass(clock, 5_000);
  strictEqual(bucket.puts.length, 3);
});

test("an outage piles nothing up: one write on return, and then each in its turn", async () => {
  const { bucket, instance, clock, transport, logs } = stage();
  await instance().open();
  await pass(clock, 3_000);
  transport.become("reconnecting");
  await pass(clock, 60_000);
  strictEqual(bucket.puts.length, 2);
  transport.become("connected");
  await pass(clock, 10_000);
  deepStrictEqual(bucket.puts.slice(2).map(({ at }) => at), [63_500, 67_500, 72_500]);
  deepStrictEqual(logs, []);
});

test("after an outage that nobody noticed nothing is written but in its turn", async () => {
  const { bucket, instance, clock, transport } = stage();
  await instance().open();
  await pass(clock, 3_000);
  transport.become("reconnecting");
  await pass(clock, 1_000);
  transport.become("connected");
  await pass(clock, 5_000);
  deepStrictEqual(bucket.puts.map(({ at }) => at), [0, 2_500, 7_500]);
});

test("a write that an outage broke is not told, and follows on return", async () => {
  const { bucket, instance, clock, transport, logs } = stage();
  const registry = instance();
  await registry.open();
  const { promise, reject } = Promise.withResolvers<number>();
  bucket.onPut = () => promise;
  await pass(clock, 3_000);
  transport.become("reconnecting");
  reject(new UnavailableError("it broke"));
  await pass(clock, 3_000);
  bucket.onPut = (store) => Promise.resolve(store());
  transport.become("connected");
  await pass(clock, 1_000);
  strictEqual(bucket.puts.length, 3);
  deepStrictEqual(logs, []);
});

test("a process that stood still writes once, and keeps its turn", async () => {
  class Standing extends ManualClock {
    standsFor = 0;
    override setTimer(delayMs: number, callback: () => void) {
      const standsFor = this.standsFor;
      this.standsFor = 0;
      return super.setTimer(delayMs + standsFor, callback);
    }
  }
  const clock = new Standing();
  const { bucket, instance } = stage(() => 0.5, clock);
  await instance().open();
  // The timer of the third heartbeat comes when seven more were due.
  await pass(clock, 2_400);
  clock.standsFor = 35_000;
  await pass(clock, 60_000);
  deepStrictEqual(bucket.puts.map(({ at }) => at).slice(0, 5), [0, 2_500, 42_500, 47_500, 52_500]);
});

test("a bus that was closed ends it", async () => {
  const { instance, clock, transport, bucket } = stage();
  await instance().open();
  transport.become("closed");
  await pass(clock, 10_000);
  strictEqual(bucket.puts.length, 1);
  strictEqual(clock.pending, 0);
});
