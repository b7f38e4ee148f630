// A service in the registry: there when start() resolves, with what it serves, and gone when stop() begins.

import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import * as z from "zod";
import {
  type Bus,
  command,
  ConflictError,
  createClient,
  createService,
  type HealthReport,
  on,
  rpc,
} from "../../mod.ts";
import { msgpack } from "../../msgpack.ts";
import {
  instanceKey,
  readInstance,
  REGISTRY_BUCKET,
  type ServiceInstance,
} from "../../src/domain/instance.ts";
import { arrived, bothStreams, type Buses, errorOf, until } from "./buses.ts";

const create = rpc("create", {
  description: "Creates an order",
  params: z.object({ amount: z.number() }),
  result: z.object({ id: z.string() }),
}, () => ({ id: "1" }));

async function instances(bus: Bus): Promise<ServiceInstance[]> {
  const kv = await bus.kv(REGISTRY_BUCKET);
  const entries = await kv.getMany(await kv.keys());
  return [...entries.values()].map(({ key, value }) => readInstance(value, key)!);
}

const ids = async (bus: Bus) => (await instances(bus)).map(({ instanceId }) => instanceId);

bothStreams("start() resolves when the record is there, with all that it serves", async (buses) => {
  const handlers = [
    create,
    on(
      "payment.*",
      { payload: z.object({ amount: z.number() }), description: "Books it" },
      () => {},
    ),
    command("bill", { payload: z.object({ month: z.string() }) }, () => {}),
  ];
  const before = Date.now();
  await buses.serve("orders", handlers, {
    version: "1.2.3",
    instanceId: "orders-1",
    metadata: { zone: "a" },
  });
  const [instance] = await instances(buses.client);
  const { methods, events, commands, startedAt, lastHeartbeat, load, ...about } = instance!;
  deepStrictEqual(about, {
    service: "orders",
    instanceId: "orders-1",
    addressable: true,
    version: "1.2.3",
    status: "ACTIVE",
    group: undefined,
    metadata: { zone: "a" },
  });
  for (const time of [startedAt!, lastHeartbeat]) ok(time >= before && time <= Date.now());
  strictEqual(load?.inFlight, 0);
  const [method] = methods;
  deepStrictEqual([methods.length, method?.name, method?.description], [
    1,
    "create",
    "Creates an order",
  ]);
  deepStrictEqual((method?.input as { required: unknown }).required, ["amount"]);
  deepStrictEqual((method?.output as { required: unknown }).required, ["id"]);
  deepStrictEqual([events[0]?.name, events[0]?.description], ["payment.*", "Books it"]);
  deepStrictEqual((events[0]?.input as { required: unknown }).required, ["amount"]);
  deepStrictEqual((commands[0]?.input as { required: unknown }).required, ["month"]);
});

bothStreams(
  "two processes that give one instance name are told, until one of them is gone",
  async (buses) => {
    const options = {
      instanceId: "orders-1",
      registry: { ttlMs: 1_500, heartbeatIntervalMs: 150 },
    };
    let runs = 0;
    const count = rpc("count", () => ++runs);
    const one = await buses.serve("orders", [count], options);
    const { call } = createClient({ bus: buses.client });
    const registryOf = async () =>
      (await call<HealthReport>("orders", "health")).problems.find(({ part }) =>
        part === "registry"
      );
    strictEqual(await registryOf(), undefined);
    const other = await buses.serve("orders", [count], options);
    for (let calls = 0; calls < 10; calls++) {
      await call("orders", "count", {}, { instance: "orders-1" });
    }
    await arrived(buses);
    strictEqual(runs, 10, "each call of the instance runs once");
    await until(async () => {
      const health = await Promise.all([one.health(), other.health()]);
      return health.every(({ ok, registry }) =>
        ok && registry?.ok === false && ConflictError.is(registry.error)
      );
    });
    match((await registryOf())!.message, /Another process has the same name/);
    await one.stop();
    deepStrictEqual(await ids(buses.client), ["orders-1"]);
    await until(async () => (await other.health()).registry?.ok === true);
    await other.stop();
    deepStrictEqual(await ids(buses.client), []);
  },
);

bothStreams("it is gone before onStop runs, and there before onStarted does", async (buses) => {
  const seen: string[][] = [];
  const look = async () => void seen.push(await ids(buses.client));
  const hooks = { onStart: look, onStarted: look, onStop: look, onStopped: look };
  const service = await buses.serve("orders", [create], { instanceId: "one", hooks });
  await service.stop();
  deepStrictEqual(seen, [[], ["one"], [], []]);
});

bothStreams("a stop in a hurry removes the record as well", async (buses) => {
  const service = await buses.serve("orders", [create]);
  strictEqual((await ids(buses.client)).length, 1);
  await service.stop({ graceMs: 0 });
  deepStrictEqual(await ids(buses.client), []);
});

bothStreams("a start that fails leaves no record", async (buses) => {
  const onStarted = () => {
    throw new Error("no");
  };
  const starting = buses.serve("orders", [create], { hooks: { onStarted } });
  await rejects(starting, /^Error: no$/);
  deepStrictEqual(await ids(buses.client), []);
});

bothStreams("records are JSON, whatever the bus writes otherwise", async (buses) => {
  const bus = await buses.open({ codec: msgpack() });
  await buses.serve("orders", [create], { bus, instanceId: "one" });
  const key = instanceKey("orders", "one");
  const { store } = await buses.streams();
  const stored = await store.last(`KV_${REGISTRY_BUCKET}`, `$KV.${REGISTRY_BUCKET}.${key}`);
  const value = JSON.parse(new TextDecoder().decode(stored!.data));
  strictEqual(readInstance(value, key)?.instanceId, "one");
});

bothStreams("a bucket that somebody else has made is used as it is", async (buses) => {
  const theirs = await buses.client.kv(REGISTRY_BUCKET, { history: 5, storage: "memory" });
  await theirs.put("orders", { service_name: "orders", owner: "them" });
  const service = await buses.serve("orders", [create], { instanceId: "one" });
  deepStrictEqual((await theirs.keys()).length, 2);
  await service.stop();
  deepStrictEqual(await theirs.keys(), ["orders"]);
});

bothStreams("health() and the method health say how the record is doing", async (buses) => {
  const service = await buses.serve("orders", [create]);
  deepStrictEqual((await service.health()).registry, { ok: true, error: undefined });
  const { call } = createClient({ bus: buses.client });
  deepStrictEqual((await call<HealthReport>("orders", "health")).problems, []);
  const other = await buses.serve("billing", [create], { registry: false });
  strictEqual((await other.health()).registry, undefined);
  deepStrictEqual((await call<HealthReport>("billing", "health")).problems, []);
  deepStrictEqual((await ids(buses.client)).length, 1);
});

bothStreams("services with names that only underscores tell apart are two", async (buses) => {
  await serveBoth(buses, ["a__b", "c"], ["a", "b__c"]);
  await serveBoth(buses, ["x_", "y"], ["x", "_y"]);
  strictEqual((await ids(buses.client)).length, 4);
});

async function serveBoth(buses: Buses, ...pairs: (readonly [string, string])[]): Promise<void> {
  for (const [name, instanceId] of pairs) await buses.serve(name, [create], { instanceId });
}

bothStreams("an instance with the id of one that is there takes its place", async (buses) => {
  const old = await buses.serve("orders", [create], { instanceId: "one", version: "1.0.0" });
  await buses.serve("orders", [create], { instanceId: "one", version: "2.0.0" });
  await old.stop();
  deepStrictEqual((await instances(buses.client)).map(({ version }) => version), ["2.0.0"]);
});

bothStreams("a bus that was closed under a service ends its heartbeats", async (buses) => {
  const bus = await buses.open();
  const service = createService("orders", { bus, handlers: [create], instanceId: "one" });
  await service.start();
  await bus.close();
  await service.stopped;
  strictEqual(await errorOf(service.start()) instanceof Error, true);
});
