// Words about deliveries after an outage, of pulls that were closed or had nothing to wait for when it came.

import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { type NatsServer, startNatsCluster, startNatsServer } from "../../tools/nats_server.ts";
import { pause, until, type Way, wayTo } from "./outage_tools.ts";
import {
  consumerConfig,
  delivered,
  make,
  makeStream,
  manager,
  open,
  put,
  take,
} from "./stream_tools.ts";

const SOON_MS = 5_000;
/** How old a consumer must be: one that is made within 100 ms after another passes for the same one. */
const OLD_MS = 200;

/** Which messages of C have been delivered and are not done, by how many, and up to where all is done. */
async function place(server: NatsServer): Promise<readonly [done: number, inHand: number]> {
  await using made = await manager(server.url);
  const { ack_floor, num_ack_pending } = await made.jsm.consumers.info("S", "C");
  return [ack_floor.stream_seq, num_ack_pending];
}

/** Three messages in hand over a way that can be cut, of a consumer that is old enough to be told from the next one. */
async function threeInHand() {
  const server = await startNatsServer();
  const way = await wayTo(server);
  const opened = await open(way.url);
  const other = await open(server.url);
  await make(other.streams, {}, { ackWaitMs: 60_000 });
  await pause(OLD_MS);
  await put(other.streams, 3);
  const taken = take(opened.streams, 3, () => {});
  await delivered(taken, 3);
  const close = async () => {
    for (const one of [other, opened, way, server]) await one[Symbol.asyncDispose]();
  };
  return { server, way, opened, other, taken, [Symbol.asyncDispose]: close };
}

/** Cuts the way; resolves when that is known at this end. */
async function goAway(way: Way, { transport }: Awaited<ReturnType<typeof open>>): Promise<void> {
  await way.cut();
  await until("the bus is away", () => transport.status !== "connected");
}

test("what is done while the bus is away, after its pull was closed, is said when it is back", async () => {
  await using all = await threeInHand();
  const { server, way, opened, taken } = all;
  await taken.pull.close();
  await goAway(way, opened);
  for (const delivery of taken.got) delivery.ack();
  const settled = taken.pull.settled(SOON_MS);
  await way.mend();
  await settled;
  deepStrictEqual(await place(server), [3, 0]);
});

test("what is done after an outage in which its pull was closed is said", async () => {
  await using all = await threeInHand();
  const { server, way, opened, taken } = all;
  await goAway(way, opened);
  await taken.pull.close();
  await way.mend();
  await until("the bus is back", () => opened.transport.status === "connected");
  for (const delivery of taken.got) delivery.ack();
  await taken.pull.settled(SOON_MS);
  deepStrictEqual(await place(server), [3, 0]);
});

test("what is done after an outage is not said to another consumer, also where the pull was closed before", async () => {
  await using all = await threeInHand();
  const { server, way, opened, other, taken } = all;
  await taken.pull.close();
  await goAway(way, opened);
  taken.got[0]!.ack();
  await using made = await manager(server.url);
  await made.jsm.streams.delete("S");
  await makeStream(other.streams);
  await other.streams.admin.putConsumer("S", consumerConfig({ ackWaitMs: 60_000 }));
  await put(other.streams, 3);
  const theirs = take(other.streams, 3, () => {});
  await delivered(theirs, 3);
  await way.mend();
  await until("the bus is back", () => opened.transport.status === "connected");
  taken.got[1]!.ack();
  await taken.pull.settled(SOON_MS);
  taken.got[2]!.ack();
  await taken.pull.settled(SOON_MS);
  await pause(700); // what is said again is said by then
  deepStrictEqual(await place(server), [0, 3]);
});

test("what a consumer that was made anew has delivered is done by its word, although it was not known to be another", async () => {
  await using server = await startNatsServer();
  await using opened = await open(server.url);
  await make(opened.streams, {}, { ackWaitMs: 60_000 });
  await put(opened.streams, 4);
  const taken = take(opened.streams, 4, () => {});
  await delivered(taken, 4);
  for (const at of [0, 1, 3]) taken.got[at]!.ack();
  await taken.pull.settled(SOON_MS);
  await pause(OLD_MS);
  // Nothing is asked for, so that nobody is told.
  await opened.streams.admin.deleteConsumer("S", "C");
  await opened.streams.admin.putConsumer(
    "S",
    consumerConfig({ ackWaitMs: 60_000, from: { sequence: 3 } }),
  );
  taken.pull.ask(2);
  await until("both have come again", () => taken.got.length === 6);
  strictEqual(taken.got[4]!.sequence, 3);
  for (const delivery of taken.got.slice(4)) delivery.ack();
  await taken.pull.settled(SOON_MS);
  deepStrictEqual(await place(server), [4, 0]);
});

test("what was in hand when a consumer was deleted is not said to the next one of its name", async () => {
  await using server = await startNatsServer();
  await using opened = await open(server.url);
  await using other = await open(server.url);
  await make(other.streams, {}, { ackWaitMs: 60_000 });
  await pause(OLD_MS);
  await put(other.streams, 3);
  const taken = take(opened.streams, 5, () => {});
  await delivered(taken, 3);
  await using made = await manager(server.url);
  await made.jsm.streams.delete("S");
  await make(other.streams, {}, { ackWaitMs: 60_000 });
  await put(other.streams, 3, 10);
  const theirs = take(other.streams, 3, () => {});
  await until("others are in hand", async () => (await place(server))[1] === 3);
  await pause(500); // longer than one that is missing is looked for
  for (const delivery of taken.got.slice(0, 3)) delivery.ack();
  await taken.pull.settled(SOON_MS);
  await opened.connection.flush();
  deepStrictEqual(await place(server), [0, 3]);
  await theirs.pull.close();
});

test("who asks for nothing hears of no trouble in looking for the consumer, whose word it has all the same", async () => {
  await using server = await startNatsServer();
  await using opened = await open(server.url);
  await make(opened.streams, {}, { ackWaitMs: 60_000 });
  await put(opened.streams, 1);
  const taken = take(opened.streams, 1, () => {});
  await delivered(taken, 1);
  await server.kill();
  taken.got[0]!.ack();
  const without = await startNatsServer({ port: server.port, jetstream: false });
  await until("the bus is back", () => opened.transport.status === "connected");
  await pause(500);
  await without.stop();
  await server.restart();
  await taken.pull.settled(20_000);
  deepStrictEqual(await place(server), [1, 0]);
  deepStrictEqual(taken.health, []);
});

test("what is done after an outage is not said to the messages of another stream in a cluster either", async () => {
  await using cluster = await startNatsCluster(3);
  const [near, far] = cluster.servers as [NatsServer, NatsServer];
  await using way = await wayTo(near);
  await using opened = await open(way.url, { ignoreClusterUpdates: true });
  await using other = await open(far.url);
  await make(other.streams, {}, { ackWaitMs: 60_000 });
  await pause(OLD_MS);
  await put(other.streams, 4);
  const taken = take(opened.streams, 4, () => {});
  await delivered(taken, 4);
  // The same stream is taken for no other one.
  await goAway(way, opened);
  taken.got[0]!.ack();
  await way.mend();
  await taken.pull.settled(20_000);
  deepStrictEqual(await place(far), [1, 3]);
  await goAway(way, opened);
  taken.got[1]!.ack();
  await using made = await manager(far.url);
  await made.jsm.streams.delete("S");
  await make(other.streams, {}, { ackWaitMs: 60_000 });
  await put(other.streams, 4);
  const theirs = take(other.streams, 4, () => {});
  await delivered(theirs, 4);
  await way.mend();
  await until("the bus is back", () => opened.transport.status === "connected");
  taken.got[2]!.ack();
  await taken.pull.settled(20_000);
  taken.got[3]!.ack();
  await taken.pull.settled(20_000);
  await pause(700); // what is said again is said by then
  deepStrictEqual(await place(far), [0, 4]);
});
