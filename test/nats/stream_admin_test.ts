// Streams and consumers on a server: what differs is named with both values, and what others have set stays.

import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { AegisError, ConflictError } from "../../mod.ts";
import { startNatsServer } from "../../tools/nats_server.ts";
import { pause } from "./outage_tools.ts";
import { consumerConfig, make, manager, open, put, streamConfig, take } from "./stream_tools.ts";

/** Rejects with a conflict whose message names some words and whose details are these. */
function conflict(details: Record<string, unknown>, ...words: readonly string[]) {
  return (error: unknown): true => {
    ok(ConflictError.is(error), `${error}`);
    for (const word of words) ok(error.message.includes(word), error.message);
    deepStrictEqual(error.details, details);
    return true;
  };
}

test("a conflict names each setting that differs, with both values", async () => {
  await using server = await startNatsServer();
  await using opened = await open(server.url);
  const { admin } = opened.streams;
  await make(opened.streams, { maxMessages: 10 });
  await rejects(
    admin.createStream(streamConfig({ maxMessages: 20, maxAgeMs: 60_000 })),
    conflict(
      { setting: "maxAgeMs", is: 0, wanted: 60_000 },
      "S",
      "maxAgeMs is 0, wanted 60000",
      "maxMessages is 10, wanted 20",
    ),
  );
  await rejects(
    admin.updateStream(streamConfig({ storage: "memory", maxMessages: 20 })),
    conflict({ setting: "storage", is: "file", wanted: "memory" }, "storage"),
  );
  await rejects(
    admin.putConsumer("S", consumerConfig({ from: { sequence: 3 } })),
    conflict({ setting: "from", is: "all", wanted: { sequence: 3 } }, "C", "S"),
  );
  await rejects(
    admin.createStream(streamConfig({ name: "T", subjects: ["t.>", "s.a"] })),
    conflict({ stream: "S", subject: "s.a" }, "the stream S stores s.a"),
  );
});

test("limits that a server gives by itself are no differences", async () => {
  await using server = await startNatsServer();
  await using opened = await open(server.url);
  const { admin } = opened.streams;
  for (
    const settings of [
      {},
      { maxAgeMs: 1_000 },
      { duplicateWindowMs: 0 },
      { duplicateWindowMs: 0, maxAgeMs: 5_000 },
      { maxAgeMs: 400 * 86_400_000 + 1 },
      { subjects: ["s.b", "s.a"] },
    ]
  ) {
    const name = `S${Object.values(settings).join("_").replaceAll(/\W/g, "_")}`;
    const subjects = [`${name}.b`, `${name}.a`];
    const config = streamConfig({ subjects, ...settings, name });
    const given = "subjects" in settings ? { ...config, subjects: ["x.b", "x.a"] } : config;
    await admin.createStream(given);
    await admin.createStream({ ...given, subjects: [...given.subjects].reverse() });
    strictEqual((await admin.stream(name))?.config.maxAgeMs, given.maxAgeMs);
  }
});

test("what others have set beside the settings of the port stays when those change", async () => {
  await using server = await startNatsServer();
  await using opened = await open(server.url);
  await using nats = await manager(server.url);
  await nats.jsm.streams.add({
    name: "S",
    subjects: ["s.>"],
    deny_delete: true,
    deny_purge: true,
  });
  await nats.jsm.consumers.add("S", {
    durable_name: "C",
    ack_policy: "explicit",
    filter_subject: "s.>",
    max_deliver: 7,
    max_waiting: 20,
  });
  await opened.streams.admin.updateStream(streamConfig({ maxMessages: 100 }));
  await opened.streams.admin.putConsumer("S", consumerConfig({ ackWaitMs: 7_000 }));
  const { config } = await nats.jsm.streams.info("S");
  deepStrictEqual(
    [config.deny_delete, config.deny_purge, config.max_msgs],
    [true, true, 100],
  );
  const consumer = await nats.jsm.consumers.info("S", "C");
  deepStrictEqual(
    [consumer.config.max_deliver, consumer.config.max_waiting, consumer.config.ack_wait],
    [7, 20, 7_000_000_000],
  );
});

test("a consumer's filter, its ack wait and its limits can be changed, and its place stays", async () => {
  await using server = await startNatsServer();
  await using opened = await open(server.url);
  const { admin, store } = opened.streams;
  await make(opened.streams);
  await put(opened.streams, 3);
  const taken = take(opened.streams, 3, (delivery) => delivery.ack());
  await taken.pull.settled(1_000);
  const changes = {
    filter: "s.other",
    ackWaitMs: 9_000,
    maxAckPending: 0,
    inactiveThresholdMs: 60_000,
    description: "changed",
  };
  await admin.putConsumer("S", consumerConfig(changes));
  await store.publish("s.other", "other", {}, 5_000);
  const state = await admin.consumer("S", "C");
  deepStrictEqual(state?.config, consumerConfig(changes));
});

test("consumers that are made by several at once are made once, and those that differ are refused", async () => {
  await using server = await startNatsServer();
  await using opened = await open(server.url);
  await using other = await open(server.url);
  await opened.streams.admin.createStream(streamConfig());
  const made = Array.from(
    { length: 10 },
    (_, i) =>
      [opened, other][i % 2]!.streams.admin.putConsumer(
        "S",
        consumerConfig({ ackWaitMs: 5_000 + (i % 2) * 1_000 }),
      ),
  );
  await Promise.all(made);
  const ackWaitMs = (await opened.streams.admin.consumer("S", "C"))?.config.ackWaitMs;
  ok(ackWaitMs === 5_000 || ackWaitMs === 6_000, `${ackWaitMs}`);
});

test("a name that cannot be is a TypeError", async () => {
  await using server = await startNatsServer();
  await using opened = await open(server.url);
  const { admin } = opened.streams;
  for (const name of ["a.b", "a b", "a*", "a>"]) {
    await rejects(admin.createStream(streamConfig({ name })), TypeError);
    await rejects(admin.stream(name), TypeError);
    await rejects(admin.consumer("S", name), TypeError);
    await rejects(admin.consumers(name), TypeError);
  }
});

test("a stream is made also while the server clears away after one that was deleted", async () => {
  await using server = await startNatsServer();
  await using opened = await open(server.url);
  await using nats = await manager(server.url);
  const { streams } = nats.jsm;
  // That the server is just removing the folder of all streams comes about a few times in a hundred.
  for (let round = 0; round < 250; round++) {
    await streams.add({ name: "OTHER", storage: "memory" });
    await Promise.all([
      opened.streams.admin.createStream(streamConfig()),
      streams.delete("OTHER"),
    ]);
    await streams.delete("S");
  }
});

test("a stream that the server has no place for is made once it has, and otherwise its words are told", async () => {
  await using server = await startNatsServer();
  await using opened = await open(server.url);
  const { admin } = opened.streams;
  const place = join(server.storeDir, "jetstream");
  await rm(place, { recursive: true });
  await writeFile(place, "no folder");
  await rejects(
    admin.createStream(streamConfig()),
    (error) =>
      AegisError.is(error, "NATS") &&
      error.message ===
        'Cannot make the stream S: the server said "error creating store for stream"',
  );
  const made = admin.createStream(streamConfig());
  await pause(50);
  await rm(place);
  await made;
  strictEqual((await admin.stream("S"))?.config.storage, "file");
});

test("streams of others are described as they are", async () => {
  await using server = await startNatsServer();
  await using opened = await open(server.url);
  await using nats = await manager(server.url);
  await nats.jsm.streams.add({
    name: "S",
    description: "of a test",
    subjects: ["s.>"],
    retention: "interest",
  });
  strictEqual((await opened.streams.admin.stream("S"))?.config.retention as string, "interest");
  await rejects(
    opened.streams.admin.createStream(streamConfig()),
    (error) => AegisError.is(error, "CONFLICT") && error.details.setting === "retention",
  );
});

test("the names of all consumers are given, also where they are more than one answer holds", async () => {
  await using server = await startNatsServer();
  await using opened = await open(server.url);
  await using nats = await manager(server.url);
  const { admin } = opened.streams;
  deepStrictEqual(await admin.consumers("S"), []);
  await nats.jsm.streams.add({ name: "S", storage: "memory", max_consumers: 2_000 });
  deepStrictEqual(await admin.consumers("S"), []);
  const names = Array.from({ length: 1_100 }, (_, i) => `C${10_000 + i}`);
  await Promise.all(
    names.map((name) =>
      nats.jsm.consumers.add("S", { durable_name: name, ack_policy: "explicit" })
    ),
  );
  deepStrictEqual([...await admin.consumers("S")].sort(), names);
});
