// Commands that fail: how often they are tried again, how soon, with what in hand, and what is left of them.

import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import * as v from "valibot";
import {
  command,
  CommandError,
  createClient,
  type RetryPolicy,
  SerializationError,
  ValidationError,
} from "../../mod.ts";
import { bothStreams, errorOf, on } from "./buses.ts";
import { clocked, ended, letters } from "./command_run_tools.ts";

const SOON: RetryPolicy = { initialDelayMs: 1, maxDelayMs: 2 };

on("memory", "the waits between attempts grow as the policy says", async () => {
  await using here = await clocked();
  const at: number[] = [];
  const retry = { initialDelayMs: 1_000, factor: 4, maxDelayMs: 10_000, jitter: 0 };
  await here.serve(command("work", { retry }, () => {
    at.push(here.clock.monotonic());
    throw new Error("no");
  }));
  const job = await createClient({ bus: here.bus }).send("svc", "work", {}, { maxRetries: 4 });
  await here.pass(40_000, 100);
  deepStrictEqual(at.map((ms) => Math.round(ms / 1_000)), [0, 1, 5, 15, 25]);
  const { state, attempts } = await job.status();
  deepStrictEqual([state, attempts], ["failed", 5]);
});

on(
  "memory",
  "a part of each wait is left to chance, so that not all come back at once",
  async () => {
    await using here = await clocked();
    const at: number[] = [];
    const retry = { initialDelayMs: 10_000, jitter: 0.5 };
    await here.serve(command("work", { retry, concurrency: 50 }, (_, ctx) => {
      if (ctx.attempt === 2) at.push(here.clock.monotonic());
      else throw new Error("no");
    }));
    const { send } = createClient({ bus: here.bus });
    for (let i = 0; i < 50; i++) await send("svc", "work");
    await here.pass(4_900, 100);
    strictEqual(at.length, 0);
    await here.pass(5_300, 100);
    strictEqual(at.length, 50);
    ok(new Set(at).size > 10, `they came back at ${at}`);
  },
);

on(
  "memory",
  "a record says that its command waits for its next attempt, why and until when",
  async () => {
    await using here = await clocked();
    const retry = { initialDelayMs: 10_000, jitter: 0 };
    await here.serve(command("work", { retry }, (_, ctx) => {
      if (ctx.attempt === 1) throw new CommandError("BUSY_THERE", "not now", { data: { n: 1 } });
      return "done";
    }));
    const job = await createClient({ bus: here.bus }).send("svc", "work");
    await here.pass(5_000);
    const { state, attempts, error, dueAt, finishedAt } = await job.status();
    deepStrictEqual([state, attempts, finishedAt], ["retrying", 1, undefined]);
    deepStrictEqual(error, { code: "BUSY_THERE", message: "not now", data: { n: 1 } });
    ok(Math.abs(dueAt! - here.clock.now() - 5_000) <= 100);
    await here.pass(6_000);
    strictEqual(await job.result(), "done");
    const last = await job.status();
    deepStrictEqual([last.state, last.attempts, last.error, last.dueAt], [
      "completed",
      2,
      undefined,
      undefined,
    ]);
  },
);

for (const maxRetries of [0, 1, 3]) {
  bothStreams(
    `a command with maxRetries ${maxRetries} has ${maxRetries + 1} attempts`,
    async (buses) => {
      const attempts: number[] = [];
      const work = command("work", { retry: SOON }, (_, ctx) => {
        attempts.push(ctx.attempt);
        throw new RangeError(`attempt ${ctx.attempt}`);
      });
      await buses.serve("svc", [work]);
      const job = await createClient({ bus: buses.client }).send("svc", "work", {}, { maxRetries });
      const error = await errorOf(job.result());
      ok(CommandError.is(error, "RangeError"), String(error));
      strictEqual(error.attempts, maxRetries + 1);
      strictEqual(error.message, `attempt ${maxRetries + 1}`);
      deepStrictEqual(attempts, Array.from({ length: maxRetries + 1 }, (_, i) => i + 1));
      const record = await job.status();
      deepStrictEqual([record.state, record.attempts], ["failed", maxRetries + 1]);
      deepStrictEqual(await letters(buses.client), [[
        "work",
        "failed",
        maxRetries + 1,
        "RangeError",
      ]]);
    },
  );
}

bothStreams("a handler's attempts are a further bound, and retry false is one", async (buses) => {
  const counts = { twice: 0, once: 0 };
  const fail = (name: keyof typeof counts) => () => {
    counts[name]++;
    throw new Error(name);
  };
  await buses.serve("svc", [
    command("twice", { retry: { ...SOON, attempts: 2 } }, fail("twice")),
    command("once", { retry: false }, fail("once")),
  ]);
  const { send } = createClient({ bus: buses.client });
  const jobs = await Promise.all([send("svc", "twice"), send("svc", "once")]);
  deepStrictEqual((await Promise.all(jobs.map(ended))).map(({ attempts }) => attempts), [2, 1]);
  deepStrictEqual(counts, { twice: 2, once: 1 });
});

bothStreams(
  "retryIf sees the error and the attempt, and what it refuses has failed",
  async (buses) => {
    const seen: unknown[] = [];
    const retryIf = (error: unknown, attempt: number) => {
      seen.push([(error as Error).message, attempt]);
      return attempt < 2;
    };
    await buses.serve("svc", [
      command("work", { retry: { ...SOON, retryIf } }, (_, ctx) => {
        throw new Error(`no ${ctx.attempt}`);
      }),
    ]);
    const record = await ended(await createClient({ bus: buses.client }).send("svc", "work"));
    deepStrictEqual([record.state, record.attempts], ["failed", 2]);
    deepStrictEqual(seen, [["no 1", 1], ["no 2", 2]]);
  },
);

bothStreams("a retryIf that throws ends the command with what it threw", async (buses) => {
  const retryIf = () => {
    throw new SyntaxError("a fault in the policy");
  };
  await buses.serve("svc", [
    command("work", { retry: { ...SOON, retryIf } }, () => {
      throw new Error("no");
    }),
  ]);
  const record = await ended(await createClient({ bus: buses.client }).send("svc", "work"));
  deepStrictEqual([record.state, record.attempts, record.error?.code], [
    "failed",
    1,
    "SyntaxError",
  ]);
});

bothStreams("an error that says that it is final is the last one", async (buses) => {
  await buses.serve("svc", [
    command("typed", { retry: SOON }, () => {
      throw new CommandError("CARD_EXPIRED", "The card has expired", {
        final: true,
        data: { card: 7 },
      });
    }),
    command("plain", { retry: SOON }, () => {
      throw { final: true, message: "enough" };
    }),
    command("not_final", { retry: SOON }, (_, ctx) => {
      if (ctx.attempt < 3) throw Object.assign(new Error("again"), { final: "yes" });
      return ctx.attempt;
    }),
  ]);
  const { send } = createClient({ bus: buses.client });
  const typed = await errorOf((await send("svc", "typed")).result());
  ok(CommandError.is(typed, "CARD_EXPIRED"));
  deepStrictEqual([typed.attempts, typed.message, typed.data], [1, "The card has expired", {
    card: 7,
  }]);
  strictEqual((await ended(await send("svc", "plain"))).attempts, 1);
  strictEqual(await (await send("svc", "not_final")).result(), 3);
});

bothStreams("the next attempt has the last progress, with the data as they were", async (buses) => {
  const seen: unknown[] = [];
  await buses.serve("svc", [
    command("work", { retry: SOON }, async (_, ctx) => {
      seen.push(ctx.lastProgress);
      const state = { done: [ctx.attempt] };
      await ctx.progress(10 * ctx.attempt, "first", state);
      // What is said later without data keeps them, and what is done with the object afterwards is not said.
      await ctx.progress(10 * ctx.attempt + 5, `after ${ctx.attempt}`);
      state.done.push(99);
      if (ctx.attempt < 3) throw new Error("no");
      return "done";
    }),
  ]);
  const job = await createClient({ bus: buses.client }).send("svc", "work");
  strictEqual(await job.result(), "done");
  deepStrictEqual(seen, [
    undefined,
    { percent: 15, status: "after 1", data: { done: [1] } },
    { percent: 25, status: "after 2", data: { done: [2] } },
  ]);
  const { percent, status, data } = await job.status();
  deepStrictEqual([percent, status, data], [100, "after 3", { done: [3] }]);
});

bothStreams("a payload that is not valid fails at once, and is not tried again", async (buses) => {
  let runs = 0;
  await buses.serve("svc", [
    command("work", { payload: v.object({ n: v.number() }), retry: SOON }, () => void runs++),
  ]);
  const job = await createClient({ bus: buses.client }).send("svc", "work", { n: "one" });
  const error = await errorOf(job.result());
  ok(ValidationError.is(error), String(error));
  strictEqual(error.issues.length, 1);
  strictEqual((await job.status()).attempts, 1);
  strictEqual(runs, 0);
  deepStrictEqual(await letters(buses.client), [["work", "invalid", 1, "INVALID_REQUEST"]]);
});

bothStreams(
  "a result without an encoding fails the command, and is not tried again",
  async (buses) => {
    let runs = 0;
    const circle: Record<string, unknown> = {};
    circle.self = circle;
    await buses.serve("svc", [
      command("circle", { retry: SOON }, () => {
        runs++;
        return circle;
      }),
      command("large", { retry: SOON }, () => "x".repeat(2_000_000)),
      command("big", { retry: SOON }, () => 1n),
    ]);
    const { send } = createClient({ bus: buses.client });
    for (const name of ["circle", "big"]) {
      const error = await errorOf((await send("svc", name)).result());
      ok(CommandError.is(error, "SERIALIZATION"), String(error));
      match(error.message, new RegExp(`The result of ${name} of svc cannot be kept`));
    }
    strictEqual(runs, 1);
    const job = await send("svc", "large");
    if (buses.backend === "memory") await job.result().catch(() => undefined);
    else ok(CommandError.is(await errorOf(job.result()), "PAYLOAD_TOO_LARGE"));
  },
);

bothStreams(
  "data of progress without an encoding are refused, and end no command",
  async (buses) => {
    await buses.serve("svc", [
      command("work", { retry: SOON }, async (_, ctx) => {
        const circle: Record<string, unknown> = {};
        circle.self = circle;
        await rejects(ctx.progress(10, "no", circle), SerializationError);
        await ctx.progress(20, "yes", { n: 1 });
        await rejects(ctx.progress(30, "no", { n: 1n }), SerializationError);
        return ctx.attempt;
      }),
      command("large", { retry: SOON }, async (_, ctx) => {
        await ctx.progress(20, "small", { n: 1 });
        await ctx.progress(30, "large", "x".repeat(2_000_000));
        if (ctx.attempt === 1) throw new Error("again");
        return ctx.attempt;
      }),
    ]);
    const { send } = createClient({ bus: buses.client });
    const job = await send("svc", "work");
    strictEqual(await job.result(), 1);
    const { percent, status, data } = await job.status();
    deepStrictEqual([percent, status, data], [100, "yes", { n: 1 }]);
    const large = await send("svc", "large");
    strictEqual(await large.result(), 2);
  },
);

bothStreams("whatever is thrown ends an attempt, and is kept as text", async (buses) => {
  await buses.serve("svc", [
    command("work", { retry: false }, ({ payload }) => {
      const { n } = payload as { n: number };
      throw [undefined, null, "text", 7, { any: "thing" }, Object.create(null)][n];
    }),
  ]);
  const { send } = createClient({ bus: buses.client });
  for (let n = 0; n < 6; n++) {
    const record = await ended(await send("svc", "work", { n }));
    deepStrictEqual([record.state, record.error?.code], ["failed", "UNKNOWN"], `${n}`);
  }
});

bothStreams("a dead letter of a command that is replayed is run again", async (buses) => {
  let fails = true;
  const runs: unknown[] = [];
  await buses.serve("svc", [
    command("work", { retry: false }, ({ payload }) => {
      runs.push(payload);
      if (fails) throw new Error("no");
      return "done";
    }),
  ]);
  const client = createClient({ bus: buses.client });
  const job = await client.send("svc", "work", { n: 1 });
  strictEqual((await ended(job)).state, "failed");
  fails = false;
  deepStrictEqual(await client.replayDeadLetters({ kind: "command" }), 1);
  for (let i = 0; i < 500 && runs.length < 2; i++) await new Promise((r) => setTimeout(r, 10));
  deepStrictEqual(runs, [{ n: 1 }, { n: 1 }]);
  strictEqual((await letters(buses.client)).length, 0);
});
