// Streams that are followed on a server: whatever may have made it miss something is told, once, and it is cheap.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { startNatsServer } from "../../tools/nats_server.ts";
import { fill, follow, LastingView, lostFor, putKeys } from "./follow_tools.ts";
import { pause, until, wayTo, within } from "./outage_tools.ts";
import { makeStream, manager, open, sinkTo } from "./stream_tools.ts";

const SOON_MS = 5_000;
/** After this long two heartbeats are missing. */
const SILENT_MS = 8_000;

test("a connection that is cut loses what is followed at once, and it can be followed again", async () => {
  await using server = await startNatsServer();
  await using way = await wayTo(server);
  await using other = await open(server.url);
  await using opened = await open(way.url);
  await fill(other, 10);
  const followed = follow(opened.streams);
  await followed.ready;
  await way.cut();
  await lostFor("SERVICE_UNAVAILABLE", followed, 2_000);
  const away = follow(opened.streams);
  strictEqual(away.lost.length, 0);
  await lostFor("SERVICE_UNAVAILABLE", away, 500);
  await putKeys(other.streams, 12);
  await way.mend();
  await until("it is back", () => opened.transport.status === "connected");
  const again = follow(opened.streams);
  await within(SOON_MS, "it is followed again", again.ready);
  deepStrictEqual([...again.last.values()], Array.from({ length: 12 }, (_, i) => 11 + i));
  deepStrictEqual([followed.count(), followed.lost.length, again.lost.length], [10, 1, 0]);
});

test("what is stopped before it has caught up keeps nobody who follows then", async () => {
  await using server = await startNatsServer();
  await using opened = await open(server.url);
  await fill(opened, 10);
  for (let round = 0; round < 20; round++) {
    const stopped = follow(opened.streams, { from: "new" });
    await stopped.follow.began;
    // It is not known yet whether there is something that has still to come, and now there is.
    const stored = putKeys(opened.streams, 10);
    stopped.follow.stop();
    const next = follow(opened.streams);
    await within(5_000, `the next one has caught up in round ${round}`, next.ready);
    next.follow.stop();
    await stored;
  }
});

test("a server that is killed or restarted loses what is followed, and nothing of what it kept", async () => {
  await using server = await startNatsServer();
  await using opened = await open(server.url);
  await fill(opened, 100);
  const view = new LastingView(opened.streams);
  await view.complete(opened.streams, 100);
  const kill = (): Promise<void> => server.kill();
  for (const outage of [kill, () => server.restart()]) {
    const followed = follow(opened.streams);
    await followed.ready;
    await outage();
    await lostFor("SERVICE_UNAVAILABLE", followed);
    if (outage === kill) await server.restart();
    await until("it is back", () => opened.transport.status === "connected");
    await putKeys(opened.streams, 50);
    await view.complete(opened.streams, 100);
    strictEqual(followed.lost.length, 1);
  }
  view.stop();
  strictEqual(view.backwards, 0);
  ok(view.lost >= 2, `${view.lost}`);
});

test("a server that stands still is noticed by its silence, also by who follows anew", async () => {
  await using server = await startNatsServer();
  // Its pings would notice it as well, somewhat later.
  await using opened = await open(server.url, { pingInterval: 60_000 });
  await fill(opened, 10);
  const followed = follow(opened.streams);
  await followed.ready;
  await server.suspend();
  try {
    const meanwhile = follow(opened.streams);
    await lostFor("SERVICE_UNAVAILABLE", followed, SILENT_MS);
    await lostFor("TIMEOUT", meanwhile, SILENT_MS);
  } finally {
    server.resume();
  }
  const again = follow(opened.streams);
  await within(SOON_MS, "it is followed again", again.ready);
  strictEqual(again.last.size, 10);
  await until("the server has removed the others", async () => {
    return (await opened.streams.admin.consumers("S")).length === 1;
  }, 20_000);
});

test("who follows and hears nothing of the server loses what is followed, though the connection stands", async () => {
  await using server = await startNatsServer();
  await using way = await sinkTo(server);
  await using opened = await open(way.url, { pingInterval: 60_000 });
  await using other = await open(server.url);
  await fill(other, 10);
  const followed = follow(opened.streams);
  await followed.ready;
  // The server keeps its consumer, and what it sends still comes.
  way.swallow();
  await putKeys(other.streams, 5);
  await until("what is new has come", () => followed.count() === 15);
  strictEqual(followed.lost.length, 0);
});

test("a consumer that somebody else deletes is noticed, and what is followed is lost", async () => {
  await using server = await startNatsServer();
  await using opened = await open(server.url);
  await using other = await open(server.url);
  await fill(opened, 10);
  const [followed, untouched] = [follow(opened.streams), follow(opened.streams)];
  await followed.ready;
  const [name] = await other.streams.admin.consumers("S");
  await untouched.ready;
  strictEqual(await other.streams.admin.deleteConsumer("S", name!), true);
  await putKeys(other.streams, 10);
  await until("one is lost", () => followed.lost.length + untouched.lost.length === 1, SILENT_MS);
  await pause(SILENT_MS);
  strictEqual(followed.lost.length + untouched.lost.length, 1);
  strictEqual(Math.max(followed.count(), untouched.count()), 20);
});

test("a stream that is deleted and made anew is noticed, and followed anew from its beginning", async () => {
  await using server = await startNatsServer();
  await using opened = await open(server.url);
  await using nats = await manager(server.url);
  await fill(opened, 10);
  const followed = follow(opened.streams);
  await followed.ready;
  const began = await followed.follow.began;
  await nats.jsm.streams.delete("S");
  await fill(opened, 3);
  await lostFor("SERVICE_UNAVAILABLE", followed, SILENT_MS);
  strictEqual(followed.count(), 10);
  const again = follow(opened.streams, { from: { sequence: 11 } });
  await within(SOON_MS, "it is followed again", again.ready);
  ok(await again.follow.began > began);
  await opened.streams.store.publish("s.0", "new", {}, SOON_MS);
  await until("what is new has come", () => again.count() === 1);
  deepStrictEqual([...again.last], [["s.0", 4]]);
});

test("what a consumer has to know is kept by one server, in memory, and not for long", async () => {
  await using server = await startNatsServer();
  await using opened = await open(server.url);
  await fill(opened, 1);
  await follow(opened.streams).ready;
  const { config } = await consumer(server.url);
  deepStrictEqual(
    [config.ack_policy, config.num_replicas, config.mem_storage, config.durable_name],
    ["none", 1, true, undefined],
  );
  ok(config.flow_control && config.idle_heartbeat! > 0 && config.inactive_threshold! < 60e9);
  // A connection that just ends leaves it to the server.
  opened.connection.close();
  await using other = await open(server.url);
  await until("the server has removed it", async () => {
    return (await other.streams.admin.consumers("S")).length === 0;
  }, 30_000);
});

test("10,000 subjects are followed within a second, and by 100 followers over one connection", async () => {
  await using server = await startNatsServer();
  await using opened = await open(server.url);
  await using other = await open(server.url);
  await fill(other, 10_000);
  const started = performance.now();
  const first = follow(opened.streams);
  await first.ready;
  const ms = performance.now() - started;
  strictEqual(first.last.size, 10_000);
  ok(ms < 1_000, `it took ${ms} ms`);
  const all = Array.from({ length: 100 }, () => follow(opened.streams));
  await Promise.all(all.map(({ ready }) => within(60_000, "all have come", ready)));
  for (const { last } of all) strictEqual(last.size, 10_000);
  await putKeys(other.streams, 100);
  await until(
    "what is new has come to all",
    () => all.every(({ count }) => count() === 10_100),
    30_000,
  );
  deepStrictEqual(all.flatMap(({ lost }) => lost), []);
  for (const { follow } of [first, ...all]) follow.stop();
  await until("the server keeps none", async () => {
    return (await other.streams.admin.consumers("S")).length === 0;
  });
});

test("what is large comes as fast as it is taken", async () => {
  await using server = await startNatsServer();
  await using opened = await open(server.url);
  await makeStream(opened.streams);
  const body = "x".repeat(200_000);
  // More than the server sends before it hears that it was taken.
  for (let i = 0; i < 400; i++) await opened.streams.store.publish(`s.${i}`, body, {}, SOON_MS);
  let bytes = 0;
  const followed = follow(opened.streams, { onMessage: ({ data }) => void (bytes += data.length) });
  await within(60_000, "all has come", followed.ready);
  strictEqual(bytes, 400 * body.length);
});

test("of what is put while others are purged nothing is missed in silence", async () => {
  await using server = await startNatsServer();
  await using opened = await open(server.url);
  await using other = await open(server.url);
  const { store, view } = other.streams;
  await fill(opened, 10);
  const lasting = new LastingView(opened.streams);
  await lasting.complete(opened.streams, 10);
  const work: Promise<unknown>[] = [];
  for (let i = 0; i < 2_000; i++) {
    work.push(store.publish(`s.${i}`, "v", {}, SOON_MS));
    if (i % 100 === 50) {
      work.push(store.publish(`s.${i - 30}`, "", { "Nats-Rollup": "sub" }, SOON_MS));
    }
    if (i % 100 === 90) work.push(view!.purge("S", { filter: `s.${i - 30}` }));
  }
  await Promise.all(work);
  // The last to come is known to be the last.
  await pause(3_000);
  await store.publish("s.last", "v", {}, SOON_MS);
  await lasting.complete(opened.streams, 1, 20_000);
  const there = follow(other.streams);
  await there.ready;
  const missing = [...there.last].filter(([subject, sequence]) =>
    lasting.last.get(subject) !== sequence
  );
  deepStrictEqual(missing, []);
  strictEqual(lasting.backwards, 0);
  lasting.stop();
});

/** The one consumer of S. */
async function consumer(url: string) {
  await using nats = await manager(url);
  const [found] = await nats.jsm.consumers.list("S").next();
  return found!;
}
