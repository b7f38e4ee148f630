// Calls of selected instances: whom they go to, and where they go when that one has gone.

import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import {
  type Bus,
  type CallOptions,
  type Client,
  createClient,
  createDiscovery,
  createService,
  type Handler,
  rpc,
  type ServiceOptions,
  TimeoutError,
  UnavailableError,
} from "../../mod.ts";
import { bothStreams, type Buses, errorOf, hang, on, until } from "./buses.ts";

const who = rpc("who", (_, { instanceId }) => instanceId);

interface Instance {
  readonly bus: Bus;
  /** Ends it as a crash does: nobody is told. */
  crash(): Promise<void>;
  stop(): Promise<void>;
}

/** A started instance of `shop` on a bus of its own. */
async function start(
  { open }: Buses,
  instanceId: string,
  handlers: readonly Handler[] = [who],
  options: Partial<ServiceOptions> = {},
): Promise<Instance> {
  const bus = await open({ name: instanceId });
  const service = createService("shop", { bus, handlers, instanceId, ...options });
  await service.start();
  return { bus, crash: () => bus.close(), stop: () => service.stop() };
}

/** Resolves when the bus of the client knows those instances, and no others. */
async function known({ client }: Buses, ...names: readonly string[]): Promise<void> {
  await using discovery = createDiscovery({ bus: client });
  await until(async () =>
    (await discovery.discover("shop")).map(({ instanceId }) => instanceId).join() === names.join()
  );
}

/** So that a record which a test writes stays. */
const RARELY = { ttlMs: 86_400_000, heartbeatIntervalMs: 43_200_000 };

interface RawRecord {
  status: string;
  lastHeartbeat: string;
  metadata: { aegis: { load: { in_flight: number } } };
}

/** Writes the record of an instance anew, and waits until the bus of the client has heard of it. */
async function edit(
  { client, server }: Buses,
  instanceId: string,
  change: (record: RawRecord) => RawRecord,
): Promise<void> {
  const kv = await server.kv<RawRecord>("service_registry");
  const key = `service-instances__shop__${instanceId}`;
  const record = change((await kv.get(key))!.value);
  record.lastHeartbeat = "2026-02-03T04:05:06Z";
  await kv.put(key, record);
  await using discovery = createDiscovery({ bus: client });
  await until(async () =>
    (await discovery.discover("shop")).some((instance) =>
      instance.instanceId === instanceId &&
      instance.lastHeartbeat === Date.parse(record.lastHeartbeat)
    )
  );
}

async function answers(client: Client, count: number, options: CallOptions): Promise<string[]> {
  return await Promise.all(
    Array.from({ length: count }, () => client.call<string>("shop", "who", {}, options)),
  );
}

bothStreams("round_robin calls each instance in its turn", async (buses) => {
  for (const name of ["a", "b", "c"]) await start(buses, name);
  const client = createClient({ bus: buses.client });
  const got = await answers(client, 9, { select: "round_robin" });
  deepStrictEqual([...got].sort().join(""), "aaabbbccc");
  deepStrictEqual(got.slice(0, 3), got.slice(3, 6));
});

bothStreams("sticky calls go where the discovery says that their key belongs", async (buses) => {
  for (const name of ["a", "b", "c"]) await start(buses, name);
  const client = createClient({ bus: buses.client });
  await using discovery = createDiscovery({ bus: buses.client });
  const places = new Set<string>();
  for (let i = 0; i < 20; i++) {
    const options = { strategy: "sticky", key: `user:${i}` } as const;
    const { instanceId } = await discovery.select("shop", options);
    const [got] = await answers(client, 1, { select: "sticky", key: options.key });
    strictEqual(got, instanceId);
    places.add(instanceId);
  }
  strictEqual(places.size, 3);
});

bothStreams("least_loaded calls pass by an instance that has more to do", async (buses) => {
  let runs = 0;
  const busy = rpc("busy", (params, context) => {
    runs++;
    return hang(params, context);
  });
  for (const name of ["a", "b"]) await start(buses, name, [who, busy], { registry: RARELY });
  await known(buses, "a", "b");
  const client = createClient({ bus: buses.client });
  const controller = new AbortController();
  const { signal } = controller;
  const held = Array.from(
    { length: 10 },
    () => errorOf(client.call("shop", "busy", {}, { select: "least_loaded", signal })),
  );
  await until(() => runs === 10);
  // What is under way counts until it ends: five calls each.
  for (let i = 0; i < 5; i++) {
    deepStrictEqual((await answers(client, 2, { select: "least_loaded" })).sort(), ["a", "b"]);
  }
  // What an instance says of itself counts too.
  await edit(buses, "a", (record) => {
    record.metadata.aegis.load.in_flight = 100;
    return record;
  });
  for (let i = 0; i < 5; i++) {
    deepStrictEqual(await answers(client, 2, { select: "least_loaded" }), ["b", "b"]);
  }
  controller.abort();
  await Promise.all(held);
});

bothStreams(
  "a call passes on from one that has gone without a word, and later ones do not try it",
  async (buses) => {
    const a = await start(buses, "a");
    await start(buses, "b");
    await known(buses, "a", "b");
    await using discovery = createDiscovery({ bus: buses.client });
    await discovery.discover("shop");
    const client = createClient({ bus: buses.client });
    await a.crash();
    const got = await answers(client, 10, { select: "round_robin", timeoutMs: 2_000 });
    deepStrictEqual(new Set(got), new Set(["b"]));
    const left = await discovery.discover("shop");
    deepStrictEqual(left.map(({ instanceId }) => instanceId), ["b"], "its record is still there");
    const kv = await buses.client.kv("service_registry");
    strictEqual((await kv.keys("service-instances__shop__")).length, 2);
  },
);

bothStreams("where all have gone without a word, nobody serves it", async (buses) => {
  const instances = [await start(buses, "a"), await start(buses, "b")];
  await known(buses, "a", "b");
  for (const instance of instances) await instance.crash();
  const client = createClient({ bus: buses.client });
  const error = await errorOf(answers(client, 1, { select: "random", timeoutMs: 2_000 }));
  ok(error instanceof UnavailableError);
  match(error.message, /nobody serves it/);
  strictEqual(error.details.sent, false);
});

bothStreams(
  "a call of an instance that has gone since it was known goes to another one",
  async (buses) => {
    const a = await start(buses, "a");
    const b = await start(buses, "b");
    await start(buses, "c");
    await known(buses, "a", "b", "c");
    const client = createClient({ bus: buses.client });
    strictEqual(await client.call("shop", "who", {}, { instance: "a" }), "a");
    await a.crash();
    ok(["b", "c"].includes(await client.call("shop", "who", {}, { instance: "a" })));
    await b.stop();
    for (let i = 0; i < 5; i++) {
      strictEqual(await client.call("shop", "who", {}, { instance: "b" }), "c");
    }
  },
);

bothStreams(
  "it stays with the instance alone where retry is off, or nobody knew it",
  async (buses) => {
    const a = await start(buses, "a");
    await start(buses, "b");
    await known(buses, "a", "b");
    const client = createClient({ bus: buses.client });
    await a.crash();
    const alone = await errorOf(client.call("shop", "who", {}, { instance: "a", retry: false }));
    ok(alone instanceof UnavailableError);
    match(alone.message, /instance "a"/);
    const unknown = await errorOf(client.call("shop", "who", {}, { instance: "nobody" }));
    ok(unknown instanceof UnavailableError);
    match(unknown.message, /instance "nobody"/);
  },
);

bothStreams(
  "one that has answered before was known, whether anybody looked or not",
  async (buses) => {
    const a = await start(buses, "a");
    await start(buses, "b");
    const client = createClient({ bus: buses.client });
    strictEqual(await client.call("shop", "who", {}, { instance: "a" }), "a");
    await a.stop();
    strictEqual(await client.call("shop", "who", {}, { instance: "a" }), "b");
  },
);

bothStreams("one that comes back under its name is called again", async (buses) => {
  const a = await start(buses, "a");
  await start(buses, "b");
  await known(buses, "a", "b");
  const client = createClient({ bus: buses.client });
  await a.crash();
  strictEqual(await client.call("shop", "who", {}, { instance: "a" }), "b");
  await start(buses, "a");
  await known(buses, "a", "b");
  strictEqual(await client.call("shop", "who", {}, { instance: "a" }), "a");
});

bothStreams("what was delivered is not made again", async (buses) => {
  let runs = 0;
  const instances = new Map<string, Instance>();
  const die = rpc("die", async (_, { instanceId }) => {
    runs++;
    await instances.get(instanceId)!.crash();
  });
  for (const name of ["a", "b"]) instances.set(name, await start(buses, name, [die]));
  await known(buses, "a", "b");
  const client = createClient({ bus: buses.client });
  const error = await errorOf(
    client.call("shop", "die", {}, { select: "round_robin", timeoutMs: 300 }),
  );
  ok(error instanceof TimeoutError, String(error));
  strictEqual(runs, 1);
});

bothStreams("what failed goes to another one where it may run twice", async (buses) => {
  const ran: string[] = [];
  const fail = rpc("fail", (_, { instanceId }) => {
    ran.push(instanceId);
    if (ran.length < 3) throw new Error("not now");
    return "done";
  });
  for (const name of ["a", "b", "c"]) await start(buses, name, [fail]);
  await known(buses, "a", "b", "c");
  const client = createClient({ bus: buses.client });
  const options = { select: "sticky", key: "user:1", retry: { initialDelayMs: 1 } } as const;
  await rejects(client.call("shop", "fail", {}, options), { code: "INTERNAL_ERROR" });
  strictEqual(ran.length, 1);
  strictEqual(await client.call("shop", "fail", {}, { ...options, idempotent: true }), "done");
  strictEqual(ran[1], ran[0]);
  ok(ran[2] !== ran[1]);
});

bothStreams("an instance that is not well is called only where no other one is", async (buses) => {
  for (const name of ["a", "b"]) await start(buses, name, [who], { registry: RARELY });
  await known(buses, "a", "b");
  await edit(buses, "a", (record) => ({ ...record, status: "UNHEALTHY" }));
  await using discovery = createDiscovery({ bus: buses.client });
  await until(async () => (await discovery.discover("shop", { onlyHealthy: true })).length === 1);
  const got = await answers(createClient({ bus: buses.client }), 6, { select: "round_robin" });
  deepStrictEqual(new Set(got), new Set(["b"]));
});

bothStreams(
  "an instance without the method is passed by while another one has it",
  async (buses) => {
    await start(buses, "old");
    await start(buses, "new", [who, rpc("fresh", (_, { instanceId }) => instanceId)]);
    await known(buses, "new", "old");
    const client = createClient({ bus: buses.client });
    for (let i = 0; i < 4; i++) {
      strictEqual(await client.call("shop", "fresh", {}, { select: "round_robin" }), "new");
    }
  },
);

bothStreams(
  "services that are not in the registry are called by any way that there is",
  async (buses) => {
    await start(buses, "a", [who], { registry: false });
    const client = createClient({ bus: buses.client });
    deepStrictEqual(await answers(client, 2, { select: "round_robin" }), ["a", "a"]);
    strictEqual(await client.call("shop", "who", {}, { instance: "a" }), "a");
    await rejects(client.call("shop", "who", {}, { instance: "b" }), /instance "b"/);
  },
);

on("memory", "a handler's own calls may select too", async (buses) => {
  for (const name of ["a", "b"]) await start(buses, name);
  const ask = rpc(
    "ask",
    (_, { call }) => call<string>("shop", "who", {}, { select: "round_robin" }),
  );
  await buses.serve("desk", [ask]);
  const client = createClient({ bus: buses.client });
  const got = [await client.call<string>("desk", "ask"), await client.call<string>("desk", "ask")];
  deepStrictEqual(got.sort(), ["a", "b"]);
});

on("memory", "calls that select nothing look at no registry", async (buses) => {
  await start(buses, "a", [who], { registry: false });
  const client = createClient({ bus: buses.client });
  for (let i = 0; i < 10; i++) await client.call("shop", "who");
  await client.call("shop", "who", {}, { instance: "a" });
  const { admin } = await buses.streams();
  strictEqual(await admin.stream("KV_service_registry"), undefined);
}, true);

on(
  "memory",
  "options that cannot be are refused at once, and say what was meant",
  async ({ client: bus }) => {
    const client = createClient({ bus });
    const bad: readonly (readonly [object, RegExp])[] = [
      [{ select: "round-robin" }, /"round-robin" as option "select".*did you mean "round_robin"/],
      [{ select: "best" }, /there are round_robin, random, sticky, least_loaded/],
      [{ select: 7 }, /Cannot use 7 as option "select"/],
      [{ select: "sticky" }, /Cannot use undefined as option "key".*it must be a string/],
      [{ select: "sticky", key: 7 }, /Cannot use 7 as option "key"/],
      [{ key: "user:1" }, /option "key" of a call alone: it goes with select: "sticky"/],
      [{ select: "random", instance: "a" }, /"instance" and "select" of a call together/],
      [{ selct: "random" }, /did you mean "select"/],
      [{ circuit: "off" }, /Cannot use "off" as option "circuit" of a call/],
    ];
    for (const [options, message] of bad) {
      await rejects(client.call("shop", "who", {}, options), (error) => {
        ok(error instanceof TypeError, `${JSON.stringify(options)}: ${error}`);
        match(error.message, message);
        return true;
      });
    }
  },
);
