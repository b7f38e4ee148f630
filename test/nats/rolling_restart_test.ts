import { ok, rejects, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import {
  type Bus,
  connect,
  createClient,
  createLogger,
  createService,
  rpc,
  type Service,
  UnavailableError,
} from "../../mod.ts";
import { startNatsServer } from "../../tools/nats_server.ts";

const logger = createLogger({ level: "silent" });

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function until(what: string, met: () => boolean, ms = 10_000): Promise<void> {
  for (const end = performance.now() + ms; performance.now() < end; await pause(5)) {
    if (met()) return;
  }
  throw new Error(`not within ${ms} ms: ${what}`);
}

/** An instance with a connection of its own, as a process of its own has. */
interface Instance extends AsyncDisposable {
  readonly service: Service;
  /** How many calls it handed back. */
  handedBack(): number;
  stop(): Promise<void>;
}

async function startInstance(
  url: string,
  handlerMs: () => number,
  concurrency = Infinity,
): Promise<Instance> {
  const bus: Bus = await connect({ servers: url, logger });
  const work = rpc("work", { concurrency }, async (params, ctx) => {
    const { n } = params as { n: number };
    const ms = handlerMs();
    if (ms > 0) await pause(ms);
    return { n, by: ctx.instanceId };
  });
  const service = createService("rolling", { bus, handlers: [work] });
  await service.start();
  const stop = async (): Promise<void> => {
    await service.stop();
    await bus.close();
  };
  const handedBack = (): number => {
    const text = bus.metrics.prometheus();
    return Number(/server_calls_total\{.*"SERVICE_UNAVAILABLE".*\} (\d+)/.exec(text)?.[1] ?? 0);
  };
  return { service, handedBack, stop, [Symbol.asyncDispose]: stop };
}

interface Load extends AsyncDisposable {
  /** How many calls have succeeded, by instance. */
  readonly by: Map<string, number>;
  readonly failures: string[];
  end(): Promise<void>;
}

/** Calls without a pause from several clients, each with `width` calls in flight. */
async function load(url: string, clients: number, width: number): Promise<Load> {
  const by = new Map<string, number>();
  const failures: string[] = [];
  let running = true;
  const buses = await Promise.all(
    Array.from({ length: clients }, () => connect({ servers: url, logger })),
  );
  const loops = buses.flatMap((bus) =>
    Array.from({ length: width }, async () => {
      const client = createClient({ bus });
      for (let n = 0; running; n++) {
        try {
          const result = await client.call("rolling", "work", { n }) as { n: number; by: string };
          if (result.n !== n) failures.push(`call ${n} got the answer of ${result.n}`);
          by.set(result.by, (by.get(result.by) ?? 0) + 1);
        } catch (error) {
          failures.push(`${error}`);
          await pause(5);
        }
      }
    })
  );
  const end = async (): Promise<void> => {
    running = false;
    await Promise.all(loops);
    await Promise.all(buses.map((bus) => bus.close()));
  };
  return { by, failures, end, [Symbol.asyncDispose]: end };
}

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
    await using calls = await load(server.url, 2, width);
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
  await using calls = await load(server.url, 1, 10);
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
  await using calls = await load(server.url, 2, 16);
  for (let round = 0; round < 30; round++) await (await start()).stop();
  await calls.end();
  strictEqual(calls.failures.join("\n"), "");
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
