// Time-outs of commands, which run from the start of an attempt, and cancels of commands that run.

import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { AegisError, command, createClient, rpc, TimeoutError } from "../../mod.ts";
import { bothStreams, errorOf, hang, on, until } from "./buses.ts";
import { clocked, letters } from "./command_run_tools.ts";

/** A handler that cares for no signal, and what it was told all the same. */
function deaf(reasons: unknown[]) {
  const gates: ((value: unknown) => void)[] = [];
  const work = command("deaf", { concurrency: 1 }, (_, ctx) => {
    const { signal } = ctx;
    signal.addEventListener("abort", () => reasons.push(signal.reason));
    return new Promise((resolve) => gates.push(resolve));
  });
  return { work, gates };
}

bothStreams(
  "an attempt that takes longer than timeoutMs is aborted, and has timed out",
  async (buses) => {
    let reason: unknown;
    await buses.serve("svc", [
      command("slow", async (command, ctx) => {
        await ctx.progress(30, "begun", { n: 1 });
        await hang(command, ctx as never).catch((error) => {
          reason = error;
          throw error;
        });
      }),
    ]);
    const job = await createClient({ bus: buses.client }).send("svc", "slow", {}, {
      timeoutMs: 100,
    });
    const error = await errorOf(job.result());
    ok(TimeoutError.is(error), String(error));
    ok(reason instanceof TimeoutError);
    match(reason.message, /slow of svc was not done within \d+ ms/);
    const record = await job.status();
    // One that had its time is not tried again.
    deepStrictEqual([record.state, record.attempts, record.percent, record.data], [
      "timed_out",
      1,
      30,
      { n: 1 },
    ]);
    ok(record.finishedAt! - record.startedAt! >= 100);
    deepStrictEqual(await letters(buses.client), [["slow", "timed_out", 1, "TIMEOUT"]]);
  },
);

bothStreams(
  "a handler that cares for no time-out has timed out, and what it gives later changes nothing",
  async (buses) => {
    const reasons: unknown[] = [];
    const { work, gates } = deaf(reasons);
    await buses.serve("svc", [work]);
    const { send } = createClient({ bus: buses.client });
    const job = await send("svc", "deaf", {}, { timeoutMs: 60 });
    const next = await send("svc", "deaf", {}, { timeoutMs: 10_000 });
    ok(TimeoutError.is(await errorOf(job.result())));
    strictEqual(reasons.length, 1);
    // Its slot is free: the next one begins beside it.
    await until(() => gates.length === 2);
    gates[0]!("late");
    gates[1]!("in time");
    strictEqual(await next.result(), "in time");
    const record = await job.status();
    deepStrictEqual([record.state, record.result], ["timed_out", undefined]);
  },
);

bothStreams("a command that waits in the queue does not time out there", async (buses) => {
  const gates: (() => void)[] = [];
  await buses.serve("svc", [
    command("work", { concurrency: 1 }, () => new Promise<void>((done) => gates.push(done))),
  ]);
  const { send } = createClient({ bus: buses.client });
  const first = await send("svc", "work");
  await until(() => gates.length === 1);
  const second = await send("svc", "work", {}, { timeoutMs: 150 });
  await new Promise((resolve) => setTimeout(resolve, 400));
  strictEqual((await second.status()).state, "pending");
  gates[0]!();
  await until(() => gates.length === 2);
  gates[1]!();
  await Promise.all([first.result(), second.result()]);
});

bothStreams(
  "the handler's own timeoutMs holds where the sender allows more, and the other way round",
  async (buses) => {
    const left: number[] = [];
    await buses.serve("svc", [
      command("short", { timeoutMs: 80 }, (command, ctx) => {
        left.push(ctx.remainingMs, ctx.deadline - Date.now());
        return hang(command, ctx as never);
      }),
      command("long", { timeoutMs: 60_000 }, (command, ctx) => {
        left.push(ctx.remainingMs, ctx.deadline - Date.now());
        return hang(command, ctx as never);
      }),
    ]);
    const { send } = createClient({ bus: buses.client });
    for (
      const job of [await send("svc", "short"), await send("svc", "long", {}, { timeoutMs: 80 })]
    ) {
      ok(TimeoutError.is(await errorOf(job.result())));
    }
    strictEqual(left.length, 4);
    for (const ms of left) ok(ms > 0 && ms <= 82, `${left}`);
  },
);

bothStreams("what a handler calls has no more time than the command has left", async (buses) => {
  let allowed = 0;
  let calledFor: unknown;
  await buses.serve("helper", [
    rpc("wait", (_, ctx) => {
      allowed = ctx.remainingMs;
      return hang(_, ctx);
    }),
  ]);
  await buses.serve("svc", [
    command("work", async (_, ctx) => {
      calledFor = await errorOf(ctx.call("helper", "wait", {}, { timeoutMs: 60_000 }));
      throw calledFor;
    }),
  ]);
  const job = await createClient({ bus: buses.client }).send("svc", "work", {}, { timeoutMs: 300 });
  ok(TimeoutError.is(await errorOf(job.result())));
  await until(() => calledFor !== undefined);
  ok(TimeoutError.is(calledFor), String(calledFor));
  ok(allowed > 0 && allowed <= 300, `${allowed}`);
});

on("memory", "a time-out goes by the bus's clock, and is not of the attempt before", async () => {
  await using here = await clocked();
  const reasons: unknown[] = [];
  const retry = { initialDelayMs: 50_000, jitter: 0 };
  await here.serve(command("work", { retry }, (command, ctx) => {
    if (ctx.attempt === 1) throw new Error("no");
    return hang(command, ctx as never).catch((error) => void reasons.push(error));
  }));
  const job = await createClient({ bus: here.bus }).send("svc", "work", {}, { timeoutMs: 60_000 });
  // 50 s of waiting and 59 s of work.
  await here.pass(109_000);
  deepStrictEqual([(await job.status()).state, reasons.length], ["running", 0]);
  await here.pass(2_000);
  deepStrictEqual([(await job.status()).state, reasons.length], ["timed_out", 1]);
});

bothStreams(
  "a command that is cancelled while it runs is aborted, and its record says who and why",
  async (buses) => {
    let reason: unknown;
    await buses.serve("svc", [
      command("slow", async (command, ctx) => {
        await ctx.progress(40, "begun");
        await hang(command, ctx as never).catch((error) => {
          reason = error;
          throw error;
        });
      }),
    ]);
    const office = await buses.open({ name: "office" });
    const client = createClient({ bus: office });
    const job = await client.send("svc", "slow");
    await until(async () => (await job.status()).state === "running");
    await job.cancel("not needed");
    await until(() => reason !== undefined);
    ok(AegisError.is(reason, "CANCELLED"), String(reason));
    match(reason.message, /office: not needed/);
    const error = await errorOf(job.result());
    ok(AegisError.is(error, "CANCELLED"));
    const { state, cancelledBy, attempts } = await job.status();
    deepStrictEqual([state, cancelledBy, attempts], ["cancelled", "office", 1]);
    deepStrictEqual(await letters(buses.client), []);
  },
);

bothStreams(
  "a handler that cares for no cancel gives its slot back all the same",
  async (buses) => {
    const reasons: unknown[] = [];
    const { work, gates } = deaf(reasons);
    await buses.serve("svc", [work]);
    const { send } = createClient({ bus: buses.client });
    const job = await send("svc", "deaf");
    await until(() => gates.length === 1);
    await job.cancel();
    await until(() => reasons.length === 1);
    const next = await send("svc", "deaf");
    await until(() => gates.length === 2);
    gates[0]!("late");
    gates[1]!("in time");
    strictEqual(await next.result(), "in time");
    strictEqual((await job.status()).state, "cancelled");
  },
);

bothStreams(
  "commands that are cancelled as they are claimed are aborted or never begin",
  async (buses) => {
    let aborted = 0, begun = 0, ended = 0;
    await buses.serve("svc", [
      command("slow", { concurrency: 500 }, async (command, ctx) => {
        begun++;
        await hang(command, ctx as never).catch(() => aborted++);
        ended++;
      }),
    ]);
    const { send } = createClient({ bus: buses.client });
    // Not awaited one by one: many are cancelled between their claim and its answer.
    await Promise.all(
      Array.from({ length: 300 }, async () => {
        const job = await send("svc", "slow");
        await job.cancel("at once");
        strictEqual((await job.status()).state, "cancelled");
      }),
    );
    await until(() => begun === ended);
    strictEqual(aborted, begun);
  },
);

bothStreams(
  "a handler that is done at the moment of a cancel or a time-out ends one way",
  async (buses) => {
    await buses.serve("svc", [
      command("work", { concurrency: 500 }, () => new Promise((done) => setTimeout(done, 20))),
    ]);
    const { send } = createClient({ bus: buses.client });
    const ends = await Promise.all(
      Array.from({ length: 200 }, async (_, i) => {
        const job = await send("svc", "work", {}, i % 2 === 0 ? {} : { timeoutMs: 20 + i / 4 });
        if (i % 2 === 0) {
          await new Promise((resolve) => setTimeout(resolve, 15 + i / 20));
          await job.cancel();
        }
        const said = await job.result().then(() => "completed", ({ code }) => code);
        const { state } = await job.status();
        return [{ CANCELLED: "cancelled", TIMEOUT: "timed_out" }[said as string] ?? said, state];
      }),
    );
    for (const [said, state] of ends) strictEqual(said, state);
  },
);
