// Commands over outages: a worker that is cut off lets go in time, and what ended meanwhile is stored when the bus is back.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import {
  AegisError,
  type Bus,
  command,
  CommandError,
  type CommandHandler,
  connect,
  createClient,
  createService,
  type Service,
} from "../../mod.ts";
import { serverAckWaitOf } from "../../src/app/command_lease.ts";
import { startNatsServer } from "../../tools/nats_server.ts";
import { logger, pause, until, wayTo } from "./outage_tools.ts";

const ACK_WAIT_MS = 1_000;

async function serve(bus: Bus, instanceId: string, handler: CommandHandler): Promise<Service> {
  const service = createService("svc", { bus, handlers: [handler], instanceId });
  await service.start();
  return service as unknown as Service;
}

/** A server, a way to it that can be cut, and a bus on either. */
async function cuttable() {
  const opened: AsyncDisposable[] = [];
  const use = <T extends AsyncDisposable>(one: T): T => (opened.unshift(one), one);
  const server = use(await startNatsServer());
  const way = use(await wayTo(server));
  const far = use(await connect({ servers: way.url, logger }));
  const near = use(await connect({ servers: server.url, logger }));
  const dispose = async () => {
    for (const one of opened) await one[Symbol.asyncDispose]();
  };
  return { server, way, far, near, [Symbol.asyncDispose]: dispose };
}

test("a handler whose worker is cut off is aborted before another instance begins", async () => {
  await using here = await cuttable();
  const abortedAt: number[] = [];
  const reasons: unknown[] = [];
  let begun = 0;
  await using _first = await serve(
    here.far,
    "first",
    command("work", { ackWaitMs: ACK_WAIT_MS, concurrency: 20 }, (_, { signal }) => {
      begun++;
      return new Promise((_resolve, reject) =>
        signal.addEventListener("abort", () => {
          abortedAt.push(performance.now());
          reasons.push(signal.reason);
          reject(signal.reason);
        })
      );
    }),
  );
  const { send } = createClient({ bus: here.near });
  const jobs = await Promise.all(Array.from({ length: 20 }, () => send("svc", "work")));
  await until("all run", () => begun === 20);
  const begunAt: number[] = [];
  await using _second = await serve(
    here.near,
    "second",
    command("work", { ackWaitMs: ACK_WAIT_MS, concurrency: 20 }, (_, ctx) => {
      begunAt.push(performance.now());
      return ctx.attempt;
    }),
  );
  // It keeps them for as long as it is heard.
  await pause(1.5 * ACK_WAIT_MS);
  strictEqual(begunAt.length, 0);
  const cutAt = performance.now();
  await here.way.cut();
  deepStrictEqual(new Set(await Promise.all(jobs.map((job) => job.result()))), new Set([2]));
  strictEqual(abortedAt.length, 20);
  const margin = Math.min(...begunAt) - Math.max(...abortedAt);
  ok(margin > 0, `the first began ${-margin} ms before the last was aborted`);
  ok(Math.max(...begunAt) - cutAt < serverAckWaitOf(ACK_WAIT_MS) + 500);
  for (const reason of reasons) ok(AegisError.is(reason, "LEASE_LOST"), String(reason));
  await here.way.mend();
  await until("the first is back", () => here.far.status === "connected");
  for (const job of jobs) deepStrictEqual((await job.status()).instanceId, "second");
});

test("what ends while its worker is cut off for a moment is stored when that is back", async () => {
  await using here = await cuttable();
  const gate = Promise.withResolvers<void>();
  let runs = 0;
  const handler = command("work", { ackWaitMs: 5_000, retry: { initialDelayMs: 1 } }, async (
    { payload },
    ctx,
  ) => {
    runs++;
    const { how } = payload as { how: string };
    if (ctx.attempt === 1) await gate.promise;
    await ctx.progress(50, how, { how });
    if (how === "fail") throw new CommandError("NO", "no", { final: true });
    if (how === "again" && ctx.attempt === 1) throw new Error("again");
    return [how, ctx.attempt, ctx.lastProgress?.data];
  });
  await using _first = await serve(here.far, "first", handler);
  const { send, listDeadLetters } = createClient({ bus: here.near });
  const jobs = await Promise.all(
    ["well", "fail", "again"].map((how) => send("svc", "work", { how })),
  );
  await until("they run", () => runs === 3);
  await here.way.cut();
  gate.resolve();
  await pause(300);
  for (const job of jobs) strictEqual((await job.status()).state, "running");
  await here.way.mend();
  deepStrictEqual(await jobs[0]!.result(), ["well", 1, null]);
  ok(CommandError.is(await jobs[1]!.result().catch((error: unknown) => error), "NO"));
  deepStrictEqual(await jobs[2]!.result(), ["again", 2, { how: "again" }]);
  strictEqual(runs, 4);
  deepStrictEqual((await listDeadLetters()).map(({ error }) => error.code), ["NO"]);
});

test("what ended while its worker was cut off gives way to an instance that began meanwhile", async () => {
  await using here = await cuttable();
  const gate = Promise.withResolvers<void>();
  let begun = 0, returned = 0;
  await using _first = await serve(
    here.far,
    "first",
    command("work", { ackWaitMs: ACK_WAIT_MS }, async ({ payload }) => {
      begun++;
      await gate.promise;
      returned++;
      if ((payload as { fail: boolean }).fail) {
        throw new CommandError("NO", "no", { final: true });
      }
      return "first";
    }),
  );
  const { send, listDeadLetters } = createClient({ bus: here.near });
  const jobs = await Promise.all([false, true].map((fail) => send("svc", "work", { fail })));
  await until("they run", () => begun === 2);
  await here.way.cut();
  gate.resolve();
  await until("they have ended", () => returned === 2);
  const go = Promise.withResolvers<void>();
  let second = 0;
  await using _second = await serve(
    here.near,
    "second",
    command("work", { ackWaitMs: ACK_WAIT_MS }, async () => {
      second++;
      await go.promise;
      return "second";
    }),
  );
  await until("the other has begun", () => second === 2);
  await here.way.mend();
  await until("the first is back", () => here.far.status === "connected");
  await pause(500);
  for (const job of jobs) strictEqual((await job.status()).state, "running");
  go.resolve();
  for (const job of jobs) strictEqual(await job.result(), "second");
  // What goes on elsewhere has not failed.
  deepStrictEqual(await listDeadLetters(), []);
});

test("a worker that was cut off when a command was cancelled hears of it on its return", async () => {
  await using here = await cuttable();
  const reason = Promise.withResolvers<unknown>();
  const begun = Promise.withResolvers<void>();
  await using _first = await serve(
    here.far,
    "first",
    command("work", (_, { signal }) => {
      begun.resolve();
      return new Promise((_resolve, reject) =>
        signal.addEventListener("abort", () => {
          reason.resolve(signal.reason);
          reject(signal.reason);
        })
      );
    }),
  );
  const job = await createClient({ bus: here.near }).send("svc", "work");
  await begun.promise;
  await here.way.cut();
  await job.cancel("away");
  await here.way.mend();
  const error = await reason.promise;
  ok(AegisError.is(error, "CANCELLED"), String(error));
  strictEqual((await job.status()).state, "cancelled");
});

test("a server that is killed and comes back loses no command and runs none twice", async () => {
  await using server = await startNatsServer();
  await using bus = await connect({ servers: server.url, logger });
  await using other = await connect({ servers: server.url, logger });
  const runs = new Map<string, number>();
  let done = 0;
  const handler = command("work", { ackWaitMs: 4_000, concurrency: 20 }, async ({ id }, ctx) => {
    runs.set(id, (runs.get(id) ?? 0) + 1);
    for (let i = 1; i <= 5; i++) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      await ctx.progress(i * 20, "", { i });
    }
    done++;
    return id;
  });
  await using _first = await serve(bus, "first", handler);
  await using _second = await serve(other, "second", handler);
  const { send } = createClient({ bus });
  const jobs = await Promise.all(
    Array.from({ length: 400 }, (_, n) => send("svc", "work", { n })),
  );
  for (const after of [60, 200]) {
    await until("some are done", () => done >= after);
    await server.kill();
    await pause(200);
    await server.restart();
  }
  for (const job of jobs) strictEqual(await job.result(), job.id);
  for (const job of jobs) {
    const { state, attempts } = await job.status();
    deepStrictEqual([state, attempts], ["completed", 1]);
  }
  deepStrictEqual([...runs.values()].filter((count) => count !== 1), []);
});

test("a bus that is closed under running commands aborts them, and others run them", async () => {
  await using here = await cuttable();
  const reason = Promise.withResolvers<unknown>();
  const begun = Promise.withResolvers<void>();
  const first = await serve(
    here.far,
    "first",
    command("work", { ackWaitMs: ACK_WAIT_MS }, (_, { signal }) => {
      begun.resolve();
      return new Promise((_resolve, reject) =>
        signal.addEventListener("abort", () => {
          reason.resolve(signal.reason);
          reject(signal.reason);
        })
      );
    }),
  );
  const job = await createClient({ bus: here.near }).send("svc", "work");
  await begun.promise;
  await here.far.close();
  ok(await reason.promise instanceof AegisError);
  await first.stopped;
  const handler = command("work", { ackWaitMs: ACK_WAIT_MS }, () => "second");
  await using _second = await serve(here.near, "second", handler);
  strictEqual(await job.result(), "second");
});

test("a service that stops while the bus is away stops in its time, and others run what it had", async () => {
  await using here = await cuttable();
  const begun = Promise.withResolvers<void>();
  let aborted = false;
  const first = await serve(
    here.far,
    "first",
    command("work", { ackWaitMs: ACK_WAIT_MS }, (_, { signal }) => {
      begun.resolve();
      return new Promise((_resolve, reject) =>
        signal.addEventListener("abort", () => {
          aborted = true;
          reject(signal.reason);
        })
      );
    }),
  );
  const job = await createClient({ bus: here.near }).send("svc", "work");
  await begun.promise;
  await here.way.cut();
  const start = performance.now();
  await first.stop({ graceMs: 200 });
  ok(performance.now() - start < 4_000, `${performance.now() - start} ms`);
  ok(aborted);
  const handler = command("work", { ackWaitMs: ACK_WAIT_MS }, () => "second");
  await using _second = await serve(here.near, "second", handler);
  strictEqual(await job.result(), "second");
});
