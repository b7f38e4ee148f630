// Buckets on a bus: schemas, codecs, options that contradict, and what is opened in ways of its own.

import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import * as v from "valibot";
import {
  AegisError,
  ClosedError,
  ConflictError,
  connect,
  type KvOptions,
  QueueFullError,
  SerializationError,
  type Transport,
  ValidationError,
} from "../../mod.ts";
import { msgpack } from "../../msgpack.ts";
import { createMemoryTransport, MemoryBroker } from "../../testing.ts";
import { partsOf } from "../../src/app/bus.ts";
import { bothStreams, errorOf, on, until } from "./buses.ts";

const User = v.object({ name: v.string(), age: v.optional(v.number(), 18) });

bothStreams(
  "a schema checks what is put, and makes of what is read what it says",
  async (buses) => {
    const { client, server, logs } = buses;
    const users = await client.kv("users", { schema: User });
    await users.put("john", { name: "John", age: 40 });
    const plain = await server.kv("users");
    await plain.put("jane", { name: "Jane" });
    // Typed: what the schema gives.
    const age: number | undefined = (await users.get("jane"))?.value.age;
    strictEqual(age, 18);
    deepStrictEqual((await plain.get("jane"))?.value, { name: "Jane" });

    const bad = { name: 1 } as unknown as { name: string; age: number };
    const refused = await errorOf(users.put("bad", bad));
    ok(ValidationError.is(refused));
    match(refused.message, /^Cannot put "bad" in the bucket users: the value is not valid: name: /);
    strictEqual(await users.exists("bad"), false);

    const told: string[] = [];
    const watch = users.watch();
    void (async () => {
      for await (const { operation, key, entry } of watch) {
        told.push(`${operation} ${key} ${entry?.value.age ?? ""}`.trim());
      }
    })();
    await watch.ready;
    const revision = await plain.put("bad", bad);
    const unread = await errorOf(users.get("bad"));
    ok(ValidationError.is(unread));
    match(
      unread.message,
      new RegExp(`^Cannot read "bad" of the bucket users at revision ${revision}: `),
    );
    deepStrictEqual(unread.issues[0]?.path, ["name"]);
    // It keeps nothing else from whoever asks for many.
    deepStrictEqual([...(await users.getMany(["john", "bad"])).keys()], ["john"]);
    deepStrictEqual(await users.history("bad"), []);
    strictEqual(logs.filter(({ message }) => /cannot be read is left out/.test(message)).length, 2);
    await plain.delete("bad");
    await until(() => told.length === 3);
    // What does not fit is passed over, with a word in the log.
    deepStrictEqual(told, ["put john 40", "put jane 18", "delete bad"]);
    const warned = logs.filter(({ level, message }) =>
      level === "warn" && message.includes("watch")
    );
    deepStrictEqual(warned.map(({ fields }) => [fields.key, fields.revision]), [["bad", revision]]);
    await watch.stop();
  },
);

bothStreams("a schema may be asynchronous", async ({ client, server }) => {
  const schema = v.pipeAsync(
    v.string(),
    v.checkAsync(async (text) => await Promise.resolve(text !== "no"), "not that"),
  );
  const kv = await client.kv("words", { schema });
  await kv.put("a", "yes");
  strictEqual((await kv.get("a"))?.value, "yes");
  await rejects(kv.put("b", "no"), ValidationError);
  await (await server.kv("words")).put("b", "no");
  await rejects(kv.get("b"), ValidationError);
  const outcomes = await kv.putMany({ c: "yes", d: "no" });
  deepStrictEqual([...outcomes.values()].map(({ ok }) => ok), [true, false]);
  const watch = kv.watch();
  const keys: string[] = [];
  for await (const { key } of watch) {
    keys.push(key);
    if (keys.length === 2) break;
  }
  deepStrictEqual(keys, ["a", "c"]);
});

bothStreams("what one codec writes the other reads", async (buses) => {
  const packed = await buses.open({ codec: msgpack() });
  const [json, pack] = [await buses.client.kv("mixed"), await packed.kv("mixed")];
  await json.put("json", { n: 1 });
  await pack.put("pack", { n: 2 });
  await pack.put("bytes", new Uint8Array([1, 2, 255]));
  deepStrictEqual((await pack.get("json"))?.value, { n: 1 });
  deepStrictEqual((await json.get("pack"))?.value, { n: 2 });
  deepStrictEqual((await pack.get("bytes"))?.value, new Uint8Array([1, 2, 255]));
  // As JSON they would come back as something else.
  const error = await errorOf(json.put("bytes", new Uint8Array([1])));
  ok(SerializationError.is(error));
  match(error.message, /JSON has no bytes/);
  await rejects(json.put("big", 1n), SerializationError);
  const cycle: { self?: unknown } = {};
  cycle.self = cycle;
  await rejects(json.put("cycle", cycle), { message: /^Cannot put "cycle" in the bucket mixed: / });
});

bothStreams(
  "what is asked for and differs is changed where that takes nothing away",
  async (buses) => {
    const { client, server, logs } = buses;
    await client.kv("settings", { history: 2, maxValueBytes: 1_000, maxBytes: 1_000_000 });
    const raised = await server.kv("settings", { history: 5, maxBytes: 2_000_000 });
    strictEqual((await raised.status()).history, 5);
    ok(logs.some(({ message }) => message.includes("history 2 → 5")), JSON.stringify(logs));
    // The same again is no change.
    const lines = logs.length;
    const other = await buses.open();
    await other.kv("settings", { history: 5 });
    await other.kv("settings");
    strictEqual(logs.length, lines);

    // Who has opened it without a history counts on none: keys that end would show what was there before.
    await server.kv("alone", {});
    await rejects(other.kv("alone", { history: 5 }), ConflictError);

    const refused: readonly [KvOptions, RegExp][] = [
      [{ history: 3 }, /"history" is 5 and should be 3/],
      [{ maxValueBytes: 10 }, /"maxValueBytes" is 1000 and should be 10/],
      [{ storage: "memory" }, /"storage" is "file" and should be "memory"/],
      [{ ttlMs: 1_000 }, /"ttlMs" is 0 and should be 1000/],
    ];
    for (const [options, message] of refused) {
      const error = await errorOf((await buses.open()).kv("settings", options));
      ok(ConflictError.is(error), `${error}`);
      match(error.message, message);
      strictEqual(error.details.bucket, "settings");
    }
  },
);

bothStreams(
  "how long values are kept is lengthened by the program that has said so, and shortened by none",
  async (buses) => {
    const { client } = buses;
    await client.kv("kept", { ttlMs: 60_000 });
    const same = await buses.open({ name: "client" });
    strictEqual((await (await same.kv("kept", { ttlMs: 120_000 })).status()).ttlMs, 120_000);
    for (const [name, ttlMs] of [["client", 60_000], ["other", 240_000], ["other", 0]] as const) {
      const bus = await buses.open({ name });
      const error = await errorOf(bus.kv("kept", { ttlMs }));
      ok(ConflictError.is(error), `${name} ${ttlMs}: ${error}`);
      match(error.message, new RegExp(`"ttlMs" is 120000 and should be ${ttlMs}`));
    }
    // Who asks for nothing takes what is there.
    const kv = await (await buses.open({ name: "other" })).kv("kept");
    strictEqual((await kv.status()).ttlMs, 120_000);
  },
);

bothStreams(
  "on one bus a bucket is opened once, and what contradicts is a conflict",
  async ({ client }) => {
    const [one, other] = await Promise.all([
      client.kv("once", { history: 2 }),
      client.kv("once", { ttlMs: 0 }),
    ]);
    await one.put("a", 1);
    strictEqual((await other.get("a"))?.value, 1);
    const error = await errorOf(client.kv("once", { history: 3 }));
    ok(ConflictError.is(error));
    match(error.message, /"history" is 2 and should be 3/);
    await client.kv("once", { history: 2, maxBytes: 0 });
    strictEqual((await (await client.kv("once")).status()).history, 2);
  },
);

bothStreams("many who open a bucket at the same time have it made once", async (buses) => {
  const all = await Promise.all(Array.from({ length: 5 }, () => buses.open()));
  const opened = await Promise.all(all.map((bus) => bus.kv("race", { history: 3 })));
  await Promise.all(opened.map((kv, index) => kv.put(String(index), index)));
  deepStrictEqual(await opened[0]!.keys(), ["0", "1", "2", "3", "4"]);
});

bothStreams("a stream that is no bucket is no bucket", async (buses) => {
  const { admin } = await buses.streams();
  const { foreignStream } = await import("./buses.ts");
  await admin.createStream(foreignStream("KV_foreign", "elsewhere.>"));
  const error = await errorOf(buses.client.kv("foreign"));
  ok(ConflictError.is(error));
  match(error.message, /it stores elsewhere\.>, and not \$KV\.foreign\.>/);
});

bothStreams("a value that is too large, and a bucket that is full, say so", async ({ client }) => {
  const small = await client.kv("small", { maxValueBytes: 500 });
  await small.put("a", "x".repeat(100));
  const large = await errorOf(small.put("a", "x".repeat(600)));
  ok(SerializationError.is(large, "PAYLOAD_TOO_LARGE"), `${large}`);
  strictEqual(String((await small.get("a"))?.value).length, 100);
  const enormous = await errorOf(small.put("b", "x".repeat(client.server.maxPayload)));
  ok(SerializationError.is(enormous, "PAYLOAD_TOO_LARGE"), `${enormous}`);

  const full = await client.kv("full", { maxBytes: 2_000 });
  await full.put("a", "x".repeat(900));
  await full.put("a", "y".repeat(900));
  ok(QueueFullError.is(await errorOf(full.put("b", "x".repeat(1_500)))));
  strictEqual(String((await full.get("a"))?.value)[0], "y");
  const outcomes = await full.putMany({ c: "x".repeat(1_500), d: 1 });
  deepStrictEqual([...outcomes.values()].map(({ ok }) => ok), [false, true]);
});

bothStreams("a closed bus does nothing any more", async (buses) => {
  const bus = await buses.open();
  const kv = await bus.kv("closed");
  const watch = kv.watch();
  await watch.ready;
  await bus.close();
  strictEqual((await watch.next()).done, true);
  for (const work of [kv.get("a"), kv.put("a", 1), kv.keys(), kv.delete("a"), bus.kv("other")]) {
    ok(ClosedError.is(await errorOf(work)));
  }
  const late = kv.watch();
  strictEqual((await late.next()).done, true);
  ok(ClosedError.is(await errorOf(late.ready)));
});

bothStreams(
  "what runs on the bus opens a bucket as it is, and reads what somebody has spoilt",
  async (buses) => {
    const { client, server } = buses;
    await server.kv("internal", { history: 4, ttlMs: 60_000 });
    const { buckets } = partsOf(client, "a test");
    const kv = await buckets.open("internal", { history: 1 }, {
      adopt: true,
      direct: false,
      lenient: true,
    });
    strictEqual((await kv.status()).history, 4);
    const { store } = await buses.streams();
    await store.publish("$KV.internal.spoilt", "{", {}, 2_000);
    const watch = kv.watch();
    const { value: change } = await watch.next();
    deepStrictEqual([change?.key, change?.operation, change?.entry?.value], [
      "spoilt",
      "put",
      undefined,
    ]);
    deepStrictEqual(buckets.health(), [
      { bucket: "internal", filter: ">", live: true, error: undefined, watches: 1, keys: 1 },
    ]);
    await watch.stop();
    deepStrictEqual(buckets.health(), []);
  },
);

on("memory", "watches of the same keys share one look at the stream", async ({ client }) => {
  const kv = await client.kv("shared");
  await kv.putMany({ "a.1": 1, "a.2": 2, b: 3 });
  const watches = [
    kv.watch(),
    kv.watch({ prefix: "a" }),
    kv.watch({ prefix: "b", initial: false }),
    (await client.kv("shared")).watch(),
    kv.watch({ prefix: "a." }),
    kv.watch({ key: "a.1" }),
  ];
  await Promise.all(watches.map(({ ready }) => ready));
  const health = partsOf(client, "a test").buckets.health();
  deepStrictEqual(health.map(({ filter, watches, keys }) => [filter, watches, keys]), [
    [">", 4, 3],
    ["a.>", 1, 2],
    ["a.1", 1, 1],
  ]);
  await Promise.all(watches.map((watch) => watch.stop()));
  deepStrictEqual(partsOf(client, "a test").buckets.health(), []);
});

on("memory", "buckets opened at once on a new bus share their looks too", async ({ client }) => {
  const [one, other] = await Promise.all([client.kv("at_once"), client.kv("at_once")]);
  const watches = [one.watch(), other.watch()];
  await Promise.all(watches.map(({ ready }) => ready));
  const health = partsOf(client, "a test").buckets.health();
  deepStrictEqual(health.map(({ filter, watches }) => [filter, watches]), [[">", 2]]);
  await Promise.all(watches.map((watch) => watch.stop()));
});

test("memory: a transport whose streams cannot be followed has no KV store, and says so", async () => {
  const memory = createMemoryTransport(new MemoryBroker());
  const without = (streams: Transport["streams"]): Transport =>
    new Proxy(memory, {
      get: (target, name) => {
        const value: unknown = name === "streams" ? streams : Reflect.get(target, name, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  const { admin, store } = memory.streams!;
  for (
    const [streams, message] of [
      [undefined, /this transport has no streams/],
      [{ admin, store }, /the streams of this transport cannot be followed/],
    ] as const
  ) {
    const bus = await connect({ transport: without(streams), logger: console });
    const error = await errorOf(bus.kv("any"));
    ok(AegisError.is(error, "JETSTREAM_DISABLED"));
    match(error.message, message);
  }
  await memory.close();
});

bothStreams("what was written over before its time was up stays in the history", async (buses) => {
  const kv = await buses.client.kv("past", { history: 5 });
  await kv.put("k", 1);
  await kv.put("k", 2, { ttlMs: 100 });
  await kv.put("k", 3);
  await new Promise((resolve) => setTimeout(resolve, 200));
  deepStrictEqual((await kv.history("k")).map(({ value }) => value), [1, 2, 3]);
  await kv.put("k", 4, { ttlMs: 100 });
  await until(async () => !await kv.exists("k"));
  deepStrictEqual((await kv.history("k")).filter(({ value }) => value !== undefined), []);
});

bothStreams("a purge at a revision needs a deleted key to have it as well", async (buses) => {
  const kv = await buses.client.kv("past", { history: 5 });
  const revision = await kv.put("k", 1);
  await kv.delete("k");
  await rejects(kv.purge("k", { revision }), ConflictError);
  strictEqual((await kv.history("k")).length, 2);
  strictEqual(await kv.purge("k", { revision: revision + 1 }), true);
});

bothStreams("many operations whose signal has aborted do nothing, and say so", async (buses) => {
  const kv = await buses.client.kv("none");
  const signal = AbortSignal.abort(new Error("enough"));
  await rejects(kv.putMany({ a: 1 }, { signal }), /enough/);
  await rejects(kv.deleteMany(["a"], { signal }), /enough/);
  deepStrictEqual(await kv.keys(), []);
});
