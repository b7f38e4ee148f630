// What must not keep a command, its process or its sender waiting for ever: bodies, errors and steps of any size and kind.

import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import * as v from "valibot";
import {
  AegisError,
  command,
  CommandError,
  createClient,
  createService,
  ensureTopology,
  TimeoutError,
  ValidationError,
} from "../../mod.ts";
import { bothStreams, errorOf, until } from "./buses.ts";

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

bothStreams("what no instance would read is not sent", async (buses) => {
  await buses.serve("svc", [command("work", () => 1)]);
  const { send } = createClient({ bus: buses.client });
  let deep: object = {};
  for (let i = 0; i < 70; i++) deep = { deep };
  for (const payload of [deep, JSON.parse('{"__proto__":{"a":1}}')]) {
    ok(ValidationError.is(await errorOf(send("svc", "work", payload, { id: "a" }))));
  }
  strictEqual(await (await send("svc", "work", {}, { id: "a" })).result({ timeoutMs: 4_000 }), 1);
});

bothStreams("a command that cannot be read ends for whoever waits for it", async (buses) => {
  await buses.serve("svc", [command("work", () => 1)]);
  const client = createClient({ bus: buses.client });
  const { store } = await buses.streams();
  // What its sender had written; its body somebody has broken on the way.
  const record = {
    command_id: "a",
    service: "svc",
    command: "work",
    priority: "normal",
    state: "pending",
    attempts: 0,
    max_retries: 3,
    timeout_ms: 1_000,
    created_at: 1,
  };
  const subject = "$KV.command_records.a";
  const { sequence } = await store.publish(subject, JSON.stringify(record), {}, 2_000);
  const job = await client.command("a");
  const headers = { "Nats-Msg-Id": `a:${sequence}`, "aegis-record": String(sequence) };
  await store.publish("commands.svc.work", "{not json", headers, 2_000);
  const error = await errorOf(job.result({ timeoutMs: 4_000 }));
  ok(CommandError.is(error, "SERIALIZATION"), `${error}`);
  strictEqual((await job.status()).state, "failed");
});

bothStreams("progress that nobody awaits ends no process with its command", async (buses) => {
  const refused: unknown[] = [];
  const work = command("work", { timeoutMs: 60 }, async (_, ctx) => {
    for (let i = 0; i < 20; i++) {
      void ctx.progress(i);
      await pause(10);
    }
    // Whoever awaits it is told.
    await ctx.progress(100).catch((error) => refused.push(error));
  });
  await buses.serve("svc", [work]);
  const job = await createClient({ bus: buses.client }).send("svc", "work");
  await rejects(job.result({ timeoutMs: 4_000 }), TimeoutError);
  await until(() => refused.length === 1);
  ok(TimeoutError.is(refused[0]));
});

bothStreams(
  "issues without end are cut, and the command fails once with what they say",
  async (buses) => {
    const work = command("work", { payload: v.object({ list: v.array(v.string()) }) }, () => 1);
    await buses.serve("svc", [work]);
    const client = createClient({ bus: buses.client });
    const job = await client.send("svc", "work", { list: Array.from({ length: 30_000 }, () => 1) });
    const error = await errorOf(job.result({ timeoutMs: 4_000 }));
    ok(ValidationError.is(error), `${error}`);
    ok(error.issues.length >= 100);
    deepStrictEqual(error.issues[0]!.path, ["list", 0]);
    strictEqual((await job.status()).attempts, 1);
    strictEqual((await client.listDeadLetters()).length, 1);
  },
);

bothStreams("a status and data of any size keep no result from being kept", async (buses) => {
  let runs = 0;
  const work = command("work", async (_, ctx) => {
    runs++;
    await ctx.progress(50, "x".repeat(2_000_000), "y".repeat(2_000_000));
    return "done";
  });
  await buses.serve("svc", [work]);
  const job = await createClient({ bus: buses.client }).send("svc", "work");
  strictEqual(await job.result({ timeoutMs: 4_000 }), "done");
  const { state, status } = await job.status();
  deepStrictEqual([state, status?.length ?? 0, runs], ["completed", 1_024, 1]);
});

bothStreams("the error of a time-out says the limit that held", async (buses) => {
  const timeouts: number[] = [];
  const work = command("work", { timeoutMs: 80 }, async (received, ctx) => {
    timeouts.push(received.timeoutMs);
    await new Promise((_, reject) => {
      ctx.signal.addEventListener("abort", () => reject(ctx.signal.reason));
    });
  });
  await buses.serve("svc", [work]);
  const job = await createClient({ bus: buses.client }).send("svc", "work");
  const error = await errorOf(job.result({ timeoutMs: 4_000 }));
  ok(TimeoutError.is(error));
  const [, ms = "0"] = /not done within (\d+) ms/.exec(error.message) ?? [];
  ok(Number(ms) >= 80 && Number(ms) < 2_000, error.message);
  deepStrictEqual([timeouts, (await job.status()).timeoutMs], [[80], 80]);
});

bothStreams(
  "a handler that has one attempt is not tried again after its process ended",
  async (buses) => {
    let runs = 0;
    const work = command("work", { retry: false }, () => void runs++);
    const service = createService("svc", { bus: buses.server, handlers: [work] });
    await ensureTopology({ bus: buses.client, services: [service] });
    const { store } = await buses.streams();
    // What an instance that is gone had written, a minute after it had begun.
    const record = {
      command_id: "a",
      service: "svc",
      command: "work",
      priority: "normal",
      state: "running",
      attempts: 1,
      max_retries: 5,
      timeout_ms: 300_000,
      instance_id: "gone",
      created_at: 1,
      started_at: 1,
      updated_at: 60_001,
      stream: "COMMANDS_svc",
      sequence: 1,
      delivery: 0,
    };
    await store.publish("$KV.command_records.a", JSON.stringify(record), {}, 2_000);
    await store.publish("commands.svc.work", '{"message_id":"a","command":"work"}', {}, 2_000);
    await service.start();
    const job = await createClient({ bus: buses.client }).command("a");
    const error = await errorOf(job.result({ timeoutMs: 8_000 }));
    ok(CommandError.is(error, "CRASHED"), `${error}`);
    strictEqual(runs, 0);
    await service.stop();
  },
);

bothStreams(
  "what is sent again while it waits begins when the first sending said",
  async (buses) => {
    const begun: number[] = [];
    await buses.serve("svc", [command("work", () => void begun.push(performance.now()))]);
    const { send } = createClient({ bus: buses.client });
    const sentAt = performance.now();
    const first = await send("svc", "work", {}, { id: "a", delayMs: 600 });
    const second = await send("svc", "work", {}, { id: "a" });
    await Promise.all([first, second].map((job) => job.result({ timeoutMs: 5_000 })));
    strictEqual(begun.length, 1);
    ok(begun[0]! - sentAt >= 590, `after ${begun[0]! - sentAt} ms`);
  },
);

bothStreams(
  "a dead letter of a command that was done after that is of no use any more",
  async (buses) => {
    const client = createClient({ bus: buses.client });
    let fails = true;
    const work = command("work", { retry: false }, () => {
      if (fails) throw new Error("no");
      return 1;
    });
    await buses.serve("svc", [work]);
    for (const id of ["a", "b"]) {
      await errorOf((await client.send("svc", "work", {}, { id })).result({ timeoutMs: 4_000 }));
    }
    const { store } = await buses.streams();
    const subject = "$KV.command_records.a";
    const kept = await store.last("KV_command_records", subject);
    const record = { ...JSON.parse(new TextDecoder().decode(kept!.data)), state: "completed" };
    await store.publish(subject, JSON.stringify(record), {}, 2_000);
    fails = false;
    strictEqual(await client.replayDeadLetters(), 1);
    strictEqual(await (await client.command("b")).result({ timeoutMs: 4_000 }), 1);
    deepStrictEqual(await client.listDeadLetters(), []);
  },
);

bothStreams(
  "a delay beyond the life of a record is refused, for nobody could take it back",
  async (buses) => {
    const { send } = createClient({ bus: buses.client });
    const error = await errorOf(send("svc", "work", {}, { delayMs: 8 * 86_400_000 }));
    ok(error instanceof RangeError && !AegisError.is(error), `${error}`);
  },
);
