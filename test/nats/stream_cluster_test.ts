// Streams in a cluster of three: leaders step down, servers are killed, and deliveries go on.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { AegisError, UnavailableError } from "../../mod.ts";
import type { Streams } from "../../src/ports/stream.ts";
import { startNatsCluster } from "../../tools/nats_server.ts";
import { outcome, pause, until } from "./outage_tools.ts";
import {
  consumerConfig,
  delivered,
  make,
  makeStream,
  open,
  type Opened,
  take,
  twice,
} from "./stream_tools.ts";

const REPLICAS = 3;
const LONG_MS = 10_000;

/** Stores messages one after another, each until it is stored, with the id that is its body. */
async function putAll({ store }: Streams, first: number, count: number): Promise<void> {
  for (let i = first; i < first + count; i++) {
    for (const end = performance.now() + 60_000;;) {
      const body = String(i);
      const { error } = await outcome(store.publish("s.n", body, { "Nats-Msg-Id": body }, 2_000));
      if (error === undefined) break;
      const passing = UnavailableError.is(error) || AegisError.is(error, "TIMEOUT");
      ok(passing && performance.now() < end, `${error}`);
      await pause(50);
    }
  }
}

async function request({ connection }: Opened, subject: string): Promise<Record<string, unknown>> {
  const answer = await connection.request(subject, "", { timeout: LONG_MS });
  return answer.json();
}

/** The name of the server that leads the consumer, or the stream. */
async function leader(opened: Opened, kind: "CONSUMER" | "STREAM"): Promise<string | undefined> {
  const subject = `$JS.API.${kind}.INFO.${kind === "STREAM" ? "S" : "S.C"}`;
  try {
    const { cluster } = await request(opened, subject) as { cluster?: { leader?: string } };
    return cluster?.leader;
  } catch {
    // Nobody answers while there is none.
    return undefined;
  }
}

test("leaders that step down are followed, without a message that is lost or doubled", async () => {
  await using cluster = await startNatsCluster();
  await using opened = await open(cluster.urls[0]!);
  await using other = await open(cluster.urls[1]!);
  await make(other.streams, { replicas: REPLICAS }, { ackWaitMs: 2_000 });
  const taken = take(opened.streams, 20);
  let stored = 0;
  for (const kind of ["CONSUMER", "STREAM", "CONSUMER", "STREAM"] as const) {
    const putting = putAll(other.streams, stored, 200);
    await until("some are delivered", () => taken.counts.size > stored + 20);
    const before = await leader(other, kind);
    await request(other, `$JS.API.${kind}.LEADER.STEPDOWN.${kind === "STREAM" ? "S" : "S.C"}`);
    await putting;
    stored += 200;
    await delivered(taken, stored, 30_000);
    await until("there is another leader", async () => {
      const now = await leader(other, kind);
      return now !== undefined && now !== "" && now !== before;
    });
  }
  strictEqual(taken.gone(), 0);
  deepStrictEqual(twice(taken), []);
  await taken.pull.settled(LONG_MS);
  await until(
    "all is acknowledged",
    async () => (await other.streams.admin.consumer("S", "C"))?.ackFloor === stored,
  );
});

test("a server that is killed takes no message with it, whoever led the consumer", async () => {
  await using cluster = await startNatsCluster();
  await using opened = await open(cluster.urls);
  await using other = await open(cluster.urls);
  await make(other.streams, { replicas: REPLICAS }, { ackWaitMs: 2_000 });
  const taken = take(opened.streams, 20);
  let stored = 0;
  for (const kind of ["CONSUMER", "STREAM"] as const) {
    const putting = putAll(other.streams, stored, 300);
    await until("some are delivered", () => taken.counts.size > stored + 20, 30_000);
    const name = await leader(other, kind);
    const server = cluster.servers.find((server) => server.name === name)!;
    await server.kill();
    await putting;
    stored += 300;
    // With 2.9 a consumer may be left without a leader, though two of three are there, until the third is back.
    const stays = !server.version.startsWith("2.9.");
    if (stays) await delivered(taken, stored, 30_000);
    await server.restart();
    if (!stays) await delivered(taken, stored, 30_000);
    await cluster.ready();
  }
  strictEqual(taken.gone(), 0);
  await taken.pull.settled(LONG_MS);
  await until(
    "all is acknowledged",
    async () => (await other.streams.admin.consumer("S", "C"))?.ackFloor === stored,
    30_000,
  );
  deepStrictEqual(twice(taken), []);
});

test("a stream without a leader is unavailable, and said to be no other thing", async () => {
  await using cluster = await startNatsCluster();
  await using opened = await open(cluster.urls);
  await make(opened.streams, { replicas: REPLICAS });
  const taken = take(opened.streams, 5);
  await opened.streams.store.publish("s.n", "0", {}, LONG_MS);
  await delivered(taken, 1);
  const here = opened.connection.getServer();
  const others = cluster.servers.filter(({ port }) => !here.endsWith(`:${port}`));
  for (const server of others) await server.kill();
  const errors: string[] = [];
  for (const end = performance.now() + 8_000; performance.now() < end;) {
    const { error } = await outcome(
      opened.streams.store.publish("s.n", "1", { "Nats-Msg-Id": "1" }, 1_000),
    );
    const code = AegisError.is(error) ? error.code : `${error}`;
    if (!errors.includes(code)) errors.push(code);
    await pause(200);
  }
  for (const code of errors) ok(["TIMEOUT", "SERVICE_UNAVAILABLE"].includes(code), errors.join());
  strictEqual(taken.gone(), 0);
  await Promise.all(others.map((server) => server.restart()));
  await cluster.ready();
  await putAll(opened.streams, 1, 5);
  await delivered(taken, 6, 30_000);
  await until("it is said to be well", () => taken.health.at(-1) === undefined);
});

test("a consumer whose only server is away is not gone, and one that is deleted is", async () => {
  await using cluster = await startNatsCluster();
  await using opened = await open(cluster.urls[0]!);
  // On the server that the other connection is not to.
  await makeStream(opened.streams);
  const name = await leader(opened, "STREAM");
  const server = cluster.servers.find((server) => server.name === name)!;
  const another = cluster.servers.find((one) => one !== server)!;
  await using away = await open(another.url);
  await away.streams.admin.putConsumer("S", consumerConfig({ ackWaitMs: 1_000 }));
  const taken = take(away.streams, 5);
  await putAll(away.streams, 0, 5);
  await delivered(taken, 5);
  await server.kill();
  await until("it is noticed", () => taken.health.at(-1) instanceof Error, 15_000);
  await pause(3_000);
  strictEqual(taken.gone(), 0);
  await server.restart();
  await putAll(away.streams, 5, 5);
  await delivered(taken, 10, 30_000);
  await until("it is said to be well", () => taken.health.at(-1) === undefined);
  strictEqual(taken.gone(), 0);
  await taken.pull.settled(LONG_MS);
  await away.streams.admin.deleteConsumer("S", "C");
  await until("it is said to be gone", () => taken.gone() === 1, 5_000);
});

test("in a cluster of several that expect the same last message one is stored, and the others are conflicts", async () => {
  await using cluster = await startNatsCluster();
  await using one = await open(cluster.urls[0]!);
  await using two = await open(cluster.urls[1]!);
  await makeStream(one.streams, { replicas: REPLICAS, bucket: true, maxMessagesPerSubject: 1 });
  for (let last = 0, round = 0; round < 10; round++) {
    const headers = { "Nats-Expected-Last-Subject-Sequence": String(last) };
    const ends = await Promise.allSettled(Array.from({ length: 10 }, (_, i) => {
      return [one, two][i % 2]!.streams.store.publish("s.k", `${round}.${i}`, headers, LONG_MS);
    }));
    const stored = ends.flatMap((end, i) => end.status === "fulfilled" ? [[end.value, i]] : []);
    const reasons = ends.flatMap((end) => end.status === "rejected" ? [end.reason] : []);
    const refused = reasons.filter((reason) => !AegisError.is(reason, "CONFLICT"));
    // On a busy machine the stream may be without a leader for a moment, which refuses whoever publishes then.
    for (const reason of refused) ok(UnavailableError.is(reason), `${reason}`);
    if (stored.length === 0 && refused.length > 0) {
      await until("it has a leader", async () => await leader(one, "STREAM") !== undefined, 30_000);
      round--;
      continue;
    }
    strictEqual(stored.length, 1, `round ${round}`);
    const [[ack, winner]] = stored as [[{ sequence: number }, number]];
    const found = await two.streams.store.last("S", "s.k");
    strictEqual(found?.sequence, ack.sequence);
    strictEqual(new TextDecoder().decode(found?.data), `${round}.${winner}`);
    last = ack.sequence;
  }
});
