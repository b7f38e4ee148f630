// Commands and the original: its commands are run as it expects, and ours can be run by its services.

import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { Buffer } from "node:buffer";
import { readFileSync } from "node:fs";
import { command, createClient, type ReceivedCommand } from "../../mod.ts";
import { msgpack } from "../../msgpack.ts";
import type { Delivery, Streams } from "../../src/ports/stream.ts";
import { bothStreams, type Buses, errorOf, foreignStream, hang, until } from "./buses.ts";
import { gate } from "../nats/outage_tools.ts";

interface EncodeVector {
  readonly name: string;
  readonly model: string;
  readonly json: string;
  readonly msgpack_hex: string;
}

const { encode, dicts } = JSON.parse(
  readFileSync(new URL("../interop/wire/encode.json", import.meta.url), "utf8"),
) as { encode: EncodeVector[]; dicts: Omit<EncodeVector, "model">[] };
const vectors = encode.filter(({ model }) => model === "Command");
const vectorOf = (name: string) => dicts.find((vector) => vector.name === name)!;
const ID = "11111111-1111-4111-8111-111111111111";

/** The stream that the original makes. */
async function original(buses: Buses): Promise<Streams> {
  const streams = await buses.streams();
  await streams.admin.createStream({
    ...foreignStream("COMMANDS", "commands.>"),
    retention: "workqueue",
    maxMessages: 10_000,
  });
  return streams;
}

/** All that is told on core subjects of commands. */
async function told(buses: Buses): Promise<{ subject: string; data: Uint8Array }[]> {
  const wire = await buses.wire();
  const heard: { subject: string; data: Uint8Array }[] = [];
  for (const subject of ["commands.progress.>", "commands.callback.>"]) {
    wire.subscribe(subject, {
      onMessage: ({ subject, data }) => void heard.push({ subject, data: data.slice() }),
    });
  }
  await wire.flush();
  return heard;
}

/** The names of the fields, in their order, of JSON or MessagePack. */
function fieldsOf(data: Uint8Array): [string, unknown][] {
  const value = data[0] === 0x7b
    ? JSON.parse(new TextDecoder().decode(data))
    : msgpack().decode(data);
  return Object.entries(value as object);
}

for (const { name, json, msgpack_hex } of vectors) {
  for (const encoding of ["JSON", "MessagePack"] as const) {
    bothStreams(
      `${name} in ${encoding}: as the original publishes it, it is run, and told of in its encoding`,
      async (buses) => {
        const { store } = await original(buses);
        const got: ReceivedCommand[] = [];
        await buses.serve("svc", [
          command("go", async (received, ctx) => {
            got.push(received);
            await ctx.progress(50, "processing");
            return { done: 2 };
          }),
        ]);
        const heard = await told(buses);
        const body = encoding === "JSON" ? json : Buffer.from(msgpack_hex, "hex");
        await store.publish("commands.svc.go", body, {}, 2_000);
        await until(() => heard.length === 2);
        const [progress, callback] = heard;
        const { payload, priority, max_retries, timeout, trace_id, source } = JSON.parse(json);
        const { id, traceId, maxRetries, timeoutMs, ...rest } = got[0]!;
        deepStrictEqual(
          [id, rest.payload, rest.priority, maxRetries, timeoutMs, traceId, rest.source],
          [ID, payload, priority, max_retries, timeout * 1_000, trace_id, source],
        );
        strictEqual(progress!.subject, `commands.progress.${ID}`);
        strictEqual(callback!.subject, `commands.callback.${ID}`);
        for (const { data } of heard) strictEqual(data[0] === 0x7b, encoding === "JSON");
        // To the byte, but for blanks and the time.
        const expected = encoding === "JSON"
          ? Buffer.from(JSON.stringify(JSON.parse(vectorOf("completion").json)))
          : Buffer.from(vectorOf("completion").msgpack_hex, "hex");
        deepStrictEqual(Buffer.from(callback!.data), expected);
        const fields = fieldsOf(progress!.data);
        deepStrictEqual(fields.slice(0, 3), [
          ["command_id", ID],
          ["progress", 50],
          ["status", "processing"],
        ]);
        const [key, seconds] = fields[3]!;
        strictEqual(key, "timestamp");
        ok(Math.abs(seconds as number - Date.now() / 1_000) < 10, `${seconds}`);
        strictEqual(fields.length, 4);
        // Its record is kept like any other.
        const found = await createClient({ bus: buses.client }).command(ID);
        deepStrictEqual(await found.result(), { done: 2 });
        strictEqual((await found.status()).stream, "COMMANDS");
      },
    );
  }
}

bothStreams("a result of null is told as the original tells it", async (buses) => {
  const { store } = await original(buses);
  await buses.serve("svc", [command("go", () => {})]);
  const heard = await told(buses);
  await store.publish("commands.svc.go", vectors[0]!.json, {}, 2_000);
  await until(() => heard.length === 1);
  strictEqual(
    new TextDecoder().decode(heard[0]!.data),
    JSON.stringify(JSON.parse(vectorOf("completion_null").json)),
  );
});

bothStreams(
  "a command of the original without an id runs once, under an id of its place",
  async (buses) => {
    const { store, admin } = await original(buses);
    const ids: string[] = [];
    await buses.serve("svc", [
      command("go", { retry: { initialDelayMs: 10, jitter: 0 } }, ({ id }, ctx) => {
        ids.push(id);
        if (ctx.attempt === 1) throw new Error("again");
        return "done";
      }),
    ]);
    const { sequence } = await store.publish("commands.svc.go", '{"command":"go"}', {}, 2_000);
    await until(() => ids.length === 2);
    deepStrictEqual(ids, [`COMMANDS-${sequence}`, `COMMANDS-${sequence}`]);
    const job = await createClient({ bus: buses.client }).command(ids[0]!);
    strictEqual(await job.result(), "done");
    await until(async () => await store.read("COMMANDS", 1, "commands.svc.go") === undefined);
    ok(await admin.stream("COMMANDS_svc") === undefined, "the original's stream is used");
  },
);

bothStreams(
  "a cancel of the original, without a body, ends what runs and what waits",
  async (buses) => {
    const { store } = await original(buses);
    const { arrived, arrive } = gate();
    const begun: string[] = [];
    await buses.serve("svc", [
      command("go", { concurrency: 1 }, async (received, ctx) => {
        begun.push(received.id);
        arrive();
        return received.id === "c" ? "done" : await hang(received, ctx);
      }),
    ]);
    const client = createClient({ bus: buses.client });
    const wire = await buses.wire();
    for (const id of ["a", "b", "c"]) {
      const body = JSON.stringify({ message_id: id, command: "go" });
      await store.publish("commands.svc.go", body, {}, 2_000);
      if (id === "a") await arrived;
    }
    wire.publish("commands.cancel.b", "");
    await wire.flush();
    wire.publish("commands.cancel.a", "");
    await until(() => begun.includes("c"));
    deepStrictEqual(begun, ["a", "c"]);
    for (const id of ["a", "b"]) {
      const job = await client.command(id);
      await until(async () => (await job.status()).state === "cancelled");
      const { cancelledBy, reason } = await job.status();
      deepStrictEqual([cancelledBy, reason], [undefined, undefined]);
      match(`${await errorOf(job.result())}`, /go of svc was cancelled by somebody/);
    }
  },
);

/** A service as the original's: it takes one command, tells how far it is and what came of it, and acknowledges it. */
async function originalService(
  { admin, store }: Streams,
  work: (delivery: Delivery, id: string) => Promise<void>,
): Promise<void> {
  await admin.putConsumer("COMMANDS", {
    name: "svc_go",
    description: "",
    filter: "commands.svc.go",
    from: "all",
    ackWaitMs: 30_000,
    maxAckPending: 1_000,
    inactiveThresholdMs: 0,
  });
  const pull = store.pull("COMMANDS", "svc_go", {
    onDelivery: (delivery) => {
      const { data } = delivery.message;
      const fields = Object.fromEntries(fieldsOf(data)) as { message_id: string };
      void work(delivery, fields.message_id).then(() => delivery.ack());
    },
    onGone: () => {},
    onHealth: () => {},
  });
  pull.ask(10);
}

for (const encoding of ["JSON", "MessagePack"] as const) {
  bothStreams(
    `a command in ${encoding} is what the original reads, and its service's result arrives`,
    async (buses) => {
      const bus = await buses.open({
        name: "caller",
        ...(encoding === "JSON" ? {} : { codec: msgpack() }),
      });
      const streams = await original(buses);
      const bodies: Uint8Array[] = [];
      const wire = await buses.wire();
      const { open, opened } = gate();
      await originalService(streams, async ({ message }, id) => {
        bodies.push(message.data.slice());
        await opened;
        const tell = (subject: string, vector: string): void => {
          const { json } = vectorOf(vector);
          const value = { ...JSON.parse(json), command_id: id };
          wire.publish(
            `commands.${subject}.${id}`,
            encoding === "JSON" ? JSON.stringify(value) : msgpack().encode(value),
          );
        };
        tell("progress", "progress");
        tell("progress", "progress_int");
        tell("callback", "completion");
        await wire.flush();
      });
      const client = createClient({ bus });
      const job = await client.send("svc", "go", { n: 3 }, {
        maxRetries: 0,
        timeoutMs: 1_000,
        // Its service takes one subject, whatever the priority.
        priority: "high",
      });
      const steps = (async () => {
        const got = [];
        for await (const step of job.progress()) got.push(step);
        return got;
      })();
      const result = job.result();
      open();
      deepStrictEqual(await result, { done: 2 });
      const got = await steps;
      deepStrictEqual(got.at(-1), { percent: 50, status: "processing", data: undefined });
      const fields = fieldsOf(bodies[0]!);
      const expected = JSON.parse(vectors.find(({ name }) => name === "command_full")!.json);
      // The keys as recorded, in their order, and none beside them.
      deepStrictEqual(fields.map(([key]) => key), Object.keys(expected));
      const { message_id, trace_id, timestamp, ...rest } = Object.fromEntries(fields);
      deepStrictEqual(rest, {
        correlation_id: null,
        source: "caller",
        target: "svc",
        command: "go",
        payload: { n: 3 },
        priority: "high",
        max_retries: 0,
        timeout: 1,
      });
      strictEqual(message_id, job.id);
      match(trace_id as string, /^[0-9a-f-]{32,36}$/);
      match(timestamp as string, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+(Z|\+00:00)$/);
      const text = new TextDecoder().decode(bodies[0]!);
      if (encoding === "JSON") ok(text.endsWith('"max_retries":0,"timeout":1.0}'), text);
      // The original keeps no record: ours says what its sender wrote.
      strictEqual((await job.status()).state, "pending");
      // What is done there is not taken back here.
      strictEqual((await job.cancel("late")).state, "pending");
      deepStrictEqual(await job.result(), { done: 2 });
      deepStrictEqual(
        buses.logs.filter(({ level }) => level === "warn" || level === "error"),
        [],
      );
    },
  );
}

bothStreams("the stream of the original is used as it is", async (buses) => {
  const streams = await original(buses);
  const before = await streams.admin.stream("COMMANDS");
  await buses.serve("svc", [command("go", () => "done")]);
  const job = await createClient({ bus: buses.client }).send("svc", "go", {}, { priority: "high" });
  strictEqual(await job.result(), "done");
  deepStrictEqual((await streams.admin.stream("COMMANDS"))!.config, before!.config);
});

/** How much is told of commands that the stream of the original holds. */
async function toldIn({ store }: Streams): Promise<string[]> {
  const found: string[] = [];
  for (const kind of ["progress", "callback", "cancel"]) {
    for (let at = 1;;) {
      const stored = await store.read("COMMANDS", at, `commands.${kind}.>`);
      if (stored === undefined) break;
      found.push(stored.subject);
      at = stored.sequence + 1;
    }
  }
  return found;
}

bothStreams(
  "what is told of commands is removed from the original's stream, and what others told stays",
  async (buses) => {
    const streams = await original(buses);
    let open = false;
    await buses.serve("svc", [
      command("go", { retry: { initialDelayMs: 1 } }, async (_, ctx) => {
        for (let n = 0; n < 20; n++) await ctx.progress(n * 5, "on");
        await until(() => open);
      }),
    ]);
    const client = createClient({ bus: buses.client });
    await streams.store.publish("commands.callback.other", "{}", {}, 2_000);
    const jobs = [];
    for (const id of [undefined, undefined, "mine", "a.b c"]) {
      jobs.push(await client.send("svc", "go", {}, id === undefined ? {} : { id }));
    }
    const taken = await client.send("svc", "go");
    await until(async () => (await toldIn(streams)).length > 10);
    // While they run too, or what one tells in an hour would take the place of commands.
    await until(async () => (await toldIn(streams)).length === 1);
    await taken.cancel("no");
    open = true;
    for (const job of jobs) await job.result({ timeoutMs: 4_000 });
    await until(async () => (await toldIn(streams)).length > 1);
    await until(async () => (await toldIn(streams)).length === 1);
    deepStrictEqual(await toldIn(streams), ["commands.callback.other"]);
    strictEqual((await streams.admin.stream("COMMANDS"))!.messages, 1);
  },
);

bothStreams("what is told of commands is removed by a service that stops", async (buses) => {
  const streams = await original(buses);
  const service = await buses.serve("svc", [
    command("go", async (_, ctx) => {
      await ctx.progress(50);
      return "done";
    }),
  ]);
  const job = await createClient({ bus: buses.client }).send("svc", "go");
  strictEqual(await job.result({ timeoutMs: 4_000 }), "done");
  await until(async () => (await toldIn(streams)).length === 2);
  await service.stop();
  const stopped = performance.now();
  await until(async () => (await toldIn(streams)).length === 0);
  // Nobody is there who would do it later.
  ok(performance.now() - stopped < 900, `${performance.now() - stopped}`);
});

bothStreams("what is told of many commands is removed in a few requests", async (buses) => {
  const streams = await original(buses);
  const { admin } = streams;
  await buses.serve("svc", [command("go", { concurrency: 100 }, () => 1)]);
  const client = createClient({ bus: buses.client });
  let most = 0, over = false;
  const watched = (async () => {
    while (!over) most = Math.max(most, (await admin.stream("COMMANDS"))!.messages);
  })();
  for (let round = 0; round < 20; round++) {
    const jobs = await Promise.all(Array.from({ length: 200 }, () => client.send("svc", "go")));
    for (const job of jobs) await job.result({ timeoutMs: 4_000 });
  }
  over = true;
  await watched;
  // Of 4,000, some hundreds at a time: at 10,000 commands would be deleted.
  ok(most < 3_000, `${most}`);
  await until(async () => (await admin.stream("COMMANDS"))!.messages === 0);
});

bothStreams(
  "a service says that commands can be lost in a stream that deletes the oldest, and only there",
  async (buses) => {
    const { admin } = await original(buses);
    const said = () =>
      buses.logs.filter(({ level, message }) => level === "warn" && /can be lost/.test(message));
    await buses.serve("svc", [command("go", () => 1), command("come", () => 1)]);
    deepStrictEqual(said().map(({ message }) => message.includes("COMMANDS is somebody")), [true]);
    await admin.updateStream({ ...(await admin.stream("COMMANDS"))!.config, discard: "new" });
    await buses.serve("other", [command("go", () => 1)]);
    strictEqual(said().length, 1);
  },
);
