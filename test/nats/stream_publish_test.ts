// Publishing to streams on a server: what went wrong is said at once, and says whether the message may be stored.

import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { AegisError, UnavailableError } from "../../mod.ts";
import { startNatsServer } from "../../tools/nats_server.ts";
import { outcome, pause, until, wayTo, within } from "./outage_tools.ts";
import { open, put, streamConfig } from "./stream_tools.ts";

const LONG_MS = 30_000;
const SOON_MS = 5_000;

test("where no stream stores a subject publishing is refused at once, and the other messages are stored", async () => {
  await using server = await startNatsServer();
  await using opened = await open(server.url);
  const { admin, store } = opened.streams;
  await admin.createStream(streamConfig());
  const outcomes = await Promise.all(
    Array.from(
      { length: 100 },
      (_, i) => outcome(store.publish(i % 2 === 0 ? "s.a" : "t.a", "", {}, LONG_MS)),
    ),
  );
  for (const [index, { error, ms }] of outcomes.entries()) {
    ok(ms < SOON_MS, `${ms} ms`);
    strictEqual(error === undefined, index % 2 === 0, `${error}`);
    if (error !== undefined) ok(AegisError.is(error, "STREAM_NOT_FOUND"), `${error}`);
  }
  strictEqual((await admin.stream("S"))?.messages, 50);
});

test("without JetStream everything is refused, and says how to turn it on", async () => {
  await using server = await startNatsServer({ jetstream: false });
  await using opened = await open(server.url);
  const { admin, store } = opened.streams;
  const isDisabled = (error: unknown): true => {
    ok(AegisError.is(error, "JETSTREAM_DISABLED"), `${error}`);
    ok(error.message.includes("nats-server -js"), error.message);
    return true;
  };
  await rejects(store.publish("s.a", "", {}, LONG_MS), isDisabled);
  await rejects(store.read("S", 1, ">"), isDisabled);
  await rejects(store.remove("S", 1), isDisabled);
  await rejects(admin.createStream(streamConfig()), isDisabled);
  await rejects(admin.updateStream(streamConfig()), isDisabled);
  await rejects(admin.stream("S"), isDisabled);
  await rejects(admin.streamOf("s.a"), isDisabled);
  await rejects(admin.consumer("S", "C"), isDisabled);
  await rejects(admin.deleteConsumer("S", "C"), isDisabled);
  const health: (Error | undefined)[] = [];
  const pull = store.pull("S", "C", {
    onDelivery() {},
    onGone() {},
    onHealth: (error) => void health.push(error),
  });
  pull.ask(1);
  await until("the pull says so", () => health.length > 0);
  isDisabled(health[0]);
  strictEqual(pull.asked, 1);
});

test("a replica count that the server cannot have is a conflict with both values", async () => {
  await using server = await startNatsServer();
  await using opened = await open(server.url);
  await rejects(opened.streams.admin.createStream(streamConfig({ replicas: 3 })), (error) => {
    ok(AegisError.is(error, "CONFLICT"), `${error}`);
    deepStrictEqual(error.details, { setting: "replicas", is: 1, wanted: 3 });
    return true;
  });
});

test("while the bus is away publishing is refused, and nothing was sent", async () => {
  await using server = await startNatsServer();
  await using opened = await open(server.url);
  const { admin, store } = opened.streams;
  await admin.createStream(streamConfig());
  await server.kill();
  await until("it is noticed", () => opened.transport.status === "reconnecting");
  for (const asked of [store.publish("s.a", "", {}, LONG_MS), admin.stream("S")]) {
    await rejects(asked, (error) => {
      ok(UnavailableError.is(error), `${error}`);
      strictEqual(error.details.sent, false);
      return true;
    });
  }
  await server.restart();
  await until("it is back", () => opened.transport.status === "connected");
  deepStrictEqual(await store.publish("s.a", "", {}, LONG_MS), {
    stream: "S",
    sequence: 1,
    duplicate: false,
  });
});

test("what waits for its answer when the connection breaks ends at once, as maybe stored, and its id says which", async () => {
  await using server = await startNatsServer();
  await using way = await wayTo(server);
  await using opened = await open(way.url);
  await using other = await open(server.url);
  const { admin, store } = opened.streams;
  await admin.createStream(streamConfig());
  await store.publish("s.first", "", {}, LONG_MS);
  await server.suspend();
  const started = Array.from({ length: 500 }, (_, i) => {
    return outcome(store.publish("s.a", "", { "Nats-Msg-Id": String(i) }, LONG_MS));
  });
  const asked = outcome(admin.stream("S"));
  // What is written goes its way before that is cut.
  await pause(50);
  await way.cut();
  const outcomes = await within(SOON_MS, "all of them end", Promise.all([...started, asked]));
  for (const { error } of outcomes) {
    ok(UnavailableError.is(error), `${error}`);
    strictEqual(error.details.sent, true);
  }
  server.resume();
  await way.mend();
  await until("it is back", () => opened.transport.status === "connected");
  const again = await Promise.all(
    Array.from(
      { length: 500 },
      (_, i) => store.publish("s.a", "", { "Nats-Msg-Id": String(i) }, LONG_MS),
    ),
  );
  const state = await other.streams.admin.stream("S");
  strictEqual(state?.messages, 501);
  strictEqual(new Set(again.map(({ sequence }) => sequence)).size, 500);
});

test("a late answer does not end another message", async () => {
  await using server = await startNatsServer();
  await using opened = await open(server.url);
  const { admin, store } = opened.streams;
  await admin.createStream(streamConfig());
  await server.suspend();
  const late = Array.from({ length: 20 }, () => outcome(store.publish("s.late", "", {}, 50)));
  for (const { error } of await Promise.all(late)) {
    ok(AegisError.is(error, "TIMEOUT"), `${error}`);
    strictEqual(error.details.sent, true);
  }
  server.resume();
  const acks = await Promise.all(
    Array.from({ length: 20 }, () => store.publish("s.next", "", {}, LONG_MS)),
  );
  deepStrictEqual(
    acks.map(({ sequence }) => sequence),
    Array.from({ length: 20 }, (_, i) => 21 + i),
  );
});

test("a user who may not publish to a subject is told at once, and may publish to others", async () => {
  await using server = await startNatsServer({
    config: `authorization { users: [
      { user: "all", password: "p" }
      { user: "some", password: "p", permissions: { publish: { deny: ["s.denied", "$JS.API.STREAM.NAMES"] } } }
      { user: "deaf", password: "p", permissions: { subscribe: { deny: ["_INBOX.>"] } } }
    ] }`,
  });
  await using all = await open(server.url, { user: "all", pass: "p" });
  await all.streams.admin.createStream(streamConfig());
  await using some = await open(server.url, { user: "some", pass: "p" });
  const { store } = some.streams;
  const [denied, allowed, unknown] = await Promise.all([
    outcome(store.publish("s.denied", "", {}, LONG_MS)),
    outcome(store.publish("s.allowed", "", {}, LONG_MS)),
    outcome(store.publish("t.unknown", "", {}, LONG_MS)),
  ]);
  ok(AegisError.is(denied.error, "PERMISSION_DENIED"), `${denied.error}`);
  ok(denied.ms < SOON_MS);
  strictEqual(allowed.error, undefined);
  ok(AegisError.is(unknown.error, "STREAM_NOT_FOUND"), `${unknown.error}`);
  await rejects(
    some.streams.admin.streamOf("s.a"),
    (error) => AegisError.is(error, "PERMISSION_DENIED"),
  );
  await using deaf = await open(server.url, { user: "deaf", pass: "p" });
  const { error, ms } = await outcome(deaf.streams.store.publish("s.a", "", {}, LONG_MS));
  ok(AegisError.is(error, "PERMISSION_DENIED"), `${error}`);
  ok(ms < SOON_MS);
});

test("streams of a domain are reached by its name", async () => {
  const folder = await mkdtemp(join(tmpdir(), "domain-"));
  await using _folder = {
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true, maxRetries: 5 }),
  };
  await using server = await startNatsServer({
    config: `jetstream { domain: "hub", store_dir: ${JSON.stringify(folder)} }`,
    jetstream: false,
  });
  await using opened = await open(server.url, {}, "hub");
  await opened.streams.admin.createStream(streamConfig({ storage: "memory" }));
  await opened.streams.admin.putConsumer("S", {
    name: "C",
    description: "",
    filter: "s.>",
    from: "all",
    ackWaitMs: 1_000,
    maxAckPending: 10,
    inactiveThresholdMs: 0,
  });
  await put(opened.streams, 3);
  const sequences: number[] = [];
  const pull = opened.streams.store.pull("S", "C", {
    onDelivery(delivery) {
      sequences.push(delivery.sequence);
      delivery.ack();
    },
    onGone() {},
    onHealth() {},
  });
  pull.ask(3);
  await until("all are delivered", () => sequences.length === 3);
  await pull.settled(SOON_MS);
  strictEqual((await opened.streams.admin.consumer("S", "C"))?.ackFloor, 3);
  await using elsewhere = await open(server.url, {}, "other");
  await rejects(
    elsewhere.streams.admin.stream("S"),
    (error) => AegisError.is(error, "JETSTREAM_DISABLED"),
  );
});
