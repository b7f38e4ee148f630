// Words about deliveries on a server: what is still in work, and what is handed back after a pull has ended.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { startNatsServer } from "../../tools/nats_server.ts";
import { pause, until, within } from "./outage_tools.ts";
import { delivered, make, open, put, sinkTo, take, twice } from "./stream_tools.ts";

const SOON_MS = 5_000;

test("that a message is in work is confirmed when the server has heard it, and never when it has not", async () => {
  await using server = await startNatsServer();
  await using way = await sinkTo(server);
  await using opened = await open(way.url, { pingInterval: 60_000 });
  await using other = await open(server.url);
  await make(other.streams, {}, { ackWaitMs: 60_000 });
  await put(other.streams, 100);
  const taken = take(opened.streams, 100, () => {});
  await delivered(taken, 100);
  const heard = new Map<string, number>();
  const say = (what: string): void => {
    for (const delivery of taken.got) {
      const name = `${what} ${delivery.sequence}`;
      delivery.working(() => void heard.set(name, (heard.get(name) ?? 0) + 1));
    }
  };
  say("before");
  strictEqual(heard.size, 0);
  await until("all are heard", () => heard.size === 100);
  way.swallow();
  say("swallowed");
  const back = Promise.withResolvers<void>();
  opened.transport.onStatus((status) => {
    if (status === "reconnecting") say("away");
    if (status === "connected") back.resolve();
  });
  way.cut();
  await within(SOON_MS, "it is back", back.promise);
  say("after");
  await until("all are heard again", () => heard.size === 200);
  deepStrictEqual(
    [...heard].filter(([name, times]) => !/^(before|after) /.test(name) || times !== 1),
    [],
  );
});

test("that a message is in work has no answer where the consumer is gone", async () => {
  await using server = await startNatsServer();
  await using opened = await open(server.url);
  await make(opened.streams, {}, { ackWaitMs: 60_000 });
  await put(opened.streams, 1);
  const taken = take(opened.streams, 1, () => {});
  await delivered(taken, 1);
  await opened.streams.admin.deleteConsumer("S", "C");
  let heard = 0;
  taken.got[0]!.working(() => void heard++);
  // The answer that nobody listens comes before this one.
  await opened.connection.flush();
  await pause(50);
  strictEqual(heard, 0);
});

test("what is handed back when its pull has closed comes to the next one, at once and once", async () => {
  await using server = await startNatsServer();
  await using one = await open(server.url);
  await using two = await open(server.url);
  await make(one.streams, {}, { ackWaitMs: 60_000 });
  await put(one.streams, 20);
  // Servers before 2.10.14 would forget the first nak, and deliver the last message twice, once as if for the first time.
  for (let attempt = 1; attempt <= 10; attempt++) {
    const taken = take([one, two][attempt % 2]!.streams, 50, () => {});
    await delivered(taken, 20);
    deepStrictEqual(twice(taken), [], `attempt ${attempt}`);
    deepStrictEqual([...new Set(taken.got.map((delivery) => delivery.attempt))], [attempt]);
    await taken.pull.close();
    for (const delivery of taken.got) delivery.nak(0);
    await taken.pull.settled(SOON_MS);
  }
  const state = await one.streams.admin.consumer("S", "C");
  ok(state !== undefined && state.ackPending === 20 && state.pending === 0, `${state?.pending}`);
});
