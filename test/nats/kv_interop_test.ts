// Buckets that are shared with the tools of NATS, in both directions, and those of the original for Python.

import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import { after, test } from "node:test";
import type { StreamConfig } from "@nats-io/jetstream";
import { ConflictError, connect, SerializationError } from "../../mod.ts";
import { startNatsServer } from "../../tools/nats_server.ts";
import { errorOf, type LogLine, recordingLogger } from "../app/buses.ts";
import { tell, toolsOf } from "./kv_tools.ts";
import { logger, pause, until } from "./outage_tools.ts";

const server = await startNatsServer();
after(() => server.stop());
const hasMessageTtl = !/^2\.(9|10)\./.test(server.version);

test("a bucket that @nats-io/kv has made is used as it is", async () => {
  await using tools = await toolsOf(server.url);
  await using bus = await connect({ servers: server.url, logger });
  const theirs = await tools.bucket("theirs", { history: 5, ttl: 60_000 });
  const before = (await tools.manager.streams.info("KV_theirs")).config;
  await theirs.put("a.b", '{"n":1}');
  const ours = await bus.kv("theirs");
  strictEqual(((await ours.get("a.b"))?.value as { n: number }).n, 1);
  const { history, ttlMs, keys } = await ours.status();
  deepStrictEqual([history, ttlMs, keys], [5, 60_000, 1]);
  await ours.put("a.b", { n: 2 });
  await theirs.put("a.b", '{"n":3}');
  const values = (await ours.history("a.b")).map(({ value }) => (value as { n: number }).n);
  deepStrictEqual(values, [1, 2, 3]);
  deepStrictEqual((await tools.manager.streams.info("KV_theirs")).config, before);
});

test("a bucket of ours is one for @nats-io/kv", async () => {
  await using tools = await toolsOf(server.url);
  await using bus = await connect({ servers: server.url, logger });
  const ours = await bus.kv("ours", { history: 3, ttlMs: 60_000, maxValueBytes: 1_000 });
  await tools.bucket("like_ours", { history: 3, ttl: 60_000, maxValueSize: 1_000 });
  const [is, like] = await Promise.all(
    ["KV_ours", "KV_like_ours"].map(async (name) =>
      (await tools.manager.streams.info(name)).config
    ),
  );
  // What differs: its name, that no message is removed behind a watch, and what newer servers can do.
  const own = new Set(["name", "subjects", "description", "deny_delete", "metadata"]);
  if (hasMessageTtl) ["allow_msg_ttl", "subject_delete_marker_ttl"].forEach((key) => own.add(key));
  const shared = (config: StreamConfig | undefined) =>
    Object.fromEntries(Object.entries(config ?? {}).filter(([key]) => !own.has(key)));
  deepStrictEqual(shared(is), shared(like));

  const theirs = await tools.kvm.open("ours");
  const revision = await ours.put("user:1", { name: "John" });
  const entry = await theirs.get("user=3A1");
  deepStrictEqual([entry?.json(), entry?.revision], [{ name: "John" }, revision]);
  await ours.delete("user:1");
  strictEqual((await theirs.get("user=3A1"))?.operation, "DEL");
  await ours.purge("user:1");
  strictEqual((await theirs.get("user=3A1"))?.operation, "PURGE");
  const status = await theirs.status();
  deepStrictEqual([status.history, status.ttl], [3, 60_000]);
});

test("what @nats-io/kv removes is removed, created anew, and told", async () => {
  await using tools = await toolsOf(server.url);
  await using bus = await connect({ servers: server.url, logger });
  const theirs = await tools.bucket("removed");
  const ours = await bus.kv<number>("removed");
  const told = tell(ours);
  await told.watch.ready;
  const words: string[] = [];
  // What is replaced before it was delivered is not told: one step after the other.
  const tells = async (word: string): Promise<void> => {
    words.push(`${word} a`);
    await until(`${word} is told`, () => told.changes.length === words.length);
  };
  for (const remove of ["delete", "purge"] as const) {
    await theirs.put("a", "1");
    await tells("put");
    await theirs[remove]("a");
    await tells(remove);
    strictEqual(await ours.get("a"), undefined);
    deepStrictEqual([await ours.exists("a"), await ours.keys()], [false, []]);
    const revision = await ours.put("a", 2, { createOnly: true });
    await tells("put");
    await rejects(theirs.create("a", "3"));
    await theirs.update("a", "4", revision);
    await tells("put");
    ok(ConflictError.is(await errorOf(ours.put("a", 5, { revision }))));
    strictEqual(await ours.delete("a"), true);
    await tells("delete");
    await theirs.create("a", "6");
    await tells("put");
    strictEqual((await ours.get("a"))?.value, 6);
    await ours.purge("a");
    await tells("purge");
  }
  deepStrictEqual(told.words(), words);
});

test("a watch of @nats-io/kv is told what becomes of our keys", async () => {
  await using tools = await toolsOf(server.url);
  await using bus = await connect({ servers: server.url, logger });
  const ours = await bus.kv("watched");
  const watch = await (await tools.bucket("watched")).watch();
  const seen: string[] = [];
  const reading = (async () => {
    for await (const { operation, key, revision } of watch) {
      seen.push(`${operation} ${key} ${revision}`);
    }
  })();
  await ours.put("a b", 1);
  await ours.delete("a b");
  await ours.put("c", 1);
  await ours.purge("c");
  await until("all is told", () => seen.length === 4);
  deepStrictEqual(seen, ["PUT a=20b 1", "DEL a=20b 2", "PUT c 3", "PURGE c 4"]);
  watch.stop();
  await reading;
});

test("keys that the tools of NATS have written are read, listed and removed under their own names", async () => {
  await using tools = await toolsOf(server.url);
  await using bus = await connect({ servers: server.url, logger });
  const theirs = await tools.bucket("keys");
  const ours = await bus.kv("keys");
  const keys = ["a=b", "base64==", "=", "x=41", "a=3Ab", "a/b.c_d-e", "=3D"];
  for (const key of keys) await theirs.put(key, JSON.stringify(key));
  const listed = await ours.keys();
  strictEqual(listed.length, keys.length);
  const values = await Promise.all(listed.map(async (key) => (await ours.get(key))?.value));
  deepStrictEqual(values.sort(), [...keys].sort());
  // What only looks like an escape is what it is; what is one is the key that it stands for.
  for (const key of ["a=b", "base64==", "x=41", "a/b.c_d-e"]) ok(listed.includes(key), key);
  ok(listed.includes("a:b") && listed.includes("") && listed.includes("="));
  for (const key of listed) strictEqual(await ours.delete(key), true);
  strictEqual((await theirs.get("a=3Ab"))?.operation, "DEL");
});

test("a value that is no JSON is said by get(), and disturbs nobody else", async () => {
  const lines: LogLine[] = [];
  await using tools = await toolsOf(server.url);
  await using bus = await connect({ servers: server.url, logger: recordingLogger(lines) });
  const theirs = await tools.bucket("garbage");
  const ours = await bus.kv("garbage");
  const told = tell(ours);
  await told.watch.ready;
  await theirs.put("empty", "");
  const revision = await theirs.put("text", "hello");
  await theirs.put("bytes", new Uint8Array([0xff, 0, 1]));
  await theirs.put("fine", "1");
  await until("the fine one is told", () => told.changes.length === 1);
  deepStrictEqual(told.words(), ["put fine"]);
  const warned = lines.filter(({ level }) => level === "warn");
  deepStrictEqual(warned.map(({ fields }) => fields.key), ["empty", "text", "bytes"]);
  const error = await errorOf(ours.get("text"));
  ok(SerializationError.is(error));
  match(
    error.message,
    new RegExp(`^Cannot read "text" of the bucket garbage at revision ${revision}: `),
  );
  deepStrictEqual([error.details.key, error.details.revision], ["text", revision]);
  strictEqual(await ours.exists("text"), true);
  deepStrictEqual(await ours.keys(), ["bytes", "empty", "fine", "text"]);
  await ours.put("text", "well");
  await ours.delete("empty");
  await until("what becomes of them is told", () => told.changes.length === 3);
  deepStrictEqual(told.words(), ["put fine", "put text", "delete empty"]);
});

test("a time that @nats-io/kv gives a key is told, and its end is told once", async () => {
  await using tools = await toolsOf(server.url);
  await using bus = await connect({ servers: server.url, logger });
  const theirs = await tools.bucket("timed", { markerTTL: 10_000 });
  const ours = await bus.kv("timed");
  // @nats-io/kv says nothing of it, and an older server would keep the key for ever.
  strictEqual((await ours.status()).expiry, hasMessageTtl ? "server" : "client");
  const told = tell(ours);
  await told.watch.ready;
  await theirs.create("a", "1", "1s");
  const entry = await ours.get("a");
  strictEqual(entry!.expiresAt! - entry!.createdAt, 1_000);
  await until("its end is told", () => told.changes.length === 2);
  await pause(2_500);
  deepStrictEqual(told.words(), ["put a", "purge a"]);
  deepStrictEqual([await ours.get("a"), await ours.keys()], [undefined, []]);
  await ours.put("a", 2, { createOnly: true });
});

test("where the server cannot end keys in a bucket of @nats-io/kv, those who use it do", async () => {
  await using tools = await toolsOf(server.url);
  await using bus = await connect({ servers: server.url, logger });
  const theirs = await tools.bucket("untimed");
  const ours = await bus.kv("untimed");
  strictEqual((await ours.status()).expiry, "client");
  const told = tell(ours);
  await told.watch.ready;
  await ours.put("a", 1, { ttlMs: 400 });
  await until("its end is told", () => told.changes.length === 2);
  strictEqual((await theirs.get("a"))?.operation, "PURGE");
  // Without a watch, whoever reads it.
  await told.watch.stop();
  await ours.put("b", 1, { ttlMs: 100 });
  await until("it has ended", async () => await ours.get("b") === undefined);
  await until("others see it", async () => (await theirs.get("b"))?.operation === "PURGE");
});

test("a bucket of the original for Python is used as it is", async () => {
  await using tools = await toolsOf(server.url);
  await using bus = await connect({ servers: server.url, logger });
  await tools.manager.streams.add({
    name: "KV_original",
    subjects: ["$KV.original.>"],
    max_msgs_per_subject: 1,
    discard: "new",
    allow_rollup_hdrs: true,
    deny_delete: true,
    allow_direct: false,
  });
  const kv = await bus.kv("original", { history: 1 });
  const told = tell(kv);
  await told.watch.ready;
  await kv.put("service-instances__svc__svc-1", { status: "ACTIVE" });
  await kv.put("short", 1, { ttlMs: 300 });
  const { config } = await tools.manager.streams.info("KV_original");
  strictEqual(config.allow_direct, false);
  await until("all is told", () => told.changes.length === 3);
  deepStrictEqual(told.words(), ["put service-instances__svc__svc-1", "put short", "purge short"]);
});
