// Running commands: what a handler gets, how many run at once, who runs them, and in which order.

import { deepStrictEqual, ok, rejects, strictEqual, throws } from "node:assert/strict";
import { command, createClient, createMetrics, createService, event, on, rpc } from "../../mod.ts";
import { bothStreams, errorOf, on as one, until } from "./buses.ts";
import { clocked, ended } from "./command_run_tools.ts";
import { recordingTracer } from "./recording_tracer.ts";

bothStreams("a handler gets the command as it was sent, and its context", async (buses) => {
  let seen: Record<string, unknown> = {};
  const service = await buses.serve("svc", [
    command("work", (command, ctx) => {
      seen = { command, attempt: ctx.attempt, last: ctx.lastProgress, service: ctx.service };
      seen.instance = ctx.instanceId;
      seen.trace = ctx.traceId;
      seen.message = ctx.message.messageId;
      ctx.log.info("at work", { n: 1 });
      return "done";
    }),
  ]);
  const job = await createClient({ bus: buses.client }).send("svc", "work", { a: 1 }, {
    priority: "high",
    maxRetries: 7,
    timeoutMs: 1_500,
    id: "order:1",
  });
  strictEqual(await job.result(), "done");
  const { timestamp, traceId, ...rest } = seen.command as Record<string, unknown>;
  deepStrictEqual(rest, {
    id: "order:1",
    command: "work",
    payload: { a: 1 },
    priority: "high",
    maxRetries: 7,
    timeoutMs: 1_500,
    source: "client",
    correlationId: null,
  });
  ok(Math.abs(Date.parse(timestamp as string) - Date.now()) < 5_000);
  const { instanceId } = service;
  deepStrictEqual(
    [seen.attempt, seen.last, seen.service, seen.instance, seen.trace, seen.message],
    [
      1,
      undefined,
      "svc",
      instanceId,
      traceId,
      "order:1",
    ],
  );
  const line = buses.logs.find(({ message }) => message === "at work")!;
  deepStrictEqual(line.fields, {
    service: "svc",
    instance: instanceId,
    command: "work",
    id: "order:1",
    trace: traceId,
    n: 1,
  });
});

bothStreams("a worker that comes later runs what was sent before", async (buses) => {
  const { send } = createClient({ bus: buses.client });
  const jobs = await Promise.all(
    (["low", "normal", "high", "critical"] as const).map((priority) =>
      send("svc", "work", { priority }, { priority })
    ),
  );
  const order: unknown[] = [];
  await buses.serve("svc", [
    command("work", { concurrency: 1 }, ({ priority }) => void order.push(priority)),
  ]);
  for (const job of jobs) strictEqual(await job.result(), null);
  deepStrictEqual(order.length, 4);
});

one("memory", "two handlers of one command are a TypeError", ({ server }) => {
  const handlers = [command("work", () => 1), command("work", () => 2)];
  throws(() => createService("svc", { bus: server, handlers }), TypeError);
});

bothStreams(
  "no more run at once than the handler's concurrency, and the service's",
  async (buses) => {
    const now = { a: 0, b: 0 };
    const most = { a: 0, b: 0, all: 0 };
    const work = (name: "a" | "b") => async () => {
      now[name]++;
      most[name] = Math.max(most[name], now[name]);
      most.all = Math.max(most.all, now.a + now.b);
      await new Promise((resolve) => setTimeout(resolve, 5));
      now[name]--;
    };
    await buses.serve("svc", [
      command("a", { concurrency: 4 }, work("a")),
      command("b", { concurrency: 2 }, work("b")),
    ], { concurrency: 5 });
    const { send } = createClient({ bus: buses.client });
    const done = async (names: readonly string[]): Promise<void> => {
      const jobs = await Promise.all(names.map((name) => send("svc", name)));
      for (const job of jobs) await job.result();
    };
    await done(Array<string>(60).fill("a"));
    deepStrictEqual(most, { a: 4, b: 0, all: 4 });
    await done(Array.from({ length: 120 }, (_, n) => n % 2 === 0 ? "a" : "b"));
    deepStrictEqual(most, { a: 4, b: 2, all: 5 });
  },
);

bothStreams("an instance that is busy holds nothing that an idle one could run", async (buses) => {
  const gates: (() => void)[] = [];
  const who: string[] = [];
  const work = (name: string) =>
    command("work", { concurrency: 1 }, () => {
      who.push(name);
      return new Promise<void>((resolve) => gates.push(resolve));
    });
  await buses.serve("svc", [work("a")]);
  const { send } = createClient({ bus: buses.client });
  const jobs = [await send("svc", "work")];
  await until(() => who.length === 1);
  // It has no slot for these, and nobody else is there yet.
  for (let i = 0; i < 3; i++) jobs.push(await send("svc", "work"));
  await new Promise((resolve) => setTimeout(resolve, 100));
  await buses.serve("svc", [work("b")], { bus: buses.client });
  await until(() => who.length === 2);
  deepStrictEqual(who, ["a", "b"]);
  gates[1]!();
  await until(() => who.length === 3);
  strictEqual(who[2], "b");
  while (gates.length < 4 || who.length < 4) {
    gates.forEach((open) => open());
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  gates.forEach((open) => open());
  for (const job of jobs) await job.result();
});

bothStreams(
  "a command that comes while one instance is busy begins at once on an idle one",
  async (buses) => {
    const gate = Promise.withResolvers<void>();
    let begun = 0;
    const work = () =>
      command("work", { concurrency: 1 }, async ({ payload }) => {
        begun++;
        if ((payload as { wait: boolean }).wait) await gate.promise;
      });
    await buses.serve("svc", [work()]);
    await buses.serve("svc", [work()], { bus: buses.client });
    const { send } = createClient({ bus: buses.client });
    const first = await send("svc", "work", { wait: true });
    await until(() => begun === 1);
    for (let i = 0; i < 20; i++) {
      const start = performance.now();
      await (await send("svc", "work", { wait: false })).result();
      const ms = performance.now() - start;
      ok(ms < 1_000, `it took ${ms} ms`);
    }
    gate.resolve();
    await first.result();
  },
);

bothStreams("two instances share, and each command runs once", async (buses) => {
  const who = { a: 0, b: 0 };
  const ids = new Set<string>();
  const work = (name: "a" | "b") =>
    command("work", { concurrency: 4 }, async ({ id }) => {
      who[name]++;
      strictEqual(ids.has(id), false);
      ids.add(id);
      await new Promise((resolve) => setTimeout(resolve, 5));
    });
  await buses.serve("svc", [work("a")]);
  await buses.serve("svc", [work("b")], { bus: buses.client });
  const { send } = createClient({ bus: buses.client });
  const jobs = await Promise.all(Array.from({ length: 200 }, () => send("svc", "work")));
  for (const job of jobs) await job.result();
  strictEqual(ids.size, 200);
  ok(who.a >= 60 && who.b >= 60, JSON.stringify(who));
});

bothStreams("1,000 run at once in one process", async (buses) => {
  const gate = Promise.withResolvers<void>();
  let running = 0;
  await buses.serve("svc", [
    command("work", { concurrency: 1_000, ackWaitMs: 3_000 }, async ({ payload }, ctx) => {
      running++;
      await gate.promise;
      ctx.signal.throwIfAborted();
      return payload;
    }),
  ]);
  const { send } = createClient({ bus: buses.client });
  const jobs = await Promise.all(
    Array.from({ length: 1_000 }, (_, n) => send("svc", "work", { n })),
  );
  await until(() => running === 1_000);
  // Longer than the ack wait: each of them is kept.
  await new Promise((resolve) => setTimeout(resolve, 3_500));
  gate.resolve();
  const results = await Promise.all(jobs.map((job) => job.result()));
  deepStrictEqual(results, Array.from({ length: 1_000 }, (_, n) => ({ n })));
  strictEqual(running, 1_000);
});

bothStreams("critical goes before high, high before normal, and that before low", async (buses) => {
  const { send } = createClient({ bus: buses.client });
  const levels = ["low", "normal", "high", "critical"] as const;
  const jobs = await Promise.all(
    Array.from({ length: 240 }, (_, n) => send("svc", "work", {}, { priority: levels[n % 4]! })),
  );
  const order: string[] = [];
  await buses.serve("svc", [
    command("work", { concurrency: 1 }, async ({ priority }) => {
      order.push(priority);
      await null;
    }),
  ]);
  for (const job of jobs) await job.result();
  strictEqual(order.length, 240);
  const sorted = [...order].sort((a, b) => levels.indexOf(b as "low") - levels.indexOf(a as "low"));
  // Before it knows where something waits it may take one or the other that is there.
  const misplaced = order.filter((priority, n) => priority !== sorted[n]).length;
  ok(misplaced <= 6, `${misplaced}: ${order}`);
});

bothStreams(
  "by waiting a command comes before more urgent ones that have just come",
  async (buses) => {
    let over = false, served = 0;
    await buses.serve("svc", [
      command("work", { concurrency: 1 }, async () => {
        served++;
        await new Promise((resolve) => setTimeout(resolve, 2));
      }),
    ], { ageingMs: 100 });
    const { send } = createClient({ bus: buses.client });
    let sent = 0;
    // There are always some that wait and are critical.
    const flood = (async () => {
      while (!over) {
        if (sent - served < 50) {
          sent++;
          await send("svc", "work", {}, { priority: "critical" });
        } else await new Promise((resolve) => setTimeout(resolve, 1));
      }
    })();
    await until(() => sent >= 50);
    sent++;
    const low = await send("svc", "work", {}, { priority: "low" });
    const start = performance.now();
    await low.result({ timeoutMs: 5_000 });
    const ms = performance.now() - start;
    over = true;
    await flood;
    // Three levels of 100 ms each, and what came before that.
    ok(ms >= 100 && ms < 3_000, `${ms}`);
  },
);

one("memory", "runs are counted and timed by their outcome, and so is sending", async (buses) => {
  const metrics = createMetrics();
  const bus = await buses.open({ metrics });
  await buses.serve("svc", [
    command("work", { retry: { initialDelayMs: 1 } }, ({ payload }, ctx) => {
      if ((payload as { again?: boolean }).again && ctx.attempt === 1) throw new Error("again");
    }),
    command(
      "slow",
      (_, { signal }) =>
        new Promise((_resolve, reject) =>
          signal.addEventListener("abort", () => reject(signal.reason))
        ),
    ),
  ], { bus });
  const { send } = createClient({ bus });
  await (await send("svc", "work")).result();
  await (await send("svc", "work", { again: true })).result();
  await errorOf((await send("svc", "slow", {}, { timeoutMs: 20 })).result());
  const cancelled = await send("svc", "slow");
  await until(async () => (await cancelled.status()).state === "running");
  await cancelled.cancel();
  const text = () => metrics.prometheus().split("\n").filter((line) => line.includes("_command_"));
  const has = (name: string, value: number, ...labels: string[]) =>
    text().some((line) =>
      line.startsWith(`${name}{`) && line.endsWith(` ${value}`) &&
      labels.every((label) => line.includes(label))
    );
  const total = "aegis_command_run_total";
  await until(() => has(total, 1, 'command="slow"', 'outcome="CANCELLED"'));
  ok(has(total, 2, 'service="svc"', 'command="work"', 'outcome="ok"'), text().join("\n"));
  ok(has(total, 1, 'command="work"', 'outcome="error"'));
  ok(has(total, 1, 'command="slow"', 'outcome="TIMEOUT"'));
  ok(has("aegis_command_send_total", 2, 'command="work"', 'outcome="ok"'));
  ok(has("aegis_command_dead_letters_total", 1, 'command="slow"', 'reason="timed_out"'));
  ok(text().some((line) => line.startsWith("aegis_command_run_duration_ms")));
});

bothStreams(
  "there is a span of the sending and of each attempt, and the trace goes on from there",
  async (buses) => {
    const { tracer, spans } = recordingTracer();
    const bus = await buses.open({ tracer });
    const Done = event("work.done", {});
    const seen: unknown[] = [];
    await buses.serve("other", [
      rpc("help", (_, ctx) => void seen.push(ctx.traceId)),
      on("work.*", (_, ctx) => void seen.push(ctx.traceId)),
      command("next", (command, ctx) => void seen.push(ctx.traceId, command.correlationId)),
    ], { bus });
    await buses.serve("svc", [
      command("work", { retry: { initialDelayMs: 1 } }, async (_, ctx) => {
        if (ctx.attempt === 1) throw new Error("again");
        await ctx.call("other", "help");
        await ctx.publish(Done({}));
        await (await ctx.send("other", "next")).result();
        return ctx.traceId;
      }),
    ], { bus });
    const job = await createClient({ bus }).send("svc", "work");
    const trace = await job.result();
    await until(() => seen.length === 4);
    deepStrictEqual(new Set(seen), new Set([trace, job.id]));
    const of = (kind: string, name: string) =>
      spans.filter((span) => span.kind === kind && span.name === name);
    const [sent] = of("producer", "send svc/work");
    const runs = of("consumer", "process svc/work");
    strictEqual(runs.length, 2);
    for (const run of runs) strictEqual(run.parent, sent!.traceparent);
    strictEqual((runs[0]!.ended[0] as Error).message, "again");
    deepStrictEqual(runs[1]!.ended, [undefined]);
    const [next] = of("producer", "send other/next");
    strictEqual(next!.parent, runs[1]!.traceparent);
    strictEqual(of("consumer", "process other/next")[0]!.parent, next!.traceparent);
    strictEqual(of("client", "other/help")[0]!.parent, runs[1]!.traceparent);
  },
);

bothStreams(
  "what has no body of a command becomes a dead letter, and the next one runs",
  async (buses) => {
    await buses.serve("svc", [command("work", () => "done")]);
    const wire = await buses.wire();
    const client = createClient({ bus: buses.client });
    for (const body of ["{}", "no json", "", '{"command":"other","payload":{}}']) {
      wire.publish("commands.svc.work", body);
    }
    await wire.flush();
    strictEqual(await (await client.send("svc", "work")).result(), "done");
    await until(async () => (await client.listDeadLetters()).length === 4);
    const letters = await client.listDeadLetters();
    deepStrictEqual(new Set(letters.map(({ reason }) => reason)), new Set(["unreadable"]));
  },
);

bothStreams("a handler that never returns holds one slot, and nothing else", async (buses) => {
  await buses.serve("svc", [
    command(
      "work",
      { concurrency: 2 },
      ({ payload }) => (payload as { hang?: boolean }).hang ? new Promise(() => {}) : "done",
    ),
  ]);
  const { send } = createClient({ bus: buses.client });
  const hung = await send("svc", "work", { hang: true }, { timeoutMs: 300 });
  for (let i = 0; i < 10; i++) strictEqual(await (await send("svc", "work")).result(), "done");
  await rejects(hung.result());
});

one(
  "memory",
  "a command sent for later begins when it is due, not before, and takes no slot until then",
  async () => {
    await using here = await clocked();
    const at: number[] = [];
    await here.serve(
      command("work", { concurrency: 1 }, () => void at.push(here.clock.monotonic())),
    );
    const { send } = createClient({ bus: here.bus });
    const later = await send("svc", "work", {}, { delayMs: 60_000 });
    await here.pass(1_000);
    for (let i = 0; i < 3; i++) await send("svc", "work");
    await here.pass(500, 50);
    strictEqual(at.length, 3);
    await here.pass(57_500, 500);
    strictEqual(at.length, 3);
    strictEqual((await later.status()).state, "pending");
    await here.pass(2_000, 50);
    strictEqual(at.length, 4);
    ok(at[3]! >= 60_000 && at[3]! < 60_500, `${at[3]}`);
    deepStrictEqual([(await ended(later)).attempts], [1]);
  },
);
