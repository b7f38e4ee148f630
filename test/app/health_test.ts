// What every service answers about itself: whether it lives, whether it is ready, and what was measured.

import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import {
  command,
  connect,
  createClient,
  createService,
  failover,
  type HealthReport,
  type MetricsReport,
  on,
  rpc,
} from "../../mod.ts";
import { createMemoryTransport } from "../../testing.ts";
import { both, errorOf, hang, recordingLogger, until } from "./buses.ts";

const hello = rpc("hello", () => "hello");

both("a service answers how it is", async (buses) => {
  await buses.serve("shop", [hello], { version: "1.2.3", instanceId: "shop-1" });
  const { call } = createClient({ bus: buses.client });
  const { uptimeMs, roundTripMs, problems, ...report } = await call<HealthReport>("shop", "health");
  deepStrictEqual(report, {
    live: true,
    ready: true,
    status: "started",
    service: "shop",
    instanceId: "shop-1",
    version: "1.2.3",
    inFlight: 0,
    leader: null,
  });
  ok(uptimeMs > 0 && roundTripMs! >= 0);
  deepStrictEqual(problems.filter(({ part }) => part !== "registry"), []);
});

both("one instance can be asked", async (buses) => {
  for (const instanceId of ["shop-1", "shop-2"]) await buses.serve("shop", [], { instanceId });
  const { call } = createClient({ bus: buses.client });
  for (const instance of ["shop-1", "shop-2"]) {
    const report = await call<HealthReport>("shop", "health", {}, { instance });
    strictEqual(report.instanceId, instance);
  }
});

both("it answers at full load, whatever middleware says", async (buses) => {
  const refuse = () => {
    throw new Error("not for you");
  };
  await buses.serve("busy", [rpc("slow", hang)], { concurrency: 1 });
  await buses.serve("shut", [hello], { middleware: [refuse] });
  const { call } = createClient({ bus: buses.client });
  const controller = new AbortController();
  const slow = Array.from(
    { length: 5 },
    () => call("busy", "slow", {}, { signal: controller.signal }).catch(() => {}),
  );
  await until(async () => (await call<HealthReport>("busy", "health")).inFlight === 5);
  strictEqual((await call<HealthReport>("busy", "health")).ready, true);
  controller.abort();
  await Promise.all(slow);
  match(`${await errorOf(call("shut", "hello"))}`, /not for you/);
  strictEqual((await call<HealthReport>("shut", "health")).ready, true);
});

both("a program's own method of that name is the one that answers", async (buses) => {
  await buses.serve("shop", [rpc("health", () => "my own"), hello]);
  const { call } = createClient({ bus: buses.client });
  strictEqual(await call("shop", "health"), "my own");
  strictEqual(typeof (await call<MetricsReport>("shop", "metrics")).instanceId, "string");
});

test("a service whose events do not come lives, and is not ready", async () => {
  const troubles: ((error: Error | undefined) => void)[] = [];
  const transport = overriding(createMemoryTransport(), {
    streams: (streams) =>
      overriding(streams!, {
        store: (store) =>
          overriding(store, {
            pull: () => (stream, consumer, options) => {
              troubles.push(options.onHealth);
              return store.pull(stream, consumer, options);
            },
          }),
      }),
  });
  await using bus = await connect({ transport, logger: recordingLogger([]) });
  const handlers = [on("order.*", () => {}), command("bill", () => {}), hello];
  await using service = createService("shop", { bus, handlers });
  await service.start();
  const health = () => createClient({ bus }).call<HealthReport>("shop", "health");
  strictEqual((await health()).ready, true);
  for (const trouble of troubles) trouble(new Error("it was taken away"));
  const { live, ready, problems } = await health();
  deepStrictEqual([live, ready], [true, false]);
  deepStrictEqual(problems.filter(({ part }) => part !== "registry"), [
    { part: "events", name: "order.*", message: "it was taken away" },
    { part: "commands", name: "bill", message: "it was taken away" },
  ]);
  for (const trouble of troubles) trouble(undefined);
  strictEqual((await health()).ready, true);
});

both("of instances of which one is active, each says whether it is that", async (buses) => {
  const { call } = createClient({ bus: buses.client });
  for (const instanceId of ["shop-1", "shop-2"]) {
    await buses.serve("shop", [hello], { instanceId, singleActive: failover.aggressive });
  }
  const reports = await Promise.all(
    ["shop-1", "shop-2"].map((instance) => call<HealthReport>("shop", "health", {}, { instance })),
  );
  deepStrictEqual(reports.map(({ ready }) => ready), [true, true]);
  strictEqual(reports.filter(({ leader }) => leader).length, 1);
});

test("a watch that hears nothing is told, and makes nobody less ready", async () => {
  let isBroken = false;
  const lost = new Error("it was taken away");
  const follows: ((error: Error) => void)[] = [];
  const transport = overriding(createMemoryTransport(), {
    streams: (streams) =>
      overriding(streams!, {
        view: (view) =>
          overriding(view!, {
            follow: () => (stream, options) => {
              const broken = isBroken ? { ...options, onMessage() {}, onCaughtUp() {} } : options;
              follows.push(broken.onLost);
              const follow = view!.follow(stream, broken);
              if (isBroken) broken.onLost(lost);
              return follow;
            },
          }),
      }),
  });
  await using bus = await connect({ transport, logger: recordingLogger([]) });
  await using service = createService("shop", { bus, handlers: [hello] });
  await service.start();
  const kv = await bus.kv("settings");
  await using watch = kv.watch();
  await watch.ready;
  const health = () => createClient({ bus }).call<HealthReport>("shop", "health");
  deepStrictEqual((await health()).problems, []);
  isBroken = true;
  for (const loses of follows) loses(lost);
  const { ready, problems } = await health();
  strictEqual(ready, true);
  deepStrictEqual(problems.map(({ part, name }) => [part, name]), [["watches", "settings"]]);
  match(problems[0]!.message, /it was taken away/);
});

both("what was measured can be asked for, and is bounded", async (buses) => {
  await buses.serve("shop", [hello], { instanceId: "shop-1" });
  const { call } = createClient({ bus: buses.client });
  await call("shop", "hello");
  const { instanceId, truncated, counters, summaries } = await call<MetricsReport>(
    "shop",
    "metrics",
  );
  deepStrictEqual([instanceId, truncated], ["shop-1", false]);
  const labels = { service: "shop", method: "hello", outcome: "ok" };
  const isCounted = (name: string) => ({ name: its }: { name: string }) => its === name;
  const counter = counters.find(isCounted("aegis_rpc_server_calls_total"));
  deepStrictEqual([counter?.labels, counter?.value], [labels, 1]);
  strictEqual(summaries.find(isCounted("aegis_rpc_server_duration_ms"))?.value.count, 1);
  for (let n = 0; n < 5_000; n++) buses.server.metrics.increment("many", { n: `${n}` });
  const many = await call<MetricsReport>("shop", "metrics");
  deepStrictEqual([many.truncated, many.counters.length], [true, 1_000]);
});

both("they are no methods of the service's own", async (buses) => {
  const lines = buses.logs;
  const service = createService("shop", { bus: buses.server, handlers: [hello] });
  await service.start();
  await service.stop();
  const started = lines.find(({ message }) => message === "shop has started");
  deepStrictEqual(started?.fields.methods, ["hello"]);
});

/** An object with some of its members made from what they were. */
function overriding<T extends object>(
  inner: T,
  members: { readonly [Key in keyof T]?: (was: T[Key]) => T[Key] },
): T {
  return new Proxy(inner, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key);
      const make = members[key as keyof T];
      if (make !== undefined) return make(value as T[keyof T]);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
