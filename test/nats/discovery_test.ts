// Discovery on a server: outages, lost data, clusters, wrong clocks, and servers that have or permit no registry.

import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { rm } from "node:fs/promises";
import { test } from "node:test";
import {
  AegisError,
  type Bus,
  type Clock,
  connect,
  createClient,
  createDiscovery,
  createService,
  type Discovery,
  rpc,
  type Service,
} from "../../mod.ts";
import { createClock } from "../../src/adapters/system/clock.ts";
import { startNatsCluster, startNatsServer } from "../../tools/nats_server.ts";
import { recordingLogger } from "../app/buses.ts";
import type { LogLine } from "../app/buses.ts";
import { logger, until } from "./outage_tools.ts";

const who = rpc("who", (_, { instanceId }) => instanceId);
const SOON = { ttlMs: 2_000, heartbeatIntervalMs: 500 };

async function start(bus: Bus, instanceId: string, registry: object = SOON): Promise<Service> {
  const service = createService("shop", { bus, handlers: [who], instanceId, registry });
  await service.start();
  return service as unknown as Service;
}

async function names(discovery: Discovery): Promise<string> {
  return (await discovery.discover("shop")).map(({ instanceId }) => instanceId).join();
}

test("without JetStream lookups say so at once, and calls go to any instance", async () => {
  await using server = await startNatsServer({ jetstream: false });
  const logs: LogLine[] = [];
  await using bus = await connect({ servers: server.url, logger: recordingLogger(logs) });
  await using service = createService("shop", {
    bus,
    handlers: [who],
    instanceId: "a",
    registry: false,
  });
  await service.start();
  await using discovery = createDiscovery({ bus });
  const startedAt = performance.now();
  for (let i = 0; i < 3; i++) {
    await rejects(discovery.discover("shop"), (error) => {
      ok(AegisError.is(error, "JETSTREAM_DISABLED"), String(error));
      return true;
    });
  }
  const client = createClient({ bus });
  for (const select of ["round_robin", "random", "least_loaded"] as const) {
    strictEqual(await client.call("shop", "who", {}, { select }), "a");
  }
  strictEqual(await client.call("shop", "who", {}, { instance: "a" }), "a");
  await rejects(client.call("shop", "who", {}, { instance: "b" }), /instance "b"/);
  ok(performance.now() - startedAt < 1_000);
  const warned = logs.filter(({ message }) => message.includes("registry cannot be watched"));
  strictEqual(warned.length, 1);
});

test("a user who may not read the registry is told so, and its calls go to any instance", async () => {
  await using server = await startNatsServer({
    config: `authorization { users: [
      { user: "all", password: "p" }
      { user: "caller", password: "p", permissions: {
        publish: ["rpc.>", "internal.rpc.>"], subscribe: ["_INBOX.>"] } } ] }`,
  });
  const options = { servers: server.url, pass: "p", logger };
  await using own = await connect({ ...options, user: "all" });
  await using service = await start(own, "a");
  await using bus = await connect({ ...options, user: "caller" });
  await using discovery = createDiscovery({ bus });
  await rejects(discovery.discover("shop"), (error) => {
    ok(AegisError.is(error, "PERMISSION_DENIED"), String(error));
    return true;
  });
  const client = createClient({ bus });
  strictEqual(await client.call("shop", "who", {}, { select: "random" }), service.instanceId);
});

test("in an outage lookups give what was known and say so; then they are right again, and so are calls", async () => {
  await using server = await startNatsServer();
  await using bus = await connect({ servers: server.url, logger });
  await using one = await connect({ servers: server.url, logger });
  await using two = await connect({ servers: server.url, logger });
  await using _a = await start(one, "a");
  await using b = await start(two, "b");
  await using discovery = createDiscovery({ bus });
  await until("both are known", async () => await names(discovery) === "a,b");
  const client = createClient({ bus });
  await server.kill();
  await until("it is noticed", () => bus.status === "reconnecting");
  strictEqual(await names(discovery), "a,b");
  deepStrictEqual([discovery.stale, discovery.health().ok], [true, false]);
  // Calls wait for the end of the outage, and then for the instances to be back.
  const options = { timeoutMs: 8_000 };
  const calls = [
    client.call("shop", "who", {}, { ...options, select: "sticky", key: "user:1" }),
    client.call("shop", "who", {}, { ...options, select: "round_robin" }),
    client.call("shop", "who", {}, { ...options, instance: "a" }),
  ];
  await two.close(); // b goes meanwhile
  await server.restart();
  const [sticky, turn, named] = await Promise.all(calls);
  deepStrictEqual([sticky, turn, named], ["a", "a", "a"]);
  await until("it is right again", async () => await names(discovery) === "a" && !discovery.stale);
  strictEqual(b.status, "stopped");
});

test("a server that lost all that it had stored is looked at anew, and instances are there again", async () => {
  await using server = await startNatsServer();
  await using bus = await connect({ servers: server.url, logger });
  await using one = await connect({ servers: server.url, logger });
  await using _a = await start(one, "a");
  await using discovery = createDiscovery({ bus });
  const changes: string[] = [];
  const watching = (async () => {
    for await (const { type, instance } of discovery.watch("shop")) {
      changes.push(`${instance.instanceId} ${type}`);
    }
  })();
  await until("it is told", () => changes.length === 1);
  await server.kill();
  await rm(server.storeDir, { recursive: true });
  await server.restart();
  await until("they are back", () => [bus, one].every(({ status }) => status === "connected"));
  await using _b = await start(one, "b");
  await until("both are known", async () => await names(discovery) === "a,b" && !discovery.stale);
  await discovery.close();
  await watching;
  strictEqual(changes[0], "a joined");
  strictEqual(changes.filter((change) => change === "b joined").length, 1);
  ok(!changes.includes("b left"), changes.join());
});

test("in a cluster an instance on another server is called as soon as it is known", async () => {
  await using cluster = await startNatsCluster(3);
  const [near, far] = cluster.urls;
  await cluster.ready();
  await using bus = await connect({ servers: near!, logger });
  await using own = await connect({ servers: far!, logger });
  await using discovery = createDiscovery({ bus });
  const client = createClient({ bus });
  for (let i = 0; i < 5; i++) {
    const instanceId = `i${i}`;
    await using _service = await start(own, instanceId);
    await until("it is known", async () => (await names(discovery)).includes(instanceId));
    const calls = Array.from(
      { length: 5 },
      () => client.call<string>("shop", "who", {}, { instance: instanceId }),
    );
    deepStrictEqual(new Set(await Promise.all(calls)), new Set([instanceId]));
    strictEqual(await client.call("shop", "who", {}, { select: "round_robin" }), instanceId);
  }
});

test("clocks that are wrong by an hour make nobody come or go", async () => {
  await using server = await startNatsServer();
  const off = (ms: number): Clock => {
    const clock = createClock();
    return {
      ...clock,
      now: () => clock.now() + ms,
      timestamp: () => new Date(clock.now() + ms).toISOString(),
    };
  };
  const hour = 3_600_000;
  const open = (ms: number): Promise<Bus> =>
    connect({ servers: server.url, logger, clock: off(ms) });
  await using slow = await open(-hour);
  await using fast = await open(hour);
  await using _slow = await start(slow, "slow");
  const crashing = await open(hour);
  await start(crashing, "crashing");
  await using _fast = await start(fast, "fast");
  for (const ms of [-hour, 0, hour]) {
    await using bus = await open(ms);
    await using discovery = createDiscovery({ bus });
    await until("all are known", async () => await names(discovery) === "crashing,fast,slow");
  }
  await using bus = await open(-hour);
  await using discovery = createDiscovery({ bus });
  await discovery.discover("shop");
  await crashing.close();
  const closedAt = performance.now();
  await until("it is gone", async () => await names(discovery) === "fast,slow");
  ok(performance.now() - closedAt < SOON.ttlMs + SOON.heartbeatIntervalMs);
  // And these stay for longer than a TTL.
  for (const end = performance.now() + SOON.ttlMs * 1.5; performance.now() < end;) {
    strictEqual(await names(discovery), "fast,slow");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
});
