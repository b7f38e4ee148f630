// Stopping with commands at hand: what has not begun starts elsewhere at once, and what was aborted goes on there.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { AegisError, command, createClient } from "../../mod.ts";
import { bothStreams, until } from "./buses.ts";

bothStreams("stop() waits for what runs, and stores its results", async (buses) => {
  const gate = Promise.withResolvers<void>();
  let begun = 0;
  const service = await buses.serve("svc", [
    command("work", async ({ payload }) => {
      begun++;
      await gate.promise;
      return payload;
    }),
  ], { registry: false }); // with it, that it leaves comes first
  const { send } = createClient({ bus: buses.client });
  const jobs = await Promise.all([1, 2, 3].map((n) => send("svc", "work", { n })));
  await until(() => begun === 3);
  const stopped = service.stop();
  // What comes now is not begun here any more.
  await until(() => service.status === "stopping");
  const next = await send("svc", "work", { n: 4 });
  await new Promise((resolve) => setTimeout(resolve, 100));
  strictEqual((await next.status()).state, "pending");
  gate.resolve();
  await stopped;
  for (const [index, job] of jobs.entries()) {
    const { state, attempts, result } = await job.status();
    deepStrictEqual([state, attempts, result], ["completed", 1, { n: index + 1 }]);
  }
  strictEqual(begun, 3);
});

bothStreams("what an instance that stops has not begun starts elsewhere at once", async (buses) => {
  const gate = Promise.withResolvers<void>();
  const begunAt = new Map<string, number>();
  const work = command("work", { concurrency: 2 }, async ({ id, payload }) => {
    begunAt.set(id, performance.now());
    if ((payload as { wait?: boolean }).wait) await gate.promise;
  });
  const first = await buses.serve("svc", [work]);
  const { send } = createClient({ bus: buses.client });
  const running = await Promise.all([1, 2].map(() => send("svc", "work", { wait: true })));
  await until(() => begunAt.size === 2);
  const waiting = await Promise.all(Array.from({ length: 20 }, () => send("svc", "work")));
  await new Promise((resolve) => setTimeout(resolve, 50));
  strictEqual(begunAt.size, 2);
  await buses.serve("svc", [command("work", { concurrency: 50 }, work.run as never)], {
    bus: buses.client,
  });
  const start = performance.now();
  const stopped = first.stop();
  for (const job of waiting) await job.result();
  const ms = performance.now() - start;
  ok(ms < 3_000, `it took ${ms} ms`);
  gate.resolve();
  await stopped;
  for (const job of running) await job.result();
});

bothStreams(
  "what stop() aborts goes on elsewhere at once, with its progress, and the attempt does not count",
  async (buses) => {
    let reason: unknown;
    const begun = Promise.withResolvers<void>();
    const first = await buses.serve("svc", [
      command("work", async (_, { signal, progress }) => {
        await progress(40, "half", { at: 4 });
        begun.resolve();
        await new Promise((_resolve, reject) =>
          signal.addEventListener("abort", () => {
            reason = signal.reason;
            reject(signal.reason);
          })
        );
      }),
    ]);
    const job = await createClient({ bus: buses.client }).send("svc", "work", {}, {
      maxRetries: 0,
    });
    await begun.promise;
    let seen: unknown;
    let begunAt = 0;
    await buses.serve("svc", [
      command("work", (_, ctx) => {
        begunAt = performance.now();
        seen = [ctx.attempt, ctx.lastProgress];
        return "done";
      }),
    ], { bus: buses.client });
    const start = performance.now();
    await first.stop({ graceMs: 100 });
    strictEqual(await job.result(), "done");
    ok(begunAt - start >= 99 && begunAt - start < 900, `${begunAt - start} ms`);
    ok(AegisError.is(reason, "SERVICE_UNAVAILABLE"), String(reason));
    deepStrictEqual(seen, [1, { percent: 40, status: "half", data: { at: 4 } }]);
    strictEqual((await job.status()).attempts, 1);
    deepStrictEqual(await createClient({ bus: buses.client }).listDeadLetters(), []);
  },
);

bothStreams(
  "a handler that comes to its result though it was aborted has completed",
  async (buses) => {
    const begun = Promise.withResolvers<void>();
    const service = await buses.serve("svc", [
      command("work", async (_, { signal }) => {
        begun.resolve();
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
        return "all the same";
      }),
    ]);
    const job = await createClient({ bus: buses.client }).send("svc", "work");
    await begun.promise;
    await service.stop({ graceMs: 0 });
    strictEqual(await job.result(), "all the same");
  },
);

bothStreams(
  "stop() while commands are being claimed loses none of them and begins none",
  async (buses) => {
    for (let round = 0; round < 5; round++) {
      let begun = 0;
      const first = await buses.serve("svc", [
        command("work", { concurrency: 100 }, () => void begun++),
      ]);
      const { send } = createClient({ bus: buses.client });
      const sending = Promise.all(Array.from({ length: 60 }, () => send("svc", "work")));
      await until(() => begun > 0);
      const before = first.stop();
      const jobs = await sending;
      await before;
      const had = begun;
      const second = await buses.serve("svc", [
        command("work", { concurrency: 100 }, () => void begun++),
      ]);
      const start = performance.now();
      for (const job of jobs) await job.result();
      ok(performance.now() - start < 2_000, `${performance.now() - start} ms`);
      strictEqual(begun, 60, `${had} of them by the first`);
      for (const job of jobs) strictEqual((await job.status()).attempts, 1);
      await second.stop();
    }
  },
);

bothStreams(
  "a handler that cares for no abort does not keep stop(), and is not run beside itself",
  async (buses) => {
    const gate = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    const first = await buses.serve("svc", [
      command("work", { ackWaitMs: 300 }, async () => {
        begun.resolve();
        await gate.promise;
        return "late";
      }),
    ]);
    const job = await createClient({ bus: buses.client }).send("svc", "work");
    await begun.promise;
    const start = performance.now();
    await first.stop({ graceMs: 50 });
    ok(performance.now() - start < 4_000);
    await buses.serve("svc", [command("work", { ackWaitMs: 300 }, () => "second")]);
    strictEqual(await job.result(), "second");
    gate.resolve();
    await new Promise((resolve) => setTimeout(resolve, 100));
    strictEqual((await job.status()).result, "second");
  },
);
