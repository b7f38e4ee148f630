// Single-active services: a leader that stops gives the lease away when the work of the leader is done, and no later.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import {
  command,
  createClient,
  type Handler,
  on,
  rpc,
  type Service,
  UnavailableError,
} from "../../mod.ts";
import { bothStreams, type Buses, errorOf, hang, until } from "./buses.ts";

/** Those of `failover.aggressive` would not outlast every pause of a busy machine. */
const singleActive = { electionTimeoutMs: 1_000 };
const LONGER_MS = 1_200;

/** Two instances, of which the first leads. */
async function pair(buses: Buses, handlers: readonly Handler[]): Promise<[Service, Service]> {
  const a = await buses.serve("shop", handlers, { singleActive, instanceId: "a" });
  const bus = await buses.open({ name: "other" });
  const b = await buses.serve("shop", handlers, { singleActive, instanceId: "b", bus });
  return [a, b];
}

/** Work that goes on until it is let go of. */
function held() {
  const { promise, resolve } = Promise.withResolvers<void>();
  let begun = 0;
  return {
    get begun() {
      return begun;
    },
    end: resolve,
    async run(instanceId: string): Promise<string> {
      begun++;
      await promise;
      return instanceId;
    },
  };
}

bothStreams(
  "the lease is given away at once, whatever a leader that stops has in hand that others do too",
  async (buses) => {
    const work = held();
    const [a, b] = await pair(buses, [
      command("pack", (_, ctx) => work.run(ctx.instanceId)),
      on("order.*", async (_, ctx) => void await work.run(ctx.instanceId)),
      rpc("count", (_, ctx) => work.run(ctx.instanceId)),
      rpc("who", { exclusive: true }, (_, ctx) => ctx.instanceId),
    ]);
    const client = createClient({ bus: buses.client });
    // Some of each kind are in the hands of either.
    const jobs = await Promise.all(Array.from({ length: 8 }, () => client.send("shop", "pack")));
    const calls = Array.from({ length: 8 }, () => client.call<string>("shop", "count"));
    await Promise.all(Array.from({ length: 8 }, () => client.publish("order.made", {})));
    await until(() => work.begun === 24);
    let stopped = false;
    const stopping = a.stop().then(() => stopped = true);
    await until(() => b.isLeader());
    deepStrictEqual([a.isLeader(), stopped, a.status], [false, false, "stopping"]);
    for (let i = 0; i < 10; i++) strictEqual(await client.call("shop", "who"), "b");
    work.end();
    const instances = await Promise.all([...calls, ...jobs.map((job) => job.result())]);
    ok(instances.includes("a"), "a had nothing in hand");
    await stopping;
  },
);

bothStreams(
  "while what the leader alone does runs, a leader that stops keeps the lease, and takes no more",
  async (buses) => {
    for (const kind of ["call", "event", "command"] as const) {
      const [work, ran] = [held(), [] as string[]];
      const run = async (instanceId: string): Promise<string> => {
        ran.push(instanceId);
        return await work.run(instanceId);
      };
      const exclusive = true;
      const [a, b] = await pair(buses, [
        rpc("call", { exclusive }, (_, ctx) => run(ctx.instanceId)),
        on("order.*", { exclusive }, async (_, ctx) => void await run(ctx.instanceId)),
        command("command", { exclusive }, (_, ctx) => run(ctx.instanceId)),
        rpc("any", () => 1),
      ]);
      const client = createClient({ bus: buses.client });
      const make = {
        call: () => client.call("shop", "call"),
        event: () => client.publish("order.made", {}),
        command: async () => await (await client.send("shop", "command")).result(),
      }[kind];
      const first = make();
      await until(() => work.begun === 1);
      const stopping = a.stop();
      const takes = () => client.call("shop", "any", {}, { instance: "a", retry: false });
      await until(() => takes().then(() => false, (error) => UnavailableError.is(error)));
      const second = make();
      // Longer than the lease: it is renewed.
      const startedAt = performance.now();
      await until(() => {
        ok(a.isLeader() && !b.isLeader(), kind);
        return performance.now() - startedAt > LONGER_MS;
      });
      deepStrictEqual(ran, ["a"], kind);
      work.end();
      await first;
      await second;
      await until(() => ran.length === 2);
      deepStrictEqual(ran, ["a", "b"], kind);
      await stopping;
      await b.stop();
    }
  },
);

bothStreams(
  "what the leader alone does and goes on when the time of stop() is over is aborted, and then the next one leads",
  async (buses) => {
    const ran: string[] = [];
    let called = false;
    let told: unknown;
    const [a, b] = await pair(buses, [
      rpc("call", { exclusive: true }, (params, ctx) => {
        called = true;
        return hang(params, ctx);
      }),
      command("command", { exclusive: true }, async (_, ctx) => {
        ran.push(ctx.instanceId);
        if (ran.length > 1) return ctx.attempt;
        return await hang({}, ctx).catch((reason) => {
          told = [reason.code, a.isLeader(), b.isLeader()];
          throw reason;
        });
      }),
    ]);
    const client = createClient({ bus: buses.client });
    const call = errorOf(client.call("shop", "call"));
    const job = await client.send("shop", "command");
    await until(() => ran.length === 1 && called);
    const startedAt = performance.now();
    await a.stop({ graceMs: LONGER_MS });
    ok(performance.now() - startedAt > LONGER_MS - 10);
    // It was told by who still led.
    deepStrictEqual(told, ["SERVICE_UNAVAILABLE", true, false]);
    ok(UnavailableError.is(await call));
    strictEqual(await job.result(), 1);
    deepStrictEqual(ran, ["a", "b"]);
  },
);

bothStreams(
  "a handler that goes on for ever keeps the lease no longer than stop() waits for it, and what it gives is not taken",
  async (buses) => {
    const work = held();
    const [a, b] = await pair(buses, [
      command("command", { exclusive: true }, (_, ctx) => work.run(ctx.instanceId)),
    ]);
    const job = await createClient({ bus: buses.client }).send("shop", "command");
    await until(() => work.begun === 1);
    await a.stop({ graceMs: 100 });
    await until(() => b.isLeader());
    work.end();
    // The first one's may come later than its last word; then the server gives the command to the next leader.
    strictEqual(await job.result(), "b");
  },
);

bothStreams("one that stands by stops beside a leader that goes on", async (buses) => {
  const work = held();
  const [a, b] = await pair(buses, [
    rpc("call", { exclusive: true }, (_, ctx) => work.run(ctx.instanceId)),
  ]);
  const call = createClient({ bus: buses.client }).call("shop", "call");
  await until(() => work.begun === 1);
  await b.stop();
  strictEqual(a.isLeader(), true);
  work.end();
  strictEqual(await call, "a");
});
