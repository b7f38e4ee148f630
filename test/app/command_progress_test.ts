// Progress of commands: as often as a person can see it, never waited for, and never backwards.

import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { command, createClient, type ProgressStep } from "../../mod.ts";
import { bothStreams, errorOf, on, until } from "./buses.ts";
import { RECORDS_STREAM } from "../../src/domain/command_subject.ts";
import { clocked } from "./command_run_tools.ts";

bothStreams(
  "10,000 reports cost little, a few go out, and the last one is always told",
  async (buses) => {
    const wire = await buses.wire();
    const told: { progress: number; status: string }[] = [];
    wire.subscribe("commands.progress.>", {
      onMessage: ({ data }) => told.push(JSON.parse(new TextDecoder().decode(data))),
    });
    await wire.flush();
    let tookMs = 0;
    await buses.serve("svc", [
      command("work", async (_, ctx) => {
        const start = performance.now();
        for (let i = 1; i <= 10_000; i++) await ctx.progress(i / 101, `step ${i}`, { i });
        tookMs = performance.now() - start;
        return "done";
      }),
    ]);
    const job = await createClient({ bus: buses.client }).send("svc", "work");
    const steps: ProgressStep[] = [];
    for await (const step of job.progress()) steps.push(step);
    strictEqual(await job.result(), "done");
    ok(tookMs < 1_000, `it took ${tookMs} ms`);
    await until(() => told.some(({ status }) => status === "step 10000"));
    ok(told.length <= 10 + tookMs / 100, `${told.length} in ${tookMs} ms`);
    deepStrictEqual(steps.at(-1), {
      percent: 10_000 / 101,
      status: "step 10000",
      data: { i: 10_000 },
    });
    const { percent, status, data } = await job.status();
    deepStrictEqual([percent, status, data], [100, "step 10000", { i: 10_000 }]);
  },
);

on(
  "memory",
  "while a handler reports, about ten steps go out in a second, and four into its record",
  async () => {
    await using here = await clocked();
    const told: number[] = [];
    here.transport.messaging.subscribe("commands.progress.>", {
      onMessage: () => told.push(here.clock.monotonic()),
    });
    let over = false;
    await here.serve(command("work", async (_, ctx) => {
      for (let n = 0; !over; n++) {
        await ctx.progress(n % 100, "on", { n });
        await new Promise<void>((resolve) => here.clock.setTimer(10, resolve));
      }
    }));
    const job = await createClient({ bus: here.bus }).send("svc", "work");
    await here.pass(10_000, 20);
    ok(told.length >= 90 && told.length <= 120, `${told.length}`);
    const kept = (await here.transport.streams!.admin.stream(RECORDS_STREAM))!.lastSequence;
    ok(kept >= 35 && kept <= 45, `${kept}`);
    over = true;
    await here.pass(100, 10);
    strictEqual((await job.status()).state, "completed");
  },
);

on("memory", "the last of many steps at once is told within a tenth of a second", async () => {
  await using here = await clocked();
  const told: string[] = [];
  here.transport.messaging.subscribe("commands.progress.>", {
    onMessage: ({ data }) => told.push(JSON.parse(new TextDecoder().decode(data)).status),
  });
  const gate = Promise.withResolvers<void>();
  await here.serve(command("work", async (_, ctx) => {
    for (let n = 1; n <= 20; n++) await ctx.progress(n, `step ${n}`);
    await gate.promise;
  }));
  await createClient({ bus: here.bus }).send("svc", "work");
  await here.pass(90, 10);
  deepStrictEqual(told, Array.from({ length: 8 }, (_, n) => `step ${n + 1}`));
  await here.pass(20, 10);
  deepStrictEqual(told.slice(8), ["step 20"]);
  gate.resolve();
  await here.pass(100, 10);
});

bothStreams(
  "what is no percentage is a RangeError, what is no status a TypeError",
  async (buses) => {
    await buses.serve("svc", [
      command("work", async (_, ctx) => {
        for (const wrong of [NaN, 101, -1, Infinity, -Infinity, "50", undefined, null]) {
          await rejects(ctx.progress(wrong as number), RangeError);
        }
        await rejects(ctx.progress(5, 7 as never), TypeError);
        await ctx.progress(0);
        await ctx.progress(100);
      }),
    ]);
    const job = await createClient({ bus: buses.client }).send("svc", "work", {}, {
      maxRetries: 0,
    });
    strictEqual(await job.result(), null);
  },
);

bothStreams("percentages never go back, not even from one attempt to the next", async (buses) => {
  await buses.serve("svc", [
    command("work", { retry: { initialDelayMs: 1 } }, async (_, ctx) => {
      const pause = () => new Promise((resolve) => setTimeout(resolve, 120));
      for (const percent of [50, 20, 60]) {
        await ctx.progress(percent, `${ctx.attempt}: ${percent}`);
        await pause();
      }
      if (ctx.attempt === 1) throw new Error("again");
    }),
  ]);
  const job = await createClient({ bus: buses.client }).send("svc", "work");
  const steps: ProgressStep[] = [];
  for await (const step of job.progress()) steps.push(step);
  deepStrictEqual(steps.map(({ percent, status }) => [percent, status]).slice(0, 6), [
    [50, "1: 50"],
    [50, "1: 20"],
    [60, "1: 60"],
    [60, "2: 50"],
    [60, "2: 20"],
    [60, "2: 60"],
  ]);
  await job.result();
});

bothStreams("data arrive with their step, and larger ones are in the record", async (buses) => {
  const gate = Promise.withResolvers<void>();
  const large = "ä".repeat(50_000);
  await buses.serve("svc", [
    command("work", async (_, ctx) => {
      await ctx.progress(10, "small", { list: [1, "ä", null] });
      await new Promise((resolve) => setTimeout(resolve, 300));
      await ctx.progress(20, "large", large);
      await gate.promise;
    }),
  ]);
  const job = await createClient({ bus: buses.client }).send("svc", "work");
  const steps = job.progress();
  deepStrictEqual((await steps.next()).value, {
    percent: 10,
    status: "small",
    data: { list: [1, "ä", null] },
  });
  strictEqual((await steps.next()).value?.percent, 20);
  await until(async () => (await job.status()).data === large);
  gate.resolve();
  await job.result();
});

bothStreams(
  "once nobody waits for an attempt, progress() rejects with the reason, and says nothing",
  async (buses) => {
    const wire = await buses.wire();
    const told: string[] = [];
    wire.subscribe("commands.progress.>", {
      onMessage: ({ data }) => told.push(JSON.parse(new TextDecoder().decode(data)).status),
    });
    await wire.flush();
    const late = Promise.withResolvers<unknown>();
    await buses.serve("svc", [
      command("work", async (_, ctx) => {
        const { signal } = ctx;
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
        late.resolve([await errorOf(ctx.progress(50, "late")), signal.reason]);
      }),
    ]);
    const job = await createClient({ bus: buses.client }).send("svc", "work", {}, {
      timeoutMs: 50,
    });
    await errorOf(job.result());
    const [error, reason] = await late.promise as [unknown, unknown];
    strictEqual(error, reason);
    await until(() => told.includes("timed_out"));
    strictEqual(told.includes("late"), false);
  },
);

bothStreams("what is reported after the handler has returned is dropped", async (buses) => {
  const after = Promise.withResolvers<void>();
  await buses.serve("svc", [
    command("work", (_, ctx) => {
      setTimeout(() => ctx.progress(99, "after").then(after.resolve, after.reject), 30);
      return "done";
    }),
  ]);
  const job = await createClient({ bus: buses.client }).send("svc", "work");
  strictEqual(await job.result(), "done");
  await after.promise;
  const { percent, status } = await job.status();
  deepStrictEqual([percent, status], [100, undefined]);
});
