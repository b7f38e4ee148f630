// Discovery of real services, embedded and on a server.

import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import {
  ClosedError,
  createDiscovery,
  createService,
  type InstanceChange,
  rpc,
  type SelectOptions,
  type Service,
  UnavailableError,
} from "../../mod.ts";
import { bothStreams, type Buses, errorOf, until } from "./buses.ts";

const who = rpc("who", (_, { instanceId }) => instanceId);

/** Started instances of `shop`, each on a bus of its own, by their names and versions. */
async function shops(
  { open }: Buses,
  versions: Readonly<Record<string, string>>,
): Promise<Record<string, Service>> {
  const services: Record<string, Service> = {};
  for (const [instanceId, version] of Object.entries(versions)) {
    const bus = await open({ name: instanceId });
    const service = createService("shop", { bus, handlers: [who], instanceId, version });
    await service.start();
    services[instanceId] = service as unknown as Service;
  }
  return services;
}

bothStreams(
  "an instance is found as soon as it has started, and not after it has stopped",
  async (buses) => {
    await using discovery = createDiscovery({ bus: buses.client });
    deepStrictEqual(await discovery.discover("shop"), []);
    const { a, b } = await shops(buses, { a: "1.0.0", b: "2.1.0" });
    await until(async () => (await discovery.discover("shop")).length === 2);
    const [one, two] = await discovery.discover("shop");
    deepStrictEqual([one!.instanceId, one!.version, one!.status], ["a", "1.0.0", "ACTIVE"]);
    deepStrictEqual(one!.methods.map(({ name }) => name), ["who"]);
    strictEqual(two!.addressable, true);
    deepStrictEqual(
      (await discovery.discover("shop", { version: "^2.0" })).map(({ instanceId }) => instanceId),
      ["b"],
    );
    await a!.stop();
    await until(async () => (await discovery.discover("shop")).length === 1);
    await b!.stop();
    await until(async () => (await discovery.discover("shop")).length === 0);
  },
);

bothStreams(
  "a discovery that begins late finds all that there is with its first lookup",
  async (buses) => {
    await shops(buses, { a: "1.0.0", b: "1.0.0", c: "1.0.0" });
    await using discovery = createDiscovery({ bus: buses.client });
    strictEqual((await discovery.discover("shop")).length, 3);
    deepStrictEqual(await discovery.discover("bank"), []);
    deepStrictEqual({ ...discovery.health(), error: undefined }, {
      ok: true,
      stale: false,
      instances: 3,
      ignored: 0,
      error: undefined,
    });
  },
);

bothStreams("each strategy selects one that is there", async (buses) => {
  await shops(buses, { a: "1.0.0", b: "1.0.0", c: "1.0.0" });
  await using discovery = createDiscovery({ bus: buses.client });
  const select = async (options?: SelectOptions): Promise<string> =>
    (await discovery.select("shop", options)).instanceId;
  // What was selected since the last heartbeat counts as load: they are selected in equal shares.
  const least = await Promise.all(
    Array.from({ length: 30 }, () => select({ strategy: "least_loaded" })),
  );
  for (const name of ["a", "b", "c"]) {
    const count = least.filter((other) => other === name).length;
    ok(count >= 3 && count <= 20, `${name}: ${count}`);
  }
  const turns = [await select(), await select(), await select()];
  deepStrictEqual([...turns].sort(), ["a", "b", "c"]);
  deepStrictEqual([await select({ strategy: "round_robin" }), await select()], turns.slice(0, 2));
  const sticky = await select({ strategy: "sticky", key: "user:1" });
  for (let i = 0; i < 5; i++) {
    strictEqual(await select({ strategy: "sticky", key: "user:1" }), sticky);
  }
  const keys = Array.from(
    { length: 60 },
    (_, i) => select({ strategy: "sticky", key: `user:${i}` }),
  );
  strictEqual(new Set(await Promise.all(keys)).size, 3);
  const random = Array.from({ length: 60 }, () => select({ strategy: "random" }));
  strictEqual(new Set(await Promise.all(random)).size, 3);
});

bothStreams("where no instance is wanted, select() says what there is", async (buses) => {
  await using discovery = createDiscovery({ bus: buses.client });
  const nobody = await errorOf(discovery.select("shop"));
  ok(nobody instanceof UnavailableError);
  match(nobody.message, /"shop": none is in the registry/);
  await shops(buses, { a: "1.0.0", b: "1.5.0" });
  await until(async () => (await discovery.discover("shop")).length === 2);
  const none = await errorOf(discovery.select("shop", { version: "^2.0" }));
  ok(none instanceof UnavailableError);
  match(none.message, /2 are there, and none is healthy and of a version in "\^2\.0"/);
  deepStrictEqual(none.details, { service: "shop", instances: 2, sent: false });
});

bothStreams("a watch tells who comes and goes, and ends with its signal", async (buses) => {
  const { a } = await shops(buses, { a: "1.0.0" });
  await using discovery = createDiscovery({ bus: buses.client });
  const controller = new AbortController();
  const changes: InstanceChange[] = [];
  const watching = (async () => {
    for await (const change of discovery.watch("shop", { signal: controller.signal })) {
      changes.push(change);
    }
  })();
  await until(() => changes.length === 1);
  await shops(buses, { b: "2.0.0" });
  await until(() => changes.length === 2);
  await a!.stop();
  await until(() => changes.length === 3);
  controller.abort();
  await watching;
  deepStrictEqual(changes.map(({ type, instance }) => `${type} ${instance.instanceId}`), [
    "joined a",
    "joined b",
    "left a",
  ]);
});

bothStreams(
  "invalidate() reads the registry anew, and the next lookup waits for that",
  async (buses) => {
    await shops(buses, { a: "1.0.0" });
    await using discovery = createDiscovery({ bus: buses.client });
    await discovery.discover("shop");
    discovery.invalidate("shop");
    ok(discovery.stale);
    strictEqual((await discovery.discover("shop")).length, 1);
    ok(!discovery.stale);
  },
);

bothStreams(
  "discoveries of one bus share a view, which goes with the last of them",
  async (buses) => {
    await shops(buses, { a: "1.0.0" });
    const [one, two] = [
      createDiscovery({ bus: buses.client }),
      createDiscovery({ bus: buses.client }),
    ];
    ok(one.stale && two.stale, "nothing is read before it is asked for");
    const [first] = await one.discover("shop");
    const [second] = await two.discover("shop");
    strictEqual(first, second);
    await one.close();
    await rejects(one.discover("shop"), ClosedError);
    strictEqual((await two.discover("shop")).length, 1);
    const watch = two.watch("shop");
    await watch.next();
    const waiting = watch.next();
    await two.close();
    strictEqual((await waiting).done, true);
    strictEqual(two.health().instances, 0);
  },
);

bothStreams("when the bus is closed watches end and lookups are refused", async (buses) => {
  await shops(buses, { a: "1.0.0" });
  const bus = await buses.open();
  const discovery = createDiscovery({ bus });
  const watch = discovery.watch("shop");
  strictEqual((await watch.next()).value.type, "joined");
  const waiting = watch.next();
  await bus.close();
  strictEqual((await waiting).done, true);
  await rejects(discovery.discover("shop"), ClosedError);
});

bothStreams("what anybody writes into the registry does no harm", async (buses) => {
  await shops(buses, { a: "1.0.0", b: "1.0.0" });
  await using discovery = createDiscovery({ bus: buses.client });
  strictEqual((await discovery.discover("shop")).length, 2);
  const kv = await buses.server.kv("service_registry");
  const hostile: Record<string, unknown> = {
    "service-instances__shop__x": { serviceName: "shop", instanceId: "y" },
    "service-instances__shop__y": "text",
    "service-instances__": null,
    "service-instances__shop__z": [1, 2, 3],
    "something else": { serviceName: "shop" },
  };
  await kv.putMany(hostile);
  await kv.putMany(hostile);
  // Bytes that are in no encoding, in the place of a record.
  const bare = await buses.wire();
  bare.publish("$KV.service_registry.service-instances__shop__a", "{no json");
  await until(async () => (await discovery.discover("shop")).length === 1);
  await shops(buses, { c: "1.0.0" });
  await until(async () => (await discovery.discover("shop")).length === 2);
  strictEqual(discovery.health().ignored, 5);
  const warned = buses.logs.filter(({ message }) => message.includes("ignored"));
  const keys = Object.keys(hostile).slice(0, 4);
  deepStrictEqual(
    warned.map(({ fields }) => fields.key).sort(),
    [
      ...keys,
      "service-instances__shop__a",
    ].sort(),
  );
});
