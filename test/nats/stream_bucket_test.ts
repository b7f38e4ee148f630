// KV buckets: streams in which others put, read and remove with `@nats-io/kv`.

import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { Kvm } from "@nats-io/kv";
import { AegisError } from "../../mod.ts";
import { startNatsServer } from "../../tools/nats_server.ts";
import type { StreamConfig } from "../../src/ports/stream.ts";
import { manager, open, streamConfig } from "./stream_tools.ts";

const SOON_MS = 5_000;

function bucketConfig(settings: Partial<StreamConfig> = {}): StreamConfig {
  return streamConfig({
    name: "KV_b",
    subjects: ["$KV.b.>"],
    discard: "new",
    maxMessagesPerSubject: 1,
    bucket: true,
    direct: false,
    ...settings,
  });
}

test("what is published to a bucket is read by others as a value, and what they put, update and delete is read here", async () => {
  await using server = await startNatsServer();
  await using opened = await open(server.url);
  const { admin, store } = opened.streams;
  await admin.createStream(bucketConfig());
  const kv = await new Kvm(opened.connection).open("b");
  const put = (body: string, expected: number) => {
    const headers = { "Nats-Expected-Last-Subject-Sequence": String(expected) };
    return store.publish("$KV.b.k", body, headers, SOON_MS);
  };
  const last = async () => {
    const found = await store.last("KV_b", "$KV.b.k");
    return [found?.sequence, new TextDecoder().decode(found?.data), found?.headers["KV-Operation"]];
  };
  strictEqual((await put("first", 0)).sequence, 1);
  const entry = await kv.get("k");
  deepStrictEqual([entry?.string(), entry?.revision, entry?.operation], ["first", 1, "PUT"]);
  strictEqual(await kv.update("k", "second", 1), 2);
  deepStrictEqual(await last(), [2, "second", undefined]);
  await rejects(put("third", 1), (error) => {
    ok(AegisError.is(error, "CONFLICT"), `${error}`);
    ok(error.message.includes("$KV.b.k"), error.message);
    deepStrictEqual(error.details, { sequence: 2 });
    return true;
  });
  strictEqual((await put("third", 2)).sequence, 3);
  await rejects(kv.update("k", "fourth", 2));
  await kv.delete("k");
  deepStrictEqual(await last(), [4, "", "DEL"]);
  strictEqual((await admin.stream("KV_b"))?.messages, 1);
});

test("of a bucket nothing is removed by its sequence, and only its leader is asked what it holds", async () => {
  await using server = await startNatsServer();
  await using opened = await open(server.url);
  await using nats = await manager(server.url);
  const { admin, store } = opened.streams;
  await admin.createStream(bucketConfig());
  await store.publish("$KV.b.k", "first", {}, SOON_MS);
  strictEqual(await store.remove("KV_b", 1), false);
  strictEqual((await store.last("KV_b", "$KV.b.k"))?.sequence, 1);
  const { config } = await nats.jsm.streams.info("KV_b");
  deepStrictEqual(
    [config.allow_direct, config.allow_rollup_hdrs, config.deny_delete, config.deny_purge],
    [false, true, true, false],
  );
  deepStrictEqual((await admin.stream("KV_b"))?.config, bucketConfig());
});

test("a bucket that others made can become one whose messages cannot be removed, and that stays", async () => {
  await using server = await startNatsServer();
  await using opened = await open(server.url);
  await using nats = await manager(server.url);
  const { admin } = opened.streams;
  await new Kvm(opened.connection).create("b");
  const there = (await admin.stream("KV_b"))!.config;
  strictEqual(there.bucket, false);
  await admin.updateStream({ ...there, bucket: true });
  deepStrictEqual((await admin.stream("KV_b"))?.config, { ...there, bucket: true });
  strictEqual((await nats.jsm.streams.info("KV_b")).config.allow_direct, true);
  await rejects(admin.updateStream(there), (error) => {
    ok(AegisError.is(error, "CONFLICT"), `${error}`);
    deepStrictEqual(error.details, { setting: "bucket", is: true, wanted: false });
    return true;
  });
});
