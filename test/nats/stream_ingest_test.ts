// Bursts of messages on a server: stored in order and once, and broken loudly.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { createInbox } from "@nats-io/nats-core";
import { AegisError } from "../../mod.ts";
import type { Ingest } from "../../src/ports/stream.ts";
import { findNatsServer, startNatsCluster, startNatsServer } from "../../tools/nats_server.ts";
import { pause, until, within } from "./outage_tools.ts";
import { makeStream, manager, open, type Opened, streamConfig } from "./stream_tools.ts";

const LONG_MS = 30_000;

interface Burst {
  readonly ingest: Ingest;
  readonly counts: number[];
  readonly errors: Error[];
}

/** Bursts are of servers since 2.14: an older one never begins one, and what is published one by one is stored there. */
const { version } = await findNatsServer();
const [major = 0, minor = 0] = version.split(".").map(Number);
const hasBursts = major > 2 || (major === 2 && minor >= 14);

function burstTest(name: string, run: () => Promise<void>): void {
  test(
    name,
    hasBursts ? run : async () => {
      await using server = await startNatsServer();
      await using opened = await open(server.url);
      await opened.streams.admin.createStream(streamConfig());
      const { ingest } = opened.streams.store;
      strictEqual(ingest?.("S", { onStored() {}, onBroken() {} }), undefined);
    },
  );
}

function begin({ streams }: Opened): Burst {
  const counts: number[] = [];
  const errors: Error[] = [];
  const ingest = streams.store.ingest!("S", {
    onStored: (count) => void counts.push(count),
    onBroken: (error) => void errors.push(error),
  });
  ok(ingest !== undefined);
  return { ingest, counts, errors };
}

/** Adds messages whose ids are their numbers. */
async function addAll({ ingest }: Burst, count: number, first = 0): Promise<void> {
  for (let i = first; i < first + count; i++) {
    if (!ingest.hasRoom) await within(LONG_MS, "there is room", ingest.ready());
    ingest.add("s.n", String(i), { "Nats-Msg-Id": String(i) });
  }
}

/** The bodies of all that is stored, in order. */
async function stored({ streams }: Opened): Promise<string[]> {
  const bodies: string[] = [];
  const { admin, store } = streams;
  await admin.putConsumer("S", {
    name: "reader",
    description: "",
    filter: ">",
    from: "all",
    ackWaitMs: 60_000,
    maxAckPending: 100_000,
    inactiveThresholdMs: 0,
  });
  const count = (await admin.stream("S"))!.messages;
  const pull = store.pull("S", "reader", {
    onDelivery: ({ message }) => void bodies.push(new TextDecoder().decode(message.data)),
    onGone() {},
    onHealth() {},
  });
  pull.ask(count);
  await until("all are read", () => bodies.length === count);
  await pull.close();
  return bodies;
}

/** Has the leader of the stream step down, if there is one. */
function stepDown({ connection }: Opened): void {
  const reply = `${createInbox()}.ignored`;
  connection.publish("$JS.API.STREAM.LEADER.STEPDOWN.S", "", { reply });
}

const numbers = (count: number): string[] => Array.from({ length: count }, (_, i) => String(i));

burstTest("a burst is stored in its order, and what is stored is counted as it is", async () => {
  await using server = await startNatsServer();
  await using opened = await open(server.url);
  await opened.streams.admin.createStream(streamConfig());
  const burst = begin(opened);
  await addAll(burst, 10_000);
  await within(LONG_MS, "it ends", burst.ingest.end());
  deepStrictEqual(burst.errors, []);
  strictEqual(burst.counts.at(-1), 10_000);
  ok(burst.counts.length > 5, `${burst.counts}`);
  ok(burst.counts.every((count, i) => i === 0 || count > burst.counts[i - 1]!), `${burst.counts}`);
  deepStrictEqual(await stored(opened), numbers(10_000));
});

burstTest("a burst of nothing ends, and so does one of a single message", async () => {
  await using server = await startNatsServer();
  await using opened = await open(server.url);
  await opened.streams.admin.createStream(streamConfig());
  await within(LONG_MS, "nothing ends", begin(opened).ingest.end());
  const burst = begin(opened);
  await addAll(burst, 1);
  await within(LONG_MS, "one ends", burst.ingest.end());
  deepStrictEqual(burst.counts, [1]);
  deepStrictEqual(await stored(opened), ["0"]);
});

burstTest(
  "messages of a burst that were stored before are duplicates, wherever they are in it",
  async () => {
    await using server = await startNatsServer();
    await using opened = await open(server.url);
    await opened.streams.admin.createStream(streamConfig());
    const first = begin(opened);
    await addAll(first, 1_500);
    await first.ingest.end();
    const again = begin(opened);
    await addAll(again, 4_000);
    // And what came in the midst of the same burst.
    await addAll(again, 100, 3_950);
    await within(LONG_MS, "it ends", again.ingest.end());
    deepStrictEqual(again.errors, []);
    strictEqual(again.counts.at(-1), 4_100);
    deepStrictEqual(await stored(opened), numbers(4_050));
  },
);

burstTest("messages that come slowly are known to be stored soon, without an end", async () => {
  await using server = await startNatsServer();
  await using opened = await open(server.url);
  await opened.streams.admin.createStream(streamConfig());
  const burst = begin(opened);
  for (let i = 0; i < 5; i++) {
    await addAll(burst, 3, i * 3);
    await until("they are stored", () => burst.counts.at(-1) === (i + 1) * 3, 2_000);
  }
  const started = performance.now();
  while (performance.now() - started < 1_500) {
    await addAll(burst, 1, 1_000 + Math.round(performance.now() - started) * 10);
    await pause(10);
  }
  ok(burst.counts.length > 8, `${burst.counts}`);
  await burst.ingest.end();
  strictEqual(burst.counts.at(-1), (await opened.streams.admin.stream("S"))?.messages);
});

burstTest("a full stream breaks a burst, after all that is stored was counted", async () => {
  await using server = await startNatsServer();
  await using opened = await open(server.url);
  await opened.streams.admin.createStream(streamConfig({ discard: "new", maxMessages: 700 }));
  const burst = begin(opened);
  await addAll(burst, 2_000);
  await within(LONG_MS, "it ends", burst.ingest.end());
  strictEqual(burst.errors.length, 1);
  ok(AegisError.is(burst.errors[0], "QUEUE_FULL"), `${burst.errors[0]}`);
  strictEqual(burst.counts.at(-1), 700);
  burst.ingest.add("s.n", "late", {});
  await pause(50);
  deepStrictEqual(await stored(opened), numbers(700));
});

burstTest("a message that the server refuses breaks a burst", async () => {
  await using server = await startNatsServer({
    config: `max_payload: 10000
    authorization { users: [
      { user: "all", password: "p" }
      { user: "some", password: "p", permissions: { publish: { deny: ["s.denied"] } } }
    ] }`,
  });
  await using all = await open(server.url, { user: "all", pass: "p" });
  await using some = await open(server.url, { user: "some", pass: "p" });
  await all.streams.admin.createStream(streamConfig());
  const denied = begin(some);
  await addAll(denied, 10);
  denied.ingest.add("s.denied", "", {});
  await addAll(denied, 10, 10);
  await within(LONG_MS, "it ends", denied.ingest.end());
  strictEqual(denied.errors.length, 1);
  ok(AegisError.is(denied.errors[0], "PERMISSION_DENIED"), `${denied.errors[0]}`);
  ok((denied.counts.at(-1) ?? 0) <= 10, `${denied.counts}`);
  const large = begin(some);
  await addAll(large, 10, 20);
  large.ingest.add("s.n", "x".repeat(10_001), {});
  await within(LONG_MS, "it ends", large.ingest.end());
  ok(AegisError.is(large.errors[0], "PAYLOAD_TOO_LARGE"), `${large.errors[0]}`);
});

burstTest(
  "a burst breaks when the connection does, and what is published again by its id is stored once",
  async () => {
    await using server = await startNatsServer();
    await using opened = await open(server.url);
    await opened.streams.admin.createStream(streamConfig());
    const burst = begin(opened);
    await addAll(burst, 3_000);
    await server.kill();
    await until("it is broken", () => burst.errors.length === 1, 5_000);
    ok(AegisError.is(burst.errors[0], "SERVICE_UNAVAILABLE"), `${burst.errors[0]}`);
    strictEqual(burst.ingest.hasRoom, true);
    await within(5_000, "nobody waits", Promise.all([burst.ingest.ready(), burst.ingest.end()]));
    await server.restart();
    await until("it is back", () => opened.transport.status === "connected");
    const again = begin(opened);
    await addAll(again, 5_000);
    await within(LONG_MS, "it ends", again.ingest.end());
    deepStrictEqual(again.errors, []);
    deepStrictEqual((await stored(opened)).sort(), numbers(5_000).sort());
  },
);

burstTest("a stream that takes no bursts says so once", async () => {
  await using server = await startNatsServer();
  await using opened = await open(server.url);
  await using nats = await manager(server.url);
  await nats.jsm.streams.add({ name: "S", subjects: ["s.>"] });
  const burst = begin(opened);
  await addAll(burst, 10);
  await within(LONG_MS, "it ends", burst.ingest.end());
  strictEqual(burst.errors.length, 1);
  strictEqual((await opened.streams.admin.stream("S"))?.messages, 0);
  strictEqual(opened.streams.store.ingest!("S", { onStored() {}, onBroken() {} }), undefined);
});

burstTest("a burst for a stream that is not there breaks", async () => {
  await using server = await startNatsServer();
  await using opened = await open(server.url);
  const burst = begin(opened);
  await addAll(burst, 10);
  await within(LONG_MS, "it ends", burst.ingest.end());
  ok(AegisError.is(burst.errors[0], "STREAM_NOT_FOUND"), `${burst.errors[0]}`);
});

burstTest("several bursts at once are stored side by side", async () => {
  await using server = await startNatsServer();
  await using opened = await open(server.url);
  await using other = await open(server.url);
  await opened.streams.admin.createStream(streamConfig());
  const bursts = [begin(opened), begin(opened), begin(other), begin(other)];
  await Promise.all(bursts.map(async (burst, index) => {
    await addAll(burst, 2_000, index * 2_000);
    await burst.ingest.end();
  }));
  for (const { errors, counts } of bursts) {
    deepStrictEqual(errors, []);
    strictEqual(counts.at(-1), 2_000);
  }
  deepStrictEqual((await stored(opened)).sort(), numbers(8_000).sort());
});

burstTest(
  "whatever a burst has counted is stored, also when the stream's leader changes",
  async () => {
    await using cluster = await startNatsCluster();
    await using opened = await open(cluster.urls[0]!);
    await using other = await open(cluster.urls[1]!);
    await makeStream(opened.streams, { replicas: 3 });
    const total = 20_000;
    const burst = begin(opened);
    const adding = (async () => {
      await addAll(burst, total);
      await burst.ingest.end();
    })();
    await until("some are stored", () => (burst.counts.at(-1) ?? 0) > 0);
    for (let i = 0; i < 3; i++) {
      stepDown(other);
      await pause(20);
    }
    await within(60_000, "it ends", adding);
    const done = burst.counts.at(-1)!;
    strictEqual(burst.errors.length > 0, done < total);
    // Nobody knows whether the rest is stored: it goes one by one, by its ids.
    const { store } = opened.streams;
    const state = () => other.streams.admin.stream("S").catch(() => undefined); // it may have no leader
    await until("it has a new leader", async () => {
      const { ledForMs = Infinity } = await state() ?? {};
      return ledForMs >= 0 && ledForMs < 60_000;
    }, LONG_MS);
    let next = done;
    const publishing = async () => {
      while (next < total) {
        const id = String(next++);
        const publish = () => store.publish("s.n", id, { "Nats-Msg-Id": id }, LONG_MS);
        // A leader may take it for one that was lost with the leader before, until it forgets its id.
        await until(`${id} is stored`, () => publish().then(() => true, () => false), 150_000);
      }
    };
    await Promise.all(Array.from({ length: 500 }, publishing));
    // One that has just become the leader may still be busy with what those before it have agreed on.
    await until("all are there", async () => (await state())?.messages === total, LONG_MS);
    strictEqual(new Set(await stored(other)).size, total);
  },
);
