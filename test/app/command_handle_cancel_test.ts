// Cancelling commands: what has not begun never does, what runs is aborted, what has ended stays as it is.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { AegisError, command, type CommandHandle, createClient, createService } from "../../mod.ts";
import { bothStreams, type Buses, errorOf, hang, until } from "./buses.ts";
import { gate } from "../nats/outage_tools.ts";

/** The error of a command that was taken back. */
async function cancelled(job: CommandHandle): Promise<AegisError> {
  const error = await errorOf(job.result({ timeoutMs: 4_000 }));
  ok(AegisError.is(error, "CANCELLED"), `${error}`);
  return error;
}

/** Resolves when nothing waits in the queue any more. */
async function drained(buses: Buses): Promise<void> {
  const { admin } = await buses.streams();
  await until(async () => (await admin.stream("COMMANDS_jobs"))?.messages === 0);
}

bothStreams("what is taken back before it begins never begins", async (buses) => {
  const client = createClient({ bus: buses.client });
  const job = await client.send("jobs", "work", {});
  const waiting = cancelled(job);
  const record = await job.cancel("not needed");
  deepStrictEqual(
    [record.state, record.cancelledBy, record.reason, record.attempts],
    ["cancelled", "client", "not needed", 0],
  );
  ok(record.finishedAt! >= record.createdAt);
  const error = await waiting;
  strictEqual(error.message, "work of jobs was cancelled by client: not needed");
  deepStrictEqual(error.details, {
    id: job.id,
    service: "jobs",
    command: "work",
    attempts: 0,
    reason: "not needed",
    by: "client",
  });
  const ran: string[] = [];
  await buses.serve("jobs", [command("work", ({ id }) => void ran.push(id))]);
  const after = await client.send("jobs", "work", {});
  await after.result();
  await drained(buses);
  deepStrictEqual(ran, [after.id]);
  deepStrictEqual(await job.status(), record);
  deepStrictEqual(await client.listDeadLetters(), []);
});

bothStreams(
  "what is taken back while it runs is aborted, and its record says who and why",
  async (buses) => {
    const { arrived, arrive } = gate();
    let reason: unknown;
    await buses.serve("jobs", [
      command("work", async (received, ctx) => {
        ctx.signal.addEventListener("abort", () => reason = ctx.signal.reason);
        await ctx.progress(40, "going");
        arrive();
        return await hang(received, ctx);
      }),
    ]);
    const job = await createClient({ bus: buses.client }).send("jobs", "work");
    const waiting = cancelled(job);
    await arrived;
    // By another process, and without a word why.
    const other = await createClient({ bus: await buses.open({ name: "boss" }) }).command(job.id);
    const record = await other.cancel();
    deepStrictEqual(
      [record.state, record.cancelledBy, record.reason, record.attempts],
      ["cancelled", "boss", undefined, 1],
    );
    strictEqual((await waiting).message, "work of jobs was cancelled by boss");
    await until(() => reason !== undefined);
    ok(AegisError.is(reason, "CANCELLED"), `${reason}`);
    await drained(buses);
    strictEqual((await job.status()).state, "cancelled");
    for await (const { percent } of job.progress()) strictEqual(percent, 40);
  },
);

bothStreams(
  "a handler that does not listen may go on, and what it gives is dropped",
  async (buses) => {
    const { arrived, arrive, open, opened } = gate();
    let runs = 0;
    await buses.serve("jobs", [
      command("work", async () => {
        runs++;
        arrive();
        await opened;
        return "late";
      }),
    ]);
    const client = createClient({ bus: buses.client });
    const job = await client.send("jobs", "work");
    await arrived;
    await job.cancel("enough");
    await cancelled(job);
    open();
    await drained(buses);
    const after = await client.send("jobs", "work");
    strictEqual(await after.result(), "late");
    deepStrictEqual([(await job.status()).state, runs], ["cancelled", 2]);
  },
);

bothStreams("taking back what has ended changes nothing", async (buses) => {
  await buses.serve("jobs", [command("work", () => "done")]);
  const client = createClient({ bus: buses.client });
  const job = await client.send("jobs", "work");
  strictEqual(await job.result(), "done");
  const record = await job.cancel("too late");
  deepStrictEqual([record.state, record.result, record.reason], ["completed", "done", undefined]);
  deepStrictEqual(await job.status(), record);
  strictEqual(await job.result(), "done");
});

bothStreams("taken back twice, the first one counts", async (buses) => {
  const client = createClient({ bus: buses.client });
  const job = await client.send("jobs", "work");
  const other = await createClient({ bus: await buses.open({ name: "boss" }) }).command(job.id);
  await job.cancel("first");
  strictEqual((await other.cancel("second")).reason, "first");
  const at = await client.send("jobs", "work");
  const records = await Promise.all([at.cancel("a"), at.cancel("b"), at.cancel("c")]);
  const { reason } = await at.status();
  deepStrictEqual(records.map((record) => record.reason), [reason, reason, reason]);
});

bothStreams("what is taken back before it is due never begins", async (buses) => {
  const ran: string[] = [];
  await buses.serve("jobs", [command("work", ({ id }) => void ran.push(id))]);
  const client = createClient({ bus: buses.client });
  const job = await client.send("jobs", "work", {}, { delayMs: 300 });
  const later = await client.send("jobs", "work", {}, { delayMs: 500 });
  strictEqual((await job.cancel("no")).dueAt, undefined);
  await cancelled(job);
  strictEqual(await later.result(), null);
  deepStrictEqual(ran, [later.id]);
});

bothStreams("what waits for its next attempt is taken back too", async (buses) => {
  let runs = 0;
  await buses.serve("jobs", [
    command("work", { retry: { initialDelayMs: 300, jitter: 0 } }, () => {
      runs++;
      throw new Error("no");
    }),
  ]);
  const client = createClient({ bus: buses.client });
  const job = await client.send("jobs", "work");
  await until(async () => (await job.status()).state === "retrying");
  const record = await job.cancel("enough");
  deepStrictEqual([record.state, record.attempts, record.error?.message], ["cancelled", 1, "no"]);
  await cancelled(job);
  await drained(buses);
  strictEqual(runs, 1);
});

bothStreams(
  "a cancel and an end at the same moment come to one of both, for everybody",
  async (buses) => {
    await buses.serve("jobs", [
      command("work", () => new Promise((resolve) => setTimeout(resolve, 2))),
    ]);
    const client = createClient({ bus: buses.client });
    const other = createClient({ bus: await buses.open() });
    for (let n = 0; n < 20; n++) {
      const job = await client.send("jobs", "work");
      await new Promise((resolve) => setTimeout(resolve, n % 5));
      const record = await job.cancel("now");
      const ended = await job.result().then(() => "completed", () => "cancelled");
      const { state } = await job.status();
      const seen = await (await other.command(job.id)).result().then(
        () => "completed",
        () => "cancelled",
      );
      deepStrictEqual([record.state, ended, seen], [state, state, state]);
    }
    await drained(buses);
  },
);

/** Clients of records that are kept for less than a second, of a sender and of somebody else. */
async function shortLived(buses: Buses, maxAgeMs = 700) {
  const options = { streams: { commandRecords: { maxAgeMs } } };
  const bus = await buses.open(options);
  const client = createClient({ bus });
  return {
    bus,
    client,
    other: createClient({ bus: await buses.open({ ...options, name: "boss" }) }),
  };
}

async function gone(job: CommandHandle): Promise<void> {
  await until(async () => await job.status().then(() => false, () => true));
  ok(AegisError.is(await errorOf(job.status()), "COMMAND_NOT_FOUND"));
}

bothStreams(
  "what was taken back never begins, though its record is gone before an instance comes",
  async (buses) => {
    const { client, other } = await shortLived(buses);
    const jobs = [];
    for (const priority of ["normal", "critical"] as const) {
      jobs.push(await client.send("jobs", "work", {}, { priority }));
    }
    const later = await client.send("jobs", "work", {}, { delayMs: 200 });
    await jobs[0]!.cancel("no");
    for (const job of [jobs[1]!, later]) await (await other.command(job.id)).cancel("no");
    for (const job of [...jobs, later]) await gone(job);
    const ran: string[] = [];
    await buses.serve("jobs", [command("work", ({ id }) => void ran.push(id))]);
    const after = await client.send("jobs", "work");
    await after.result({ timeoutMs: 4_000 });
    // Neither they are left nor the word of them.
    await drained(buses);
    deepStrictEqual(ran, [after.id]);
  },
);

bothStreams(
  "what was taken back before its next attempt has none, though its record is gone by then",
  async (buses) => {
    const { bus, client } = await shortLived(buses);
    const runs: string[] = [];
    const work = command("work", { retry: { initialDelayMs: 60_000 } }, ({ id }) => {
      runs.push(id);
      throw new Error("no");
    });
    const service = createService("jobs", { bus, handlers: [work] });
    await service.start();
    const job = await client.send("jobs", "work");
    await until(async () => (await job.status()).state === "retrying");
    await service.stop();
    await job.cancel("enough");
    await gone(job);
    await drained(buses);
    strictEqual(runs.length, 1);
  },
);

bothStreams(
  "a cancel near the end of a record is kept for as long again, and after it there is nothing to take back",
  async (buses) => {
    const { client, other } = await shortLived(buses, 2_000);
    const job = await client.send("jobs", "work");
    await new Promise((resolve) => setTimeout(resolve, 1_300));
    strictEqual((await (await other.command(job.id)).cancel("late")).state, "cancelled");
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    // Without the cancel it would be gone by now.
    deepStrictEqual([(await job.status()).reason], ["late"]);
    await gone(job);
    ok(AegisError.is(await errorOf(job.cancel("again")), "COMMAND_NOT_FOUND"));
  },
);

bothStreams(
  "what nobody took back is run, though its record is gone, and has one again",
  async (buses) => {
    const { client } = await shortLived(buses);
    const job = await client.send("jobs", "work", { n: 1 });
    const other = await client.send("jobs", "work", { n: 2 });
    await other.cancel();
    await gone(job);
    await gone(other);
    const ran: unknown[] = [];
    await buses.serve("jobs", [command("work", ({ payload }) => void ran.push(payload))]);
    await drained(buses);
    deepStrictEqual(ran, [{ n: 1 }]);
    strictEqual((await job.status()).state, "completed");
    // What is sent again with the id of one that was taken back is another command.
    const again = await client.send("jobs", "work", { n: 3 }, { id: other.id });
    strictEqual(await again.result({ timeoutMs: 4_000 }), null);
    deepStrictEqual(ran, [{ n: 1 }, { n: 3 }]);
  },
);
