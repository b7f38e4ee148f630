// The circuits of a client: how many it remembers, which it forgets, and what then shows of them.

import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import {
  createClient,
  createDiscovery,
  createLogger,
  createMetrics,
  createService,
  rpc,
} from "../../mod.ts";
import { type Breaker, Circuits, MAX_CIRCUITS } from "../../src/app/circuits.ts";
import type { Runtime } from "../../src/app/runtime.ts";
import { CIRCUIT_DEFAULTS } from "../../src/domain/circuit.ts";
import { ManualClock } from "../../testing.ts";
import { bothStreams, errorOf, on, until } from "./buses.ts";

/** Circuits without a client, that open at the second failure, and the gauges of those that ever did. */
function circuits() {
  const clock = new ManualClock();
  const metrics = createMetrics({ clock });
  const logger = createLogger({ level: "silent" });
  const gone = new Map<string, () => void>();
  const runtime = { clock, metrics, logger } as Partial<Runtime> as Runtime;
  const all = new Circuits(runtime, { ...CIRCUIT_DEFAULTS, failures: 2 }, {
    onGone(_, instance, listener) {
      gone.set(instance, listener);
      return () => gone.delete(instance);
    },
  });
  const asked = (instance: string, method = "m") => ({ service: "s", method, instance });
  return {
    all,
    gone,
    of: (instance: string, method?: string): Breaker => all.of(asked(instance, method)),
    lets: (instance: string, method?: string) => all.lets(asked(instance, method), 0),
    fail: (breaker: Breaker) => breaker.ended(breaker.begun(0), "failed", 1, 0),
    shown: () =>
      Object.fromEntries(
        metrics.snapshot().gauges.map(({ labels, value }) => [labels.instance, value]),
      ),
  };
}

test("11,000 circuits that are asked by turns open, each at its own failures", () => {
  const { of, lets, fail } = circuits();
  let open = 0;
  for (let round = 0; round < 2; round++) {
    for (let i = 0; i < 1_000; i++) {
      for (let m = 0; m < 11; m++) {
        fail(of(`i${i}`, `m${m}`));
        if (!lets(`i${i}`, `m${m}`)) open++;
      }
    }
  }
  strictEqual(open, 11_000);
});

test("when there are too many the closed one is forgotten that was not asked for longest", () => {
  const { of, lets, fail } = circuits();
  for (let failures = 0; failures < 2; failures++) fail(of("open"));
  fail(of("old"));
  fail(of("used"));
  for (let n = 3; n < MAX_CIRCUITS; n++) of(`i${n}`);
  of("used");
  of("one more");
  fail(of("used"));
  strictEqual(lets("used"), false, "its first failure is remembered");
  strictEqual(lets("open"), false, "an open one is not forgotten for a closed one");
  fail(of("old"));
  strictEqual(lets("old"), true, "its first failure is forgotten");
});

test("where all are open the oldest is forgotten, and shows as closed", () => {
  const { of, lets, fail, shown, gone } = circuits();
  for (let n = 0; n < MAX_CIRCUITS; n++) {
    const breaker = of(`i${n}`);
    fail(breaker);
    fail(breaker);
  }
  of("one more");
  deepStrictEqual([lets("i0"), lets("i1")], [true, false]);
  const { i0, i1 } = shown();
  deepStrictEqual([i0, i1], [0, 2]);
  strictEqual(gone.has("i0"), false, "nobody listens for it any more");
});

test("one whose instance has gone shows as closed, whatever its calls come to after that", () => {
  const { of, lets, fail, shown, gone } = circuits();
  const breaker = of("a");
  fail(breaker);
  fail(breaker);
  deepStrictEqual(shown(), { a: 2 });
  gone.get("a")!();
  deepStrictEqual([shown(), gone.size, lets("a")], [{ a: 0 }, 0, true]);
  const late = breaker.begun(CIRCUIT_DEFAULTS.openMs);
  breaker.ended(late, "failed", 1, CIRCUIT_DEFAULTS.openMs);
  deepStrictEqual(shown(), { a: 0 });
});

bothStreams(
  "the circuit of an instance shows as open until it has gone, not when nobody looks any more",
  async ({ open }) => {
    const bus = await open({ metrics: createMetrics() });
    const broken = rpc("broken", () => {
      throw new Error("broken");
    });
    const service = createService("shop", {
      bus: await open(),
      handlers: [broken],
      instanceId: "a",
    });
    await service.start();
    const client = createClient({ bus, circuit: { failures: 1, openMs: 60_000 } });
    const state = () =>
      bus.metrics.snapshot().gauges.find(({ name }) => name === "aegis_circuit_state")?.value;
    {
      await using discovery = createDiscovery({ bus });
      await until(async () => (await discovery.discover("shop")).length === 1);
      await errorOf(client.call("shop", "broken", {}, { instance: "a", retry: false }));
      strictEqual(state(), 2);
    }
    strictEqual(state(), 2, "that nobody looks says nothing of the instance");
    await using discovery = createDiscovery({ bus });
    await until(async () => (await discovery.discover("shop")).length === 1);
    await service.stop();
    await until(() => state() === 0);
  },
);

on(
  "memory",
  "the circuit of an instance without a record is forgotten when nobody is found there",
  async ({ open }) => {
    const clock = new ManualClock();
    const bus = await open({ clock, metrics: createMetrics({ clock }) });
    const broken = rpc("broken", () => {
      throw new Error("broken");
    });
    const service = createService("shop", {
      bus,
      handlers: [broken],
      instanceId: "a",
      registry: false,
    });
    await service.start();
    const client = createClient({ bus, circuit: { failures: 1, openMs: 1_000 } });
    const call = () => errorOf(client.call("shop", "broken", {}, { instance: "a", retry: false }));
    const state = () =>
      bus.metrics.snapshot().gauges.find(({ name }) => name === "aegis_circuit_state")?.value;
    await call();
    strictEqual(state(), 2);
    await service.stop();
    clock.advance(1_000);
    await call();
    strictEqual(state(), 0);
  },
);
