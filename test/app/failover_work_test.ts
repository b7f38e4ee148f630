// Single-active services: events and commands that the leader alone handles, and who knows of the leader.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import {
  command,
  createClient,
  createDiscovery,
  failover,
  type Handler,
  NotActiveError,
  on,
  type Service,
} from "../../mod.ts";
import { bothStreams, type Buses, hang, until } from "./buses.ts";

const singleActive = failover.aggressive;

/** Two instances, of which the first leads. */
async function pair(buses: Buses, handlers: readonly Handler[]): Promise<[Service, Service]> {
  const a = await buses.serve("shop", handlers, { singleActive, instanceId: "a" });
  const bus = await buses.open({ name: "other" });
  const b = await buses.serve("shop", handlers, { singleActive, instanceId: "b", bus });
  return [a, b];
}

/** Writes over the lease: whoever leads finds out that it does no longer, and another one takes over in a while. */
async function takeAway({ client }: Buses): Promise<void> {
  await (await client.kv("service_leaders")).put("shop.default", "nobody's");
}

bothStreams(
  "the leader alone handles exclusive events, and the next one goes on",
  async (buses) => {
    const handled: [number, string, number][] = [];
    const orders = on("order.*", { exclusive: true, ordered: true }, (event, ctx) => {
      const { n } = event.payload as { n: number };
      handled.push([n, ctx.instanceId, ctx.fencingToken!]);
    });
    const [a, b] = await pair(buses, [orders]);
    const { publish } = createClient({ bus: buses.client });
    for (let n = 0; n < 20; n++) await publish("order.made", { n });
    await until(() => handled.length === 20);
    const stopped = a.stop();
    for (let n = 20; n < 40; n++) await publish("order.made", { n });
    await stopped;
    await until(() => handled.length === 40);
    deepStrictEqual(handled.map(([n]) => n), Array.from({ length: 40 }, (_, n) => n));
    const tokens = handled.map(([, , token]) => token);
    deepStrictEqual(tokens, tokens.toSorted((x, y) => x - y));
    ok(handled.slice(0, 20).every(([, instance]) => instance === "a"));
    strictEqual(handled.at(-1)![1], "b");
    strictEqual((await b.health()).events[0]!.ok, true);
  },
);

bothStreams(
  "an event in hand as the leadership ends is told, and comes to the next leader",
  async (buses) => {
    const seen: unknown[] = [];
    const slow = on("order.*", { exclusive: true }, async (_, ctx) => {
      seen.push(ctx.fencingToken);
      if (seen.length > 1) return;
      await hang({}, ctx).catch((reason) => {
        seen.push(reason);
        throw reason;
      });
    });
    await pair(buses, [slow]);
    await createClient({ bus: buses.client }).publish("order.made", {});
    await until(() => seen.length === 1);
    await takeAway(buses);
    await until(() => seen.length === 3);
    ok(NotActiveError.is(seen[1], "NOT_ACTIVE"));
    ok((seen[2] as number) > (seen[0] as number));
  },
);

bothStreams("the leader alone runs exclusive commands, and the next one goes on", async (buses) => {
  const pack = command(
    "pack",
    { exclusive: true },
    (_, ctx) => [ctx.instanceId, ctx.fencingToken],
  );
  const [a, b] = await pair(buses, [pack]);
  const client = createClient({ bus: buses.client });
  const results = async (count: number) => {
    const jobs = await Promise.all(
      Array.from({ length: count }, () => client.send("shop", "pack", {})),
    );
    return await Promise.all(jobs.map((job) => job.result())) as [string, number][];
  };
  ok((await results(10)).every(([instance]) => instance === "a"));
  await a.stop();
  ok((await results(10)).every(([instance]) => instance === "b"));
  strictEqual((await b.health()).commands[0]!.ok, true);
});

bothStreams(
  "a command in hand as the leadership ends is told, and runs at the next leader",
  async (buses) => {
    const seen: unknown[] = [];
    const pack = command("pack", { exclusive: true }, async (_, ctx) => {
      seen.push(ctx.fencingToken);
      if (seen.length > 1) return ctx.attempt;
      return await hang({}, ctx).catch((reason) => {
        seen.push(reason);
        throw reason;
      });
    });
    await pair(buses, [pack]);
    const job = await createClient({ bus: buses.client }).send("shop", "pack", {});
    await until(() => seen.length === 1);
    await takeAway(buses);
    await job.result();
    ok(NotActiveError.is(seen[1], "NOT_ACTIVE"));
    ok((seen[2] as number) > (seen[0] as number));
  },
);

bothStreams("what is not exclusive is handled by all, the leader or not", async (buses) => {
  const handled = new Set<string>();
  const orders = on("order.*", { concurrency: 1 }, async (_, ctx) => {
    handled.add(ctx.instanceId);
    await new Promise((resolve) => setTimeout(resolve, 5));
  });
  await pair(buses, [orders]);
  const { publish } = createClient({ bus: buses.client });
  await Promise.all(Array.from({ length: 40 }, () => publish("order.made", {})));
  await until(() => handled.size === 2);
});

bothStreams("the registry tells who is active and who stands by", async (buses) => {
  const [a, b] = await pair(buses, []);
  const discovery = createDiscovery({ bus: buses.client });
  const statuses = async () =>
    (await discovery.discover("shop")).map(({ instanceId, status, group }) => [
      instanceId,
      status,
      group,
    ]).sort();
  await until(async () => (await statuses()).length === 2);
  deepStrictEqual(await statuses(), [["a", "ACTIVE", "default"], ["b", "STANDBY", "default"]]);
  await a.stop();
  await until(async () => (await statuses()).length === 1);
  await until(() => b.isLeader());
  await until(async () => (await statuses())[0]![1] === "ACTIVE");
  await discovery[Symbol.asyncDispose]();
});
