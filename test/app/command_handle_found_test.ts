// Handles that are found by an id, and what their records say in each state, whoever asks.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import {
  AegisError,
  type Bus,
  ClosedError,
  command,
  type CommandRecord,
  createClient,
} from "../../mod.ts";
import { bothStreams, type Buses, errorOf, until } from "./buses.ts";
import { gate } from "../nats/outage_tools.ts";

const QUICK = { initialDelayMs: 10, factor: 1, jitter: 0 };

/** Removes the record of a command, as its time or somebody with the tools of NATS does. */
async function removeRecord(buses: Buses, id: string): Promise<void> {
  const { store } = await buses.streams();
  await store.publish(`$KV.command_records.${id}`, "", { "KV-Operation": "DEL" }, 2_000);
}

/** A command of an id at a bus, as another process would have it. */
async function found(bus: Bus, id: string) {
  return await createClient({ bus }).command(id);
}

bothStreams(
  "a command is found from another bus before, while and after it runs",
  async (buses) => {
    const { arrived, arrive, open, opened } = gate();
    const sender = await buses.open();
    const { id } = await createClient({ bus: sender }).send("jobs", "work", { n: 1 });
    // Whoever sent it is not needed any more.
    await sender.close();
    const before = await found(buses.client, id);
    deepStrictEqual([before.id, before.service, before.command], [id, "jobs", "work"]);
    const first = before.result();
    const steps: number[] = [];
    const followed = (async () => {
      for await (const { percent } of before.progress()) steps.push(percent);
    })();
    await buses.serve("jobs", [
      command("work", async ({ payload }, ctx) => {
        await ctx.progress(50);
        arrive();
        await opened;
        return payload;
      }),
    ]);
    await arrived;
    const during = await found(await buses.open(), id);
    const second = during.result();
    strictEqual((await during.status()).state, "running");
    open();
    deepStrictEqual(await Promise.all([first, second]), [{ n: 1 }, { n: 1 }]);
    await followed;
    strictEqual(steps[0], 50);
    const after = await found(await buses.open(), id);
    deepStrictEqual(await after.result(), { n: 1 });
    strictEqual((await after.status()).state, "completed");
  },
);

bothStreams(
  "who follows a command sees what its handler said last, who comes later what its record says",
  async (buses) => {
    await buses.serve("jobs", [
      command("work", async (_, ctx) => {
        await ctx.progress(40, "nearly");
        return "done";
      }),
    ]);
    const job = await createClient({ bus: buses.client }).send("jobs", "work");
    const steps = async (followed: typeof job) => {
      const seen = [];
      for await (const { percent, status } of followed.progress()) seen.push([percent, status]);
      return seen;
    };
    deepStrictEqual(await steps(job), [[40, "nearly"]]);
    strictEqual(await job.result(), "done");
    const { percent, status } = await job.status();
    deepStrictEqual([percent, status], [100, "nearly"]);
    deepStrictEqual(await steps(await found(await buses.open(), job.id)), [[100, "nearly"]]);
  },
);

bothStreams(
  "a command is found on the bus that sent it, and both handles hear of it",
  async (buses) => {
    const { open, opened } = gate();
    await buses.serve("jobs", [command("work", () => opened.then(() => "done"))]);
    const client = createClient({ bus: buses.client });
    const job = await client.send("jobs", "work");
    const again = await client.command(job.id);
    const results = [job.result({ timeoutMs: 4_000 }), again.result({ timeoutMs: 4_000 })];
    open();
    deepStrictEqual(await Promise.all(results), ["done", "done"]);
    strictEqual(await (await client.command(job.id)).result({ timeoutMs: 4_000 }), "done");
  },
);

bothStreams("an id that nobody has sent is not found", async (buses) => {
  const client = createClient({ bus: buses.client });
  // Also where there is no record at all yet.
  for (const id of ["nobody", "nobody else"]) {
    const error = await errorOf(client.command(id));
    ok(AegisError.is(error, "COMMAND_NOT_FOUND"), `${error}`);
    ok(error.message.includes(id));
    deepStrictEqual(error.details, { id });
  }
  for (const id of ["", "x".repeat(129), 5, undefined, "\udfff"]) {
    ok(await errorOf(client.command(id as string)) instanceof TypeError);
  }
});

bothStreams(
  "once its record is gone a command is not found, and nobody waits for it",
  async (buses) => {
    const client = createClient({ bus: buses.client });
    const { id } = await client.send("jobs", "work");
    const held = await found(await buses.open(), id);
    await removeRecord(buses, id);
    for (const asked of [held.result(), held.status(), held.cancel()].map(errorOf)) {
      ok(AegisError.is(await asked, "COMMAND_NOT_FOUND"));
    }
    for await (const _step of held.progress()) throw new Error("there is nobody to tell a step");
    ok(AegisError.is(await errorOf(client.command(id)), "COMMAND_NOT_FOUND"));
  },
);

bothStreams("on a closed bus nobody waits for ever", async (buses) => {
  const bus = await buses.open();
  const client = createClient({ bus });
  const [job, done, waited] = [
    await client.send("jobs", "work"),
    await client.send("jobs", "work"),
    await client.send("jobs", "work"),
  ];
  const waiting = errorOf(waited.result());
  await buses.serve("jobs", [command("other", () => 1)]);
  const other = await createClient({ bus: buses.client }).send("jobs", "other");
  const known = await client.command(other.id);
  strictEqual(await known.result(), 1);
  await bus.close();
  ok(ClosedError.is(await waiting), `${await waiting}`);
  for (
    const asked of [job.result(), done.status(), client.command(job.id), job.cancel()].map(errorOf)
  ) {
    ok(ClosedError.is(await asked));
  }
  for await (const _step of job.progress()) throw new Error("there is nobody to tell a step");
  ok(ClosedError.is(await errorOf(client.send("jobs", "work"))));
  // What is known stays known.
  strictEqual(await known.result(), 1);
});

bothStreams(
  "a record says where a command stands, in each state and whoever asks",
  async (buses) => {
    const gates = [gate(), gate()];
    const start = Date.now();
    const client = createClient({ bus: buses.client });
    const job = await client.send("jobs", "work", {}, {
      priority: "high",
      maxRetries: 2,
      timeoutMs: 60_000,
    });
    const other = await found(await buses.open(), job.id);
    const asked = async (): Promise<CommandRecord> => {
      let records: CommandRecord[] = [];
      // It may go on between the two.
      await until(async () => {
        records = await Promise.all([job.status(), other.status()]);
        return isDeepStrictEqual(records[0], records[1]);
      });
      return records[0]!;
    };
    const { createdAt, updatedAt, ...pending } = await asked();
    const facts = {
      id: job.id,
      service: "jobs",
      command: "work",
      priority: "high",
      maxRetries: 2,
      timeoutMs: 60_000,
    };
    const nothing = {
      handovers: 0,
      percent: 0,
      status: undefined,
      data: undefined,
      result: undefined,
      error: undefined,
      instanceId: undefined,
      cancelledBy: undefined,
      reason: undefined,
      dueAt: undefined,
      startedAt: undefined,
      finishedAt: undefined,
    };
    const place = { stream: undefined, sequence: undefined, delivery: undefined };
    deepStrictEqual(pending, { ...facts, ...nothing, ...place, state: "pending", attempts: 0 });
    ok(createdAt >= start - 1 && createdAt <= Date.now() && updatedAt === createdAt);

    await buses.serve("jobs", [
      command("work", { retry: { ...QUICK, initialDelayMs: 400 } }, async (_command, ctx) => {
        const { arrive, opened } = gates[ctx.attempt - 1]!;
        await ctx.progress(30 * ctx.attempt, `attempt ${ctx.attempt}`, { attempt: ctx.attempt });
        arrive();
        await opened;
        if (ctx.attempt === 1) throw new Error("not yet");
        return { done: true };
      }),
    ], { instanceId: "one" });
    await gates[0]!.arrived;
    await until(async () => (await asked()).percent === 30);
    const running = await asked();
    deepStrictEqual(
      [running.state, running.attempts, running.instanceId, running.status, running.data],
      ["running", 1, "one", "attempt 1", { attempt: 1 }],
    );
    ok(running.startedAt! >= createdAt && running.createdAt === createdAt);
    deepStrictEqual([running.stream, running.delivery], ["COMMANDS_jobs", 1]);

    gates[0]!.open();
    await until(async () => (await asked()).state === "retrying");
    const retrying = await asked();
    deepStrictEqual(
      [retrying.attempts, retrying.error, retrying.percent],
      [1, { code: "Error", message: "not yet" }, 30],
    );
    ok(retrying.dueAt! >= retrying.updatedAt + 300, "it is known when it is tried again");

    await gates[1]!.arrived;
    strictEqual((await asked()).state, "running");
    gates[1]!.open();
    deepStrictEqual(await job.result(), { done: true });
    const completed = await asked();
    deepStrictEqual(
      [completed.state, completed.attempts, completed.percent, completed.result, completed.error],
      ["completed", 2, 100, { done: true }, undefined],
    );
    deepStrictEqual([completed.status, completed.dueAt], ["attempt 2", undefined]);
    ok(completed.finishedAt! >= completed.startedAt!);
  },
);

bothStreams("a record of a command that was sent for later says when it is due", async (buses) => {
  await buses.serve("jobs", [command("work", () => "done")]);
  const client = createClient({ bus: buses.client });
  const job = await client.send("jobs", "work", {}, { delayMs: 400 });
  const { state, dueAt, createdAt } = await job.status();
  deepStrictEqual([state, dueAt], ["pending", createdAt + 400]);
  strictEqual(await job.result(), "done");
  const record = await job.status();
  ok(record.startedAt! >= createdAt + 399, `${record.startedAt! - createdAt}`);
  strictEqual(record.dueAt, undefined);
});

bothStreams(
  "a signal ends the waiting for a record, before it begins and in between",
  async (buses) => {
    const client = createClient({ bus: buses.client });
    const job = await client.send("jobs", "work", {});
    const reason = new Error("enough");
    const calls: Record<string, (signal: AbortSignal) => Promise<unknown>> = {
      command: (signal) => client.command(job.id, { signal }),
      status: (signal) => job.status({ signal }),
      result: (signal) => job.result({ signal }),
      cancel: (signal) => job.cancel("late", { signal }),
    };
    for (const [name, call] of Object.entries(calls)) {
      strictEqual(await errorOf(call(AbortSignal.abort(reason))), reason, name);
      ok(await errorOf(call("now" as never)) instanceof TypeError, name);
    }
    // What had ended before it began has done nothing.
    strictEqual((await job.status()).state, "pending");
    for (const [name, call] of Object.entries(calls)) {
      const controller = new AbortController();
      const ended = errorOf(call(controller.signal));
      controller.abort(reason);
      strictEqual(await ended, reason, name);
    }
    // What was on its way is done all the same.
    await until(async () => (await job.status()).state === "cancelled");
    const { signal } = new AbortController();
    strictEqual((await client.command(job.id, { signal })).id, job.id);
  },
);
