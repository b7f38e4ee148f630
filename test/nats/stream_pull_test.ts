// Deliveries over outages: what was asked for comes, each message that was acknowledged once, and what is gone is said.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { startNatsServer } from "../../tools/nats_server.ts";
import { pause, until, wayTo } from "./outage_tools.ts";
import {
  consumerConfig,
  delivered,
  make,
  manager,
  open,
  put,
  sinkTo,
  streamConfig,
  take,
  twice,
} from "./stream_tools.ts";

const SOON_MS = 5_000;

test("a connection that breaks again and again loses no message, and doubles none", async () => {
  await using server = await startNatsServer();
  await using way = await wayTo(server);
  await using opened = await open(way.url);
  await using other = await open(server.url);
  await make(other.streams, {}, { ackWaitMs: 1_000 });
  const taken = take(opened.streams, 50);
  for (let round = 0; round < 8; round++) {
    const putting = put(other.streams, 500, round * 500);
    await until("some are delivered", () => taken.counts.size > round * 500 + 50);
    await way.cut();
    await putting;
    await way.mend();
  }
  await delivered(taken, 4_000);
  await taken.pull.settled(SOON_MS);
  deepStrictEqual(twice(taken), []);
  const state = await other.streams.admin.consumer("S", "C");
  deepStrictEqual([state?.pending, state?.ackPending, state?.ackFloor], [0, 0, 4_000]);
  strictEqual(taken.gone(), 0);
  strictEqual(taken.pull.asked, 50);
});

test("acknowledgements that a dying connection swallowed are repeated", async () => {
  await using server = await startNatsServer();
  await using way = await sinkTo(server);
  await using opened = await open(way.url, { pingInterval: 60_000 });
  await using other = await open(server.url);
  await make(other.streams, {}, { ackWaitMs: 60_000 });
  await put(other.streams, 100);
  const taken = take(opened.streams, 200, () => {});
  await delivered(taken, 100);
  way.swallow();
  for (const delivery of taken.got.slice(0, 50)) delivery.ack();
  for (const delivery of taken.got.slice(50, 60)) delivery.term();
  for (const delivery of taken.got.slice(60, 65)) delivery.nak(0);
  const away = Promise.withResolvers<void>();
  opened.transport.onStatus((status) => {
    if (status !== "reconnecting") return;
    for (const delivery of taken.got.slice(65, 85)) delivery.ack();
    for (const delivery of taken.got.slice(85, 90)) delivery.nak(0);
    away.resolve();
  });
  await pause(50);
  strictEqual((await other.streams.admin.consumer("S", "C"))?.ackPending, 100);
  way.cut();
  await away.promise;
  await taken.pull.settled(SOON_MS);
  await until("what had a nak comes again", () => taken.got.length === 110);
  deepStrictEqual(
    taken.got.slice(100).map(({ sequence, attempt }) => [sequence, attempt]).sort(),
    [61, 62, 63, 64, 65, 86, 87, 88, 89, 90].map((sequence) => [sequence, 2]),
  );
  const state = await other.streams.admin.consumer("S", "C");
  deepStrictEqual([state?.ackPending, state?.ackFloor], [20, 60]);
});

test("what comes again before its acknowledgement has arrived is acknowledged again, and not handed over", async () => {
  await using server = await startNatsServer();
  await using way = await sinkTo(server);
  await using opened = await open(way.url, { pingInterval: 60_000 });
  await using other = await open(server.url);
  await make(other.streams, {}, { ackWaitMs: 300 });
  await put(other.streams, 20);
  const taken = take(opened.streams, 200, () => {});
  await delivered(taken, 20);
  way.swallow();
  for (const delivery of taken.got) delivery.ack();
  await until(
    "their ack wait is over",
    async () =>
      ((await other.connection.request("$JS.API.CONSUMER.INFO.S.C", "")).json() as {
        num_redelivered: number;
      }).num_redelivered === 20,
  );
  way.cut();
  await taken.pull.settled(SOON_MS);
  await until(
    "the broker has them",
    async () => (await other.streams.admin.consumer("S", "C"))?.ackFloor === 20,
  );
  await pause(500);
  deepStrictEqual(twice(taken), []);
});

test("a nak's delay holds when the connection breaks before the broker has heard of it", async () => {
  await using server = await startNatsServer();
  await using way = await sinkTo(server);
  await using opened = await open(way.url, { pingInterval: 60_000 });
  await make(opened.streams, {}, { ackWaitMs: 500 });
  await put(opened.streams, 1);
  const times: number[] = [];
  const taken = take(opened.streams, 10, (delivery) => {
    times.push(performance.now());
    if (delivery.attempt > 1) delivery.ack();
  });
  await delivered(taken, 1);
  way.swallow();
  taken.got[0]!.nak(3_000);
  // The ack wait passes, and the broker has it delivered again.
  await pause(1_000);
  way.cut();
  await until("it comes again", () => taken.got.length === 2);
  const waited = times[1]! - times[0]!;
  ok(waited > 2_900 && waited < 6_000, `${waited} ms`);
});

test("after an outage exactly what was asked for and has not come is asked for again", async () => {
  await using server = await startNatsServer();
  await using way = await wayTo(server);
  await using opened = await open(way.url);
  await using other = await open(server.url);
  await make(other.streams, {}, { ackWaitMs: 60_000 });
  await put(other.streams, 4);
  const taken = take(opened.streams, 10, (delivery) => delivery.ack());
  await delivered(taken, 4);
  for (let round = 0; round < 3; round++) {
    await way.cut();
    await until("it is noticed", () => opened.transport.status === "reconnecting");
    await way.mend();
    await until("it is back", () => opened.transport.status === "connected");
  }
  await put(other.streams, 20, 4);
  await delivered(taken, 10);
  await pause(300);
  strictEqual(taken.got.length, 10);
  strictEqual(taken.pull.asked, 0);
  strictEqual((await other.streams.admin.consumer("S", "C"))?.pending, 14);
});

test("a consumer that was deleted while the bus was away is said to be gone", async () => {
  await using server = await startNatsServer();
  await using way = await wayTo(server);
  await using opened = await open(way.url);
  await using other = await open(server.url);
  await make(other.streams);
  const taken = take(opened.streams, 10);
  await put(other.streams, 5);
  await delivered(taken, 5);
  await way.cut();
  await other.streams.admin.deleteConsumer("S", "C");
  await way.mend();
  await until("it is said", () => taken.gone() === 1, SOON_MS);
  strictEqual(taken.pull.asked, 0);
  await other.streams.admin.putConsumer("S", consumerConfig({ from: { sequence: 6 } }));
  taken.pull.ask(10);
  await put(other.streams, 5, 5);
  await delivered(taken, 10);
  deepStrictEqual(twice(taken), []);
});

test("a consumer that was made anew to deliver everything does so, also to who has acknowledged it before", async () => {
  await using server = await startNatsServer();
  await using opened = await open(server.url);
  await using other = await open(server.url);
  await make(other.streams);
  await put(other.streams, 20);
  const taken = take(opened.streams, 20, (delivery) => delivery.ack());
  await delivered(taken, 20);
  await taken.pull.settled(SOON_MS);
  // Servers are not more exact than that about when it was made.
  await pause(150);
  // Nothing is asked for, so that the server has nobody to tell.
  await other.streams.admin.deleteConsumer("S", "C");
  await other.streams.admin.putConsumer("S", consumerConfig());
  taken.pull.ask(20);
  await until("all come again", () => taken.got.length === 40);
  deepStrictEqual(
    taken.got.slice(20).map(({ sequence }) => sequence),
    Array.from({ length: 20 }, (_, i) => i + 1),
  );
  await taken.pull.settled(SOON_MS);
  strictEqual((await other.streams.admin.consumer("S", "C"))?.ackFloor, 20);
});

for (const how of ["stopped in order", "killed"] as const) {
  test(`when the server was ${how} and is back deliveries go on`, async () => {
    await using server = await startNatsServer();
    await using opened = await open(server.url);
    await make(opened.streams, {}, { ackWaitMs: 1_000 });
    const taken = take(opened.streams, 50);
    for (let round = 0; round < 3; round++) {
      await put(opened.streams, 300, round * 300);
      await delivered(taken, (round + 1) * 300);
      if (how === "killed") await server.kill();
      await server.restart();
      await until("it is back", () => opened.transport.status === "connected");
    }
    await put(opened.streams, 10, 900);
    await delivered(taken, 910);
    strictEqual(taken.gone(), 0);
    deepStrictEqual(twice(taken), []);
    await until("it is said to be well", () => taken.health.at(-1) === undefined);
    deepStrictEqual(taken.health.map((error) => error !== undefined), [
      true,
      false,
      true,
      false,
      true,
      false,
    ]);
    // A server that was killed forgets acknowledgements that it had confirmed. They are repeated.
    await until(
      "the broker has all acknowledgements",
      async () => (await opened.streams.admin.consumer("S", "C"))?.ackFloor === 910,
    );
    deepStrictEqual(twice(taken), []);
  });
}

test("a server that stands still is noticed, and deliveries go on when it does", async () => {
  await using server = await startNatsServer();
  await using opened = await open(server.url, { pingInterval: 60_000 });
  await make(opened.streams);
  const taken = take(opened.streams, 10);
  await put(opened.streams, 5);
  await delivered(taken, 5);
  await server.suspend();
  await until("it is noticed", () => taken.health.length > 0, 10_000);
  ok(taken.health[0] instanceof Error);
  server.resume();
  await put(opened.streams, 5, 5);
  await delivered(taken, 10);
  await until("it is said to be well", () => taken.health.at(-1) === undefined);
  strictEqual(taken.gone(), 0);
  deepStrictEqual(twice(taken), []);
});

test("limits of a consumer for one request are kept", async () => {
  await using server = await startNatsServer();
  await using opened = await open(server.url);
  await opened.streams.admin.createStream(streamConfig());
  await using nats = await manager(server.url);
  await nats.jsm.consumers.add("S", {
    durable_name: "C",
    ack_policy: "explicit",
    max_batch: 7,
    max_expires: 1_500_000_000,
  });
  const taken = take(opened.streams, 100);
  await put(opened.streams, 100);
  await delivered(taken, 100);
  // Requests end after the time that the consumer allows, and are made again.
  await pause(4_000);
  await put(opened.streams, 100, 100);
  await delivered(taken, 200);
  deepStrictEqual(twice(taken), []);
});

test("a pull that closes in the midst of a stream leaves the rest to others, for the first time", async () => {
  await using server = await startNatsServer();
  await using one = await open(server.url);
  await using two = await open(server.url);
  await make(one.streams, {}, { ackWaitMs: 60_000, maxAckPending: 10_000 });
  const rest = take(two.streams, 5);
  for (let round = 0; round < 10; round++) {
    const taken = take(one.streams, 100);
    const putting = put(two.streams, 400, round * 400);
    await until("some are delivered", () => taken.got.length > 20);
    await taken.pull.close();
    const handed = taken.got.length;
    await putting;
    await until(
      "the rest is delivered",
      async () => (await two.streams.admin.consumer("S", "C"))?.pending === 0,
    );
    await taken.pull.settled(SOON_MS);
    await rest.pull.settled(SOON_MS);
    strictEqual(taken.got.length, handed);
    strictEqual((await two.streams.admin.consumer("S", "C"))?.ackPending, 0, `round ${round}`);
  }
});

test("who may not ask for messages is told so, and who may not look at the consumer takes them all the same", async () => {
  await using server = await startNatsServer({
    config: `authorization { users: [
      { user: "all", password: "p" }
      { user: "none", password: "p", permissions: { publish: { deny: ["$JS.API.CONSUMER.MSG.NEXT.>"] } } }
      { user: "least", password: "p", permissions: {
        publish: ["$JS.API.CONSUMER.MSG.NEXT.S.C", "$JS.ACK.S.C.>"], subscribe: ["_INBOX.>"] } }
    ] }`,
  });
  await using all = await open(server.url, { user: "all", pass: "p" });
  await make(all.streams);
  await put(all.streams, 10);
  await using none = await open(server.url, { user: "none", pass: "p" });
  const refused = take(none.streams, 10);
  await until("it is said", () => refused.health.length > 0);
  ok(`${refused.health[0]}`.includes("$JS.API.CONSUMER.MSG.NEXT.S.C"), `${refused.health[0]}`);
  await using least = await open(server.url, { user: "least", pass: "p" });
  const taken = take(least.streams, 10);
  await delivered(taken, 10);
  await taken.pull.settled(SOON_MS);
  strictEqual((await all.streams.admin.consumer("S", "C"))?.ackFloor, 10);
});
