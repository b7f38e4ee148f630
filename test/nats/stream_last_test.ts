// The last message of a subject on a server: from whom it comes, and what is said where there is nobody.

import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { AegisError, TimeoutError, UnavailableError } from "../../mod.ts";
import { startNatsServer } from "../../tools/nats_server.ts";
import { outcome, until, within } from "./outage_tools.ts";
import { makeStream, manager, open, streamConfig } from "./stream_tools.ts";

const SOON_MS = 5_000;
const DIRECT = { direct: true } as const;
const decoder = new TextDecoder();

test("a mirror that answers in place of its origin is not believed, neither what it has nor what it has not", async () => {
  await using server = await startNatsServer();
  await using opened = await open(server.url);
  await using nats = await manager(server.url);
  const { store, view } = opened.streams;
  await makeStream(opened.streams, { maxMessagesPerSubject: 1 });
  await store.publish("s.a", "old", {}, SOON_MS);
  await nats.jsm.streams.add({ name: "M", mirror: { name: "S" }, mirror_direct: true });
  await until("the mirror answers", async () => {
    const found = await nats.jsm.direct.getMessage("S", { last_by_subj: "s.a" });
    return found?.header.get("Nats-Stream") === "M";
  });
  // A mirror keeps what its origin purges.
  await view!.purge("S", { filter: "s.a" });
  for (let i = 0; i < 50; i++) strictEqual(await store.last("S", "s.a", DIRECT), undefined);
  for (let i = 0; i < 50; i++) {
    const { sequence } = await store.publish(`s.${i}`, String(i), {}, SOON_MS);
    const found = await store.last("S", `s.${i}`, DIRECT);
    deepStrictEqual([found?.sequence, decoder.decode(found?.data)], [sequence, String(i)]);
  }
});

test("what was published is what is read next, however many do so", async () => {
  await using server = await startNatsServer();
  await using opened = await open(server.url);
  await using other = await open(server.url);
  await makeStream(opened.streams, { maxMessagesPerSubject: 1 });
  const stores = [opened.streams.store, other.streams.store];
  await Promise.all(Array.from({ length: 200 }, async (_, i) => {
    for (let round = 0; round < 5; round++) {
      const { sequence } = await stores[i % 2]!.publish(`s.${i}`, `${round}`, {}, SOON_MS);
      const found = await stores[(i + round) % 2]!.last("S", `s.${i}`, DIRECT);
      deepStrictEqual([found?.sequence, decoder.decode(found?.data)], [sequence, `${round}`]);
    }
  }));
});

test("a subject that is too long for a question of its own is asked for all the same", async () => {
  await using server = await startNatsServer();
  await using opened = await open(server.url);
  const { store } = opened.streams;
  await makeStream(opened.streams);
  const subject = `s.${"x".repeat(3_900)}`;
  await store.publish(subject, "v", {}, SOON_MS);
  strictEqual((await store.last("S", subject, DIRECT))?.subject, subject);
});

test("a large message is read either way, with whatever bytes it has", async () => {
  await using server = await startNatsServer();
  await using opened = await open(server.url);
  const { store } = opened.streams;
  await makeStream(opened.streams);
  const body = Uint8Array.from({ length: 700_000 }, (_, i) => (i * 7) % 256);
  await store.publish("s.a", body, { Name: "grün" }, SOON_MS);
  for (const options of [{}, DIRECT]) {
    const found = await store.last("S", "s.a", options);
    deepStrictEqual(Buffer.compare(found!.data, body), 0);
    deepStrictEqual(found!.headers, { Name: "grün" });
  }
});

test("a stream's name that is none is the caller's mistake", async () => {
  await using server = await startNatsServer();
  await using opened = await open(server.url);
  for (const name of ["", "a.b", "a b", "*"]) {
    await rejects(opened.streams.store.last(name, "s.a"), TypeError);
    await rejects(opened.streams.store.last(name, "s.a", DIRECT), TypeError);
    await rejects(opened.streams.store.read(name, 1, ">"), TypeError);
  }
});

test("while the server is away, stands still, or the bus is closed, that is said", async () => {
  await using server = await startNatsServer();
  await using opened = await open(server.url, { pingInterval: 60_000 });
  const { store } = opened.streams;
  await makeStream(opened.streams);
  await store.publish("s.a", "v", {}, SOON_MS);
  await server.suspend();
  for (const options of [{ timeoutMs: 300 }, { timeoutMs: 300, direct: true }]) {
    const { error, ms } = await outcome(store.last("S", "s.a", options));
    ok(TimeoutError.is(error), `${error}`);
    ok(ms >= 290 && ms < 2_000, `${ms}`);
  }
  const asked = [{}, DIRECT].map((options) => outcome(store.last("S", "s.a", options)));
  server.resume();
  for (const { error } of await Promise.all(asked)) strictEqual(error, undefined);
  await server.suspend();
  const waiting = [{}, DIRECT].map((options) => outcome(store.last("S", "s.a", options)));
  await server.kill();
  for (const { error } of await within(SOON_MS, "all end", Promise.all(waiting))) {
    ok(UnavailableError.is(error), `${error}`);
    strictEqual(error.details.sent, true);
  }
  for (const options of [{}, DIRECT]) {
    const { error } = await outcome(store.last("S", "s.a", options));
    ok(UnavailableError.is(error), `${error}`);
    strictEqual(error.details.sent, false);
  }
  await opened.transport.close();
  for (const options of [{}, DIRECT]) {
    const { error } = await outcome(store.last("S", "s.a", options));
    ok(AegisError.is(error, "CLOSED"), `${error}`);
  }
});

test("where JetStream is off that is said", async () => {
  await using server = await startNatsServer({ jetstream: false });
  await using opened = await open(server.url);
  for (const options of [{}, DIRECT]) {
    const { error } = await outcome(opened.streams.store.last("S", "s.a", options));
    ok(AegisError.is(error, "JETSTREAM_DISABLED"), `${error}`);
  }
});

test("whether messages may end, and whether any server may answer, is as the stream has it", async () => {
  await using server = await startNatsServer();
  await using opened = await open(server.url);
  await using nats = await manager(server.url);
  const { admin, view } = opened.streams;
  const { hasMessageTtl } = view!;
  await makeStream(opened.streams, { direct: false });
  const info = async () => (await nats.jsm.streams.info("S")).config;
  strictEqual((await info()).allow_direct, false);
  await admin.updateStream(streamConfig({ direct: true, messageTtl: true }));
  const { allow_direct, allow_msg_ttl, subject_delete_marker_ttl } = await info();
  deepStrictEqual(
    [allow_direct, allow_msg_ttl, subject_delete_marker_ttl],
    hasMessageTtl ? [true, true, 1e9] : [true, undefined, undefined],
  );
  deepStrictEqual((await admin.stream("S"))?.config.messageTtl, hasMessageTtl);
  await admin.updateStream(
    streamConfig({ direct: false, messageTtl: hasMessageTtl, maxMessagesPerSubject: 1 }),
  );
  if (!hasMessageTtl) return;
  strictEqual((await info()).subject_delete_marker_ttl, 3_600e9);
  // Of what others have set up without markers nobody would be told.
  await nats.jsm.streams.update("S", { subject_delete_marker_ttl: 0 });
  strictEqual((await admin.stream("S"))?.config.messageTtl, false);
});
