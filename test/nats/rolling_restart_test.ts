import { ok, rejects, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { connect, createClient, createService, rpc, UnavailableError } from "../../mod.ts";
import { startNatsCluster, startNatsServer } from "../../tools/nats_server.ts";
import { logger, pause, until } from "./outage_tools.ts";
import { type Instance, load, startInstance } from "./rolling_tools.ts";

const KINDS = [
  { name: "fast handlers", handlerMs: () => 0, width: 32, rounds: 5 },
  {
    name: "handlers of 50 to 200 ms",
    handlerMs: () => 50 + Math.random() * 150,
    width: 32,
    rounds: 4,
  },
] as const;

for (const { name, handlerMs, width, rounds } of KINDS) {
  test(`three instances restarted one after the other under load fail no call, with ${name}`, async () => {
    await using server = await startNatsServer({ jetstream: false });
    const start = () => startInstance(server.url, handlerMs);
    let instances: readonly Instance[] = await Promise.all([start(), start(), start()]);
    await using _rest: AsyncDisposable = {
      async [Symbol.asyncDispose]() {
        await Promise.all(instances.map((instance) => instance.stop()));
      },
    };
    await using calls = await load([server.url, server.url], width);
    const serves = (instance: Instance) =>
      until(
        "the new instance serves",
        () => (calls.by.get(instance.service.instanceId) ?? 0) > 5,
      );
    await Promise.all(instances.map(serves));
    for (let round = 0; round < rounds; round++) {
      for (let i = 0; i < instances.length; i++) {
        await instances[i]!.stop();
        const fresh = await start();
        instances = instances.with(i, fresh);
        await serves(fresh);
      }
    }
    await calls.end();
    strictEqual(calls.failures.join("\n"), "");
    strictEqual(calls.by.size, 3 + rounds * 3);
  });
}

test("instances of concurrency 1 restarted under load hand back what waits, and fail no call", async () => {
  await using server = await startNatsServer({ jetstream: false });
  const start = () => startInstance(server.url, () => 5 + Math.random() * 15, 1);
  let instances: readonly Instance[] = await Promise.all([start(), start(), start()]);
  // As many as one instance lets run and wait, so that none is turned away as one too many.
  await using calls = await load([server.url], 10);
  let handedBack = 0;
  for (let round = 0; round < 12; round++) {
    await pause(100);
    const index = round % instances.length;
    const stopped = instances[index]!;
    const started = performance.now();
    await stopped.stop();
    // It waits for the one that runs, and not for the queue.
    ok(performance.now() - started < 1_000);
    handedBack += stopped.handedBack();
    instances = instances.with(index, await start());
  }
  await calls.end();
  await Promise.all(instances.map((instance) => instance.stop()));
  strictEqual(calls.failures.join("\n"), "");
  ok(handedBack >= 5, `${handedBack} were handed back`);
});

test("one of two instances restarted with no pause between under load fails no call", async () => {
  await using server = await startNatsServer({ jetstream: false });
  const start = () => startInstance(server.url, () => Math.random() * 5);
  await using _steady = await start();
  await using calls = await load([server.url, server.url], 16);
  for (let round = 0; round < 30; round++) await (await start()).stop();
  await calls.end();
  strictEqual(calls.failures.join("\n"), "");
});

test("instances on the three servers of a cluster, restarted one after the other under load, fail no call", async () => {
  await using cluster = await startNatsCluster(3, { jetstream: false });
  const urls = cluster.urls;
  const start = (url: string) => startInstance(url, () => Math.random() * 20);
  let instances: readonly Instance[] = await Promise.all(urls.map(start));
  await using _rest: AsyncDisposable = {
    async [Symbol.asyncDispose]() {
      await Promise.all(instances.map((instance) => instance.stop()));
    },
  };
  strictEqual(new Set(instances.map(({ bus }) => bus.server.address)).size, 3);
  // Clients on two of the servers: the instance on the third has all of its calls by way of these.
  await using calls = await load([urls[0]!, urls[1]!], 8);
  const serves = (instance: Instance) =>
    until(
      "the new instance serves",
      () => (calls.by.get(instance.service.instanceId) ?? 0) > 5,
    );
  await Promise.all(instances.map(serves));
  for (let round = 0; round < 4; round++) {
    for (const [i, url] of urls.entries()) {
      await instances[i]!.stop();
      const fresh = await start(url);
      instances = instances.with(i, fresh);
      await serves(fresh);
    }
  }
  await calls.end();
  strictEqual(calls.failures.join("\n"), "");
  strictEqual(calls.by.size, 3 + 4 * 3);
});

test("stop() lets running handlers answer, and new calls go to the others at once", async () => {
  await using server = await startNatsServer({ jetstream: false });
  await using bus = await connect({ servers: server.url, logger });
  const client = createClient({ bus });
  const { promise: opened, resolve: open } = Promise.withResolvers<void>();
  const make = async (instanceId: string) => {
    const own = await connect({ servers: server.url, logger });
    const service = createService("rolling", {
      bus: own,
      instanceId,
      handlers: [
        rpc("who", (_, ctx) => ctx.instanceId),
        rpc("slow", async (_, ctx) => {
          await opened;
          return ctx.instanceId;
        }),
      ],
    });
    await service.start();
    return { own, service };
  };
  const old = await make("old");
  const slow = Array.from({ length: 100 }, () => client.call("rolling", "slow"));
  // They have been sent; that the server has routed them shows as soon as one behind them has its answer.
  strictEqual(await client.call("rolling", "who"), "old");
  const next = await make("next");
  const stopped = old.service.stop();
  const answers = await Promise.all(
    Array.from({ length: 100 }, () => client.call("rolling", "who", {}, { timeoutMs: 1_000 })),
  );
  // What reaches the old instance before the server knows that it stops is served all the same.
  ok(answers.every((by) => by === "next" || by === "old"));
  await until("it stops", () => old.service.status === "stopping");
  await pause(50);
  for (let i = 0; i < 50; i++) strictEqual(await client.call("rolling", "who"), "next");
  strictEqual(old.service.status, "stopping");
  open();
  strictEqual((await Promise.all(slow)).filter((by) => by !== "old").length, 0);
  await stopped;
  await old.own.close();
  await next.service.stop();
  await next.own.close();
});

test("a handler that outlives graceMs is aborted, and its caller told that the instance stops", async () => {
  await using server = await startNatsServer({ jetstream: false });
  await using serviceBus = await connect({ servers: server.url, logger });
  await using bus = await connect({ servers: server.url, logger });
  const { promise: arrived, resolve: arrive } = Promise.withResolvers<void>();
  let reason: unknown;
  const service = createService("rolling", {
    bus: serviceBus,
    handlers: [
      rpc("endless", (_, ctx) =>
        new Promise((_, reject) => {
          ctx.signal.addEventListener("abort", () => {
            reason = ctx.signal.reason;
            reject(reason);
          });
          arrive();
        })),
    ],
  });
  await service.start();
  const call = rejects(createClient({ bus }).call("rolling", "endless"), (error) => {
    ok(error instanceof UnavailableError, `${error}`);
    strictEqual(error.details.sent, true);
    return true;
  });
  await arrived;
  const start = performance.now();
  await service.stop({ graceMs: 100 });
  ok(performance.now() - start < 900, `${performance.now() - start}`);
  ok(reason instanceof UnavailableError);
  await call;
});
