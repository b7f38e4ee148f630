// Deadlines: one budget from the first caller through everything that is called for it.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { AegisError, createClient, rpc, TimeoutError } from "../../mod.ts";
import { ask, both, errorOf, requestText, until } from "./buses.ts";

/** Keeps the process from doing anything else. */
function block(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end;);
}

both("a handler knows its deadline and the time that is left", async ({ client, serve }) => {
  await serve("clock", [
    rpc("left", (_, ctx) => [ctx.remainingMs, ctx.deadline - Date.now()]),
    rpc("bounded", { timeoutMs: 300 }, (_, ctx) => [ctx.remainingMs, ctx.deadline - Date.now()]),
  ]);
  const caller = createClient({ bus: client });
  for (
    const [method, timeoutMs, most] of [["left", 700, 700], ["left", 30_000, 30_000], [
      "bounded",
      700,
      300,
    ]] as const
  ) {
    const left = await caller.call<number[]>("clock", method, {}, { timeoutMs });
    for (const ms of left) ok(ms > most - 100 && ms <= most + 2, `${method}: ${ms} of ${most}`);
  }
});

both("a nested call has what is left of its caller's time", async ({ client, serve }) => {
  await serve("back", [rpc("left", (_, ctx) => ctx.remainingMs)]);
  await serve("front", [
    rpc("after", async (params, ctx) => {
      await new Promise((resolve) => setTimeout(resolve, (params as { ms: number }).ms));
      return await ctx.call("back", "left", {}, { timeoutMs: 60_000 });
    }),
    rpc("less", (_, ctx) => ctx.call("back", "left", {}, { timeoutMs: 1_000 })),
  ]);
  const caller = createClient({ bus: client });
  const left = await caller.call<number>("front", "after", { ms: 200 }, { timeoutMs: 5_000 });
  // Node's timers may fire a millisecond early.
  ok(left > 3_000 && left <= 4_802, `${left} ms are left`);
  const less = await caller.call<number>("front", "less", {}, { timeoutMs: 5_000 });
  ok(less > 0 && less <= 1_000, `${less} ms are left`);
});

both("a nested call whose caller's time is over is not sent", async ({ client, serve }) => {
  let runs = 0;
  let inner: unknown;
  await serve("back", [rpc("run", () => ++runs)]);
  await serve("front", [
    rpc("late", async (_, ctx) => {
      await new Promise((resolve) => ctx.signal.addEventListener("abort", resolve));
      inner = await errorOf(ctx.call("back", "run"));
    }),
  ]);
  const error = await errorOf(
    createClient({ bus: client }).call("front", "late", {}, { timeoutMs: 50 }),
  );
  ok(AegisError.is(error, "TIMEOUT"));
  await until(() => inner !== undefined);
  ok(AegisError.is(inner, "TIMEOUT"), String(inner));
  strictEqual(runs, 0);
});

both("ctx.signal aborts at the deadline, with a TimeoutError", async ({ client, serve }) => {
  let aborted: { reason: unknown; after: number } | undefined;
  await serve("slow", [
    rpc("wait", async (_, ctx) => {
      const started = performance.now();
      await new Promise((resolve) => ctx.signal.addEventListener("abort", resolve));
      aborted = { reason: ctx.signal.reason, after: performance.now() - started };
      deepStrictEqual(ctx.remainingMs, 0);
    }),
  ]);
  const started = performance.now();
  const error = await errorOf(
    createClient({ bus: client }).call("slow", "wait", {}, { timeoutMs: 400 }),
  );
  const took = performance.now() - started;
  ok(error instanceof TimeoutError);
  ok(took >= 399 && took < 1_000, `the caller waited ${took} ms`);
  await until(() => aborted !== undefined);
  ok(aborted!.reason instanceof TimeoutError);
  ok(aborted!.after > 100 && aborted!.after < 1_000, `aborted after ${aborted!.after} ms`);
});

both(
  "a signal that is first looked at after the deadline is aborted",
  async ({ client, serve }) => {
    let aborted: boolean | undefined;
    await serve("slow", [
      rpc("wait", async (_, ctx) => {
        await new Promise((resolve) => setTimeout(resolve, 120));
        aborted = ctx.signal.aborted;
      }),
    ]);
    await errorOf(createClient({ bus: client }).call("slow", "wait", {}, { timeoutMs: 40 }));
    await until(() => aborted !== undefined);
    strictEqual(aborted, true);
  },
);

both(
  "a call waits 5,000 ms by default, whatever the time for connecting",
  async ({ open, serve }) => {
    await serve("clock", [rpc("left", (_, ctx) => ctx.remainingMs)]);
    const { call } = createClient({ bus: await open({ timeoutMs: 900 }) });
    const left = await call<number>("clock", "left");
    ok(left > 3_000 && left <= 5_000, `${left} ms`);
  },
);

both("timeoutMs of a handler ends it before its caller would", async ({ client, serve }) => {
  let reason: unknown;
  await serve("slow", [
    rpc("wait", { timeoutMs: 60 }, async (_, ctx) => {
      await new Promise((resolve) => ctx.signal.addEventListener("abort", resolve));
      reason = ctx.signal.reason;
    }),
  ]);
  const started = performance.now();
  const error = await errorOf(createClient({ bus: client }).call("slow", "wait"));
  const took = performance.now() - started;
  ok(error instanceof TimeoutError);
  ok(error.message.includes("slow.wait") && error.message.includes("60 ms"), error.message);
  ok(took >= 55 && took < 1_000, `${took} ms`);
  await until(() => reason instanceof TimeoutError);
});

both("what a handler gives after its deadline goes nowhere", async ({ client, serve }) => {
  const { promise, resolve } = Promise.withResolvers<string>();
  await serve("slow", [rpc("wait", () => promise), rpc("echo", (params) => params)]);
  const caller = createClient({ bus: client });
  await errorOf(caller.call("slow", "wait", {}, { timeoutMs: 30 }));
  resolve("late");
  for (let n = 0; n < 20; n++) {
    deepStrictEqual(await caller.call("slow", "echo", { n }), { n });
  }
});

both("a queued request whose time is over is never run", async ({ client, serve }) => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const ran: unknown[] = [];
  await serve("slow", [
    rpc("one", { concurrency: 1 }, async (params) => {
      ran.push((params as { n: number }).n);
      await promise;
    }),
  ]);
  const caller = createClient({ bus: client });
  const first = caller.call("slow", "one", { n: 1 });
  const queued = caller.call("slow", "one", { n: 2 }, { timeoutMs: 50 });
  const error = await errorOf(queued);
  ok(AegisError.is(error, "TIMEOUT"));
  const third = caller.call("slow", "one", { n: 3 });
  // Its time, which began when it arrived, is over by then, whether or not a timer has had its turn.
  block(40);
  resolve();
  await Promise.all([first, third]);
  deepStrictEqual(ran, [1, 3]);
});

both(
  "a request that waited while the process was blocked beyond its time is not run",
  async (buses) => {
    const ran: string[] = [];
    await buses.serve("busy", [
      rpc("block", () => block(200)),
      rpc("run", (params) => void ran.push((params as { name: string }).name)),
    ]);
    const caller = createClient({ bus: buses.client });
    await caller.call("busy", "run", { name: "first" });
    const blocking = caller.call("busy", "block");
    const late = caller.call("busy", "run", { name: "late" }, { timeoutMs: 60 });
    const patient = caller.call("busy", "run", { name: "patient" }, { timeoutMs: 3_000 });
    const error = await errorOf(late);
    ok(AegisError.is(error, "TIMEOUT"), String(error));
    await Promise.all([blocking, patient]);
    deepStrictEqual(ran, ["first", "patient"]);
  },
);

both("a request from a machine with another time of day is run", async ({ serve, wire }) => {
  let runs = 0;
  await serve("world", [rpc("run", () => ++runs), rpc("block", () => block(60))]);
  const messaging = await wire();
  for (const offset of [0, -86_400_000, 86_400_000, -5_000, 5_000]) {
    const deadline = String(Date.now() + offset + 2_000);
    // Each after a time of not listening, when the age of requests is looked into.
    await ask(messaging, "rpc.world.block", requestText("block"));
    const { text } = await ask(messaging, "rpc.world.run", requestText("run"), {
      "aegis-deadline": deadline,
    });
    strictEqual(JSON.parse(text).success, true, `${offset}: ${text}`);
  }
  strictEqual(runs, 5);
});

both(
  "a caller whose process was blocked gets the answer that had come",
  async ({ client, serve }) => {
    await serve("quick", [rpc("hello", () => "hello")]);
    const caller = createClient({ bus: client });
    await caller.call("quick", "hello");
    const calling = caller.call("quick", "hello", {}, { timeoutMs: 10_000 });
    block(100);
    strictEqual(await calling, "hello");
  },
);
