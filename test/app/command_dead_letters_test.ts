// Commands that came to nothing: kept as dead letters, and replayed under their ids.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import * as v from "valibot";
import {
  AegisError,
  type Client,
  command,
  ConflictError,
  createClient,
  type DeadLetter,
  event,
  on,
  RpcError,
} from "../../mod.ts";
import { bothStreams, type Buses, errorOf, hang, until } from "./buses.ts";

const QUICK = { initialDelayMs: 10, factor: 1, jitter: 0 };

/** A service whose commands come to nothing in every way, until `state.well` is true. */
async function failing(buses: Buses): Promise<{ well: boolean; runs: number }> {
  const state = { well: false, runs: 0 };
  const payload = v.object({ n: v.number() });
  await buses.serve("jobs", [
    command("work", { retry: QUICK, payload }, ({ payload: { n } }) => {
      state.runs++;
      if (!state.well) throw new RpcError("NO_ROOM", "There is no room", { free: 0 });
      return n;
    }),
    command("slow", (received, ctx) => state.well ? "fast" : hang(received, ctx)),
  ], { instanceId: "one" });
  return state;
}

/** The dead letters of commands, as soon as there are so many. */
async function letters(client: Client, count: number): Promise<DeadLetter[]> {
  let found: DeadLetter[] = [];
  await until(async () =>
    (found = await client.listDeadLetters({ kind: "command" })).length >= count
  );
  strictEqual(found.length, count);
  return found;
}

bothStreams(
  "what has failed for good is a dead letter, with the reason and the attempts",
  async (buses) => {
    await failing(buses);
    const client = createClient({ bus: buses.client });
    const failed = await client.send("jobs", "work", { n: 1 }, { maxRetries: 2 });
    await errorOf(failed.result());
    // Whoever hears that it failed finds it there.
    const [letter] = await client.listDeadLetters({ kind: "command" });
    const { kind, type, service, instanceId, reason, error, attempts, subject, stream, body } =
      letter!;
    deepStrictEqual(
      { kind, type, service, instanceId, reason, error, attempts, subject, stream },
      {
        kind: "command",
        type: "work",
        service: "jobs",
        instanceId: "one",
        reason: "failed",
        error: { code: "NO_ROOM", message: "There is no room" },
        attempts: 3,
        subject: "commands.jobs.work",
        stream: "COMMANDS_jobs",
      },
    );
    const { message_id, payload } = JSON.parse(new TextDecoder().decode(body));
    deepStrictEqual([message_id, payload], [failed.id, { n: 1 }]);

    await errorOf((await client.send("jobs", "work", { n: "one" })).result());
    await errorOf(
      (await client.send("jobs", "slow", {}, { timeoutMs: 50, priority: "low" })).result(),
    );
    const wire = await buses.wire();
    wire.publish("commands.jobs.work", "no command");
    const all = await letters(client, 4);
    deepStrictEqual(all.map((each) => [each.type, each.reason, each.attempts, each.error.code]), [
      ["work", "failed", 3, "NO_ROOM"],
      ["work", "invalid", 1, "INVALID_REQUEST"],
      ["slow", "timed_out", 1, "TIMEOUT"],
      ["work", "unreadable", 1, "SERIALIZATION"],
    ]);
    deepStrictEqual(all[1]!.error.issues?.map(({ path }) => path), [["n"]]);
    strictEqual(all[2]!.subject, "commands.jobs.slow.low");
    for (const reason of ["failed", "invalid", "timed_out", "unreadable"] as const) {
      strictEqual((await client.listDeadLetters({ reason })).length, 1, reason);
    }
    strictEqual((await client.listDeadLetters({ kind: "command", type: "slow" })).length, 1);
    deepStrictEqual(await client.listDeadLetters({ kind: "event" }), []);
    const { admin } = await buses.streams();
    await until(async () => (await admin.stream("COMMANDS_jobs"))?.messages === 0);
  },
);

bothStreams("a dead command is replayed under its id, with all its attempts", async (buses) => {
  const state = await failing(buses);
  const client = createClient({ bus: buses.client });
  const job = await client.send("jobs", "work", { n: 1 }, { id: "a", maxRetries: 1 });
  await errorOf(job.result());
  strictEqual(state.runs, 2);
  // It fails again: two attempts more, and one dead letter, a new one.
  const [first] = await letters(client, 1);
  strictEqual(await client.replayDeadLetter(first!.id), true);
  const again = await client.command("a");
  await errorOf(again.result());
  strictEqual(state.runs, 4);
  const [second] = await letters(client, 1);
  ok(second!.id !== first!.id);
  state.well = true;
  strictEqual(await client.replayDeadLetters({ kind: "command" }), 1);
  const well = await createClient({ bus: await buses.open() }).command("a");
  strictEqual(await well.result(), 1);
  const { attempts, error, state: ended } = await well.status();
  deepStrictEqual([attempts, error, ended], [1, undefined, "completed"]);
  deepStrictEqual(await client.listDeadLetters(), []);
  // Whoever sends it again gets that.
  strictEqual(await (await client.send("jobs", "work", { n: 1 }, { id: "a" })).result(), 1);
});

bothStreams("one that timed out, and one at another priority, are replayed too", async (buses) => {
  const state = await failing(buses);
  const client = createClient({ bus: buses.client });
  const options = { timeoutMs: 50, priority: "critical", id: "a b" } as const;
  await errorOf((await client.send("jobs", "slow", {}, options)).result());
  state.well = true;
  await letters(client, 1);
  strictEqual(await client.replayDeadLetters(), 1);
  const job = await client.command("a b");
  strictEqual(await job.result(), "fast");
  strictEqual((await job.status()).priority, "critical");
});

bothStreams("what was sent again under its id is not replayed over that", async (buses) => {
  const state = await failing(buses);
  const client = createClient({ bus: buses.client });
  await errorOf((await client.send("jobs", "work", { n: 1 }, { id: "a", maxRetries: 0 })).result());
  const [letter] = await letters(client, 1);
  const { store } = await buses.streams();
  await store.publish("$KV.command_records.a", "", { "KV-Operation": "DEL" }, 2_000);
  state.well = true;
  const sent = await client.send("jobs", "work", { n: 2 }, { id: "a" });
  strictEqual(await sent.result(), 2);
  strictEqual(await client.replayDeadLetter(letter!.id), false);
  deepStrictEqual(await client.listDeadLetters(), []);
  strictEqual((await (await client.command("a")).status()).result, 2);
});

bothStreams("a replay whose process ended before it was published is done again", async (buses) => {
  const state = await failing(buses);
  const client = createClient({ bus: buses.client });
  await errorOf((await client.send("jobs", "work", { n: 1 }, { id: "a", maxRetries: 0 })).result());
  const [letter] = await letters(client, 1);
  const { store } = await buses.streams();
  // What a replay writes before it publishes.
  const stored = await store.last("KV_command_records", "$KV.command_records.a");
  const { stream: _1, sequence: _2, delivery: _3, error: _4, ...record } = JSON.parse(
    new TextDecoder().decode(stored!.data),
  );
  const pending = JSON.stringify({ ...record, state: "pending", attempts: 0 });
  await store.publish("$KV.command_records.a", pending, {}, 2_000);
  state.well = true;
  strictEqual(await client.replayDeadLetter(letter!.id), true);
  strictEqual(await (await client.command("a")).result({ timeoutMs: 4_000 }), 1);
});

bothStreams("many who replay at once run it once", async (buses) => {
  const state = await failing(buses);
  const client = createClient({ bus: buses.client });
  await errorOf((await client.send("jobs", "work", { n: 1 }, { id: "a", maxRetries: 0 })).result());
  const [letter] = await letters(client, 1);
  state.well = true;
  const outcomes = await Promise.allSettled(
    Array.from({ length: 5 }, () => client.replayDeadLetter(letter!.id)),
  );
  const job = await client.command("a");
  strictEqual(await job.result({ timeoutMs: 4_000 }), 1);
  ok(outcomes.some(({ status }) => status === "fulfilled"));
  for (const outcome of outcomes) {
    if (outcome.status === "rejected") ok(ConflictError.is(outcome.reason), `${outcome.reason}`);
  }
  strictEqual(state.runs, 2);
  deepStrictEqual(await client.listDeadLetters(), []);
});

bothStreams("a dead command is discarded, and its record says what it came to", async (buses) => {
  await failing(buses);
  const client = createClient({ bus: buses.client });
  const job = await client.send("jobs", "work", { n: 1 }, { maxRetries: 0 });
  await errorOf(job.result());
  const [letter] = await letters(client, 1);
  strictEqual(await client.discardDeadLetter(letter!.id), true);
  strictEqual(await client.discardDeadLetter(letter!.id), false);
  deepStrictEqual(await client.listDeadLetters(), []);
  strictEqual((await job.status()).state, "failed");
});

bothStreams("an unreadable one has no record, and is replayed as it is", async (buses) => {
  await failing(buses);
  const client = createClient({ bus: buses.client });
  const wire = await buses.wire();
  wire.publish("commands.jobs.work", '{"command":"work","payload":[]}');
  const [letter] = await letters(client, 1);
  strictEqual(letter!.reason, "unreadable");
  strictEqual(await client.replayDeadLetter(letter!.id), true);
  await until(async () => {
    const [again] = await client.listDeadLetters();
    return again !== undefined && again.id !== letter!.id;
  });
});

bothStreams("a command whose handler is gone is not replayed to anybody", async (buses) => {
  const bus = await buses.open();
  const service = await buses.serve("jobs", [
    command("work", () => {
      throw new Error("no");
    }),
  ], { bus });
  const client = createClient({ bus: buses.client });
  await errorOf((await client.send("jobs", "work", {}, { maxRetries: 0, id: "a" })).result());
  await service.stop();
  const { admin } = await buses.streams();
  for (const name of await admin.consumers("COMMANDS_jobs")) {
    await admin.deleteConsumer("COMMANDS_jobs", name);
  }
  const [letter] = await letters(client, 1);
  const error = await errorOf(client.replayDeadLetter(letter!.id));
  ok(AegisError.is(error, "HANDLER_GONE"), `${error}`);
  strictEqual((await (await client.command("a")).status()).state, "failed");
});

bothStreams("those of events stay as they are beside them", async (buses) => {
  const state = await failing(buses);
  const client = createClient({ bus: buses.client });
  const Created = event("order.created", { payload: v.object({ n: v.number() }) });
  const got: number[] = [];
  await buses.serve("audit", [
    on(Created, { retry: { ...QUICK, attempts: 1 } }, ({ payload: { n } }) => {
      if (!state.well) throw new Error("no");
      got.push(n);
    }),
  ]);
  await client.publish(Created({ n: 5 }));
  await errorOf((await client.send("jobs", "work", { n: 1 }, { id: "a", maxRetries: 0 })).result());
  await until(async () => (await client.listDeadLetters()).length === 2);
  deepStrictEqual(
    (await client.listDeadLetters({ kind: "event" })).map(({ type, reason }) => [type, reason]),
    [["order.created", "failed"]],
  );
  state.well = true;
  strictEqual(await client.replayDeadLetters({ kind: "event" }), 1);
  await until(() => got.length === 1);
  strictEqual((await letters(client, 1))[0]!.type, "work");
  strictEqual(await client.replayDeadLetters({ kind: "command", service: "jobs" }), 1);
  strictEqual(await (await client.command("a")).result(), 1);
  deepStrictEqual(got, [5]);
});
