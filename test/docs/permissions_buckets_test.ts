// The blocks of docs/security.md for the registry, discovery, elections and the KV store: with them everything works,
// nothing beyond them is permitted, and each line is used.

import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import {
  AegisError,
  type Bus,
  createClient,
  createDiscovery,
  createService,
  ensureTopology,
  failover,
  rpc,
} from "../../mod.ts";
import { until } from "../nats/outage_tools.ts";
import { type Permitted, permitted } from "./permissions_tools.ts";

/** What was refused, by the server and in the logs of the buses. */
async function refused(world: Permitted): Promise<string[]> {
  const warnings = world.lines.filter(({ level }) => level === "warn").map(({ message }) =>
    message
  );
  const told = warnings.filter((message) => /permi|allow|may not/i.test(message));
  return [...await world.violations(), ...told];
}

test("a service is in the registry and is found there with the blocks of docs/security.md", async () => {
  await using world = await permitted();
  const [own, finder] = [await world.as("stock"), await world.as("finder")];
  const left = rpc("left", () => 3);
  const stock = createService("stock", {
    bus: own,
    handlers: [left],
    registry: { ttlMs: 2_000, heartbeatIntervalMs: 200 },
  });
  await stock.start();
  await using discovery = createDiscovery({ bus: finder });
  strictEqual((await discovery.discover("stock")).length, 1);
  const joined = discovery.watch("stock")[Symbol.asyncIterator]();
  strictEqual((await joined.next()).value?.type, "joined");
  const client = createClient({ bus: finder });
  strictEqual(await client.call("stock", "left", {}, { select: "least_loaded" }), 3);
  await world.server.restart();
  const beats = async () => (await world.server.log()).match(/PUB internal\.heartbeat\.stock/g);
  const before = (await beats())?.length ?? 0;
  await until("it beats again", async () => ((await beats())?.length ?? 0) > before);
  strictEqual(
    await client.call("stock", "left", {}, { select: "sticky", key: "k", timeoutMs: 20_000 }),
    3,
  );
  discovery.invalidate("stock");
  strictEqual((await discovery.discover("stock")).length, 1);
  await stock.stop();
  await finder.close();
  deepStrictEqual(await refused(world), []);
  deepStrictEqual(await world.unused(["stock", "finder"]), []);
});

test("a leader is elected, followed and called with the blocks of docs/security.md", async () => {
  await using world = await permitted();
  const deployer = await world.as("deployer");
  const payer = await world.as("payer");
  let release = (): void => {};
  const released = new Promise<void>((resolve) => release = resolve);
  let begun = 0;
  const handlers = [
    rpc("pay", { exclusive: true }, (_, ctx) => ctx.instanceId),
    rpc(
      "never",
      (_, { signal }) =>
        new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve())),
    ),
    rpc("slow", async () => {
      begun++;
      await released;
      return "done";
    }),
  ];
  const instance = (bus: Bus, instanceId: string) =>
    createService("payments", {
      bus,
      instanceId,
      handlers,
      registry: false,
      singleActive: failover.aggressive,
    });
  const a = instance(await world.as("payments"), "a");
  const b = instance(await world.as("payments"), "b");
  await ensureTopology({ bus: deployer, services: [a, b] });
  await a.start();
  await b.start();
  const client = createClient({ bus: payer });
  strictEqual(await client.call("payments", "pay"), "a");
  const signal = AbortSignal.timeout(50);
  await rejects(client.call("payments", "never", {}, { signal, timeoutMs: 20_000 }));
  // An answer that an outage swallows is asked for again.
  const missed = client.call("payments", "slow", {}, { timeoutMs: 20_000 });
  await until("the call is there", () => begun === 1);
  await world.server.restart();
  release();
  strictEqual(await missed, "done");
  await until("somebody leads again", () => a.isLeader() || b.isLeader());
  const [leader, other] = a.isLeader() ? [a, b] : [b, a];
  await leader.stop();
  const next = await client.call("payments", "pay", {}, { timeoutMs: 20_000 });
  strictEqual(next, other.instanceId);
  await other.stop();
  deepStrictEqual(await refused(world), []);
  deepStrictEqual(await world.unused(["payments", "payer"]), []);
});

test("a bucket is read, written and watched with the block of docs/security.md", async () => {
  await using world = await permitted();
  await (await world.as("deployer")).kv("profiles");
  const bus = await world.as("profiles");
  const profiles = await bus.kv("profiles");
  await profiles.put("ada", { name: "Ada" });
  await profiles.putMany({ bob: { name: "Bob" }, eve: { name: "Eve" } });
  deepStrictEqual((await profiles.get("ada"))?.value, { name: "Ada" });
  strictEqual((await profiles.getMany(["ada", "bob"])).size, 2);
  deepStrictEqual((await profiles.keys()).sort(), ["ada", "bob", "eve"]);
  strictEqual((await profiles.history("ada")).length, 1);
  const watch = profiles.watch({ key: "bob" })[Symbol.asyncIterator]();
  strictEqual((await watch.next()).value?.key, "bob");
  await profiles.delete("bob");
  strictEqual((await watch.next()).value?.operation, "delete");
  await watch.return?.();
  await profiles.purge("ada");
  await profiles.clear();
  deepStrictEqual(await profiles.keys(), []);
  await bus.close();
  deepStrictEqual(await refused(world), []);
  deepStrictEqual(await world.unused(["profiles"]), []);
});

test("nothing beyond its block is permitted to whoever reads and writes buckets", async () => {
  await using world = await permitted();
  const denied = async (work: Promise<unknown>, subject: RegExp) => {
    const error = await work.then(() => undefined, (reason) => reason);
    ok(AegisError.is(error, "PERMISSION_DENIED"), `${error}`);
    match(error.message, subject);
  };
  const all = await world.as("all");
  for (const bucket of ["service_registry", "service_leaders"]) await all.kv(bucket);
  const profiles = await world.as("profiles");
  await denied(profiles.kv("secrets"), /KV_secrets/);
  const finder = await world.as("finder");
  const registry = await finder.kv("service_registry");
  await denied(registry.put("service-instances__stock__me", {}), /\$KV\.service_registry/);
  const payments = await world.as("payments");
  const leaders = await payments.kv("service_leaders");
  await denied(leaders.put("other.default", {}), /service_leaders\.other/);
});
