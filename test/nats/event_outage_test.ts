// Events over outages of a real server: it is restarted, its connection is cut, it stands still, its leader moves.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect as connectNats } from "@nats-io/transport-node";
import { connect, createClient, createService, on } from "../../mod.ts";
import { startNatsCluster, startNatsServer } from "../../tools/nats_server.ts";
import { streamLeader } from "./cluster_tools.ts";
import { logger, pause, until, wayTo, within } from "./outage_tools.ts";

/** Numbers of events, as they are handled. */
function collector(ackWaitMs = 2_000, ms = 0) {
  const got: number[] = [];
  const handler = on("order.*", { ackWaitMs }, async ({ payload }) => {
    got.push((payload as { n: number }).n);
    if (ms > 0) await pause(ms);
  });
  return { got, handler };
}

test("events go on after the server was killed and started again, and none is lost", async () => {
  await using server = await startNatsServer();
  await using bus = await connect({ servers: server.url, logger });
  await using other = await connect({ servers: server.url, logger });
  const { got, handler } = collector();
  await using service = createService("billing", { bus, handlers: [handler] });
  await service.start();
  const { publish } = createClient({ bus: other });
  for (let n = 0; n < 20; n++) await publish("order.created", { n });
  await until("the first are handled", () => got.length >= 20);
  await server.kill();
  strictEqual((await service.health()).ok, false);
  const waiting = Array.from(
    { length: 20 },
    (_, n) => publish("order.created", { n: 20 + n }, { timeoutMs: 20_000 }),
  );
  await server.restart();
  await Promise.all(waiting);
  await until("all are handled", () => new Set(got).size === 40, 20_000);
  await until("health() is well again", async () => (await service.health()).ok);
});

test("an instance that is cut off goes on where it was, and repeats what it has acknowledged", async () => {
  await using server = await startNatsServer();
  await using way = await wayTo(server);
  await using bus = await connect({ servers: way.url, logger });
  await using other = await connect({ servers: server.url, logger });
  const { got, handler } = collector(500, 300);
  await using service = createService("billing", { bus, handlers: [handler] });
  await service.start();
  const { publish } = createClient({ bus: other });
  for (let n = 0; n < 3; n++) await publish("order.created", { n });
  await until("the first are begun", () => got.length === 3);
  // They end while nobody can be told, and their ack wait is over before anybody is.
  await way.cut();
  await pause(1_200);
  await publish("order.created", { n: 3 });
  await way.mend();
  await until("it goes on", () => got.includes(3), 10_000);
  await pause(1_500);
  deepStrictEqual(got, [0, 1, 2, 3]);
  await until("health() is well again", async () => (await service.health()).ok);
});

test("what ends in an outage while its service stops is said when the bus is back, and handled once", async () => {
  await using server = await startNatsServer();
  await using way = await wayTo(server);
  await using bus = await connect({ servers: way.url, logger });
  await using other = await connect({ servers: server.url, logger });
  const { got, handler } = collector(2_000, 1_000);
  await using service = createService("billing", { bus, handlers: [handler] });
  await service.start();
  await createClient({ bus: other }).publish("order.created", { n: 0 });
  await until("it is begun", () => got.length === 1);
  const stopped = service.stop({ graceMs: 20_000 });
  await pause(300);
  await way.cut();
  await pause(1_000);
  await way.mend();
  await within(10_000, "stop()", stopped);
  await using next = createService("billing", { bus: other, handlers: [handler] });
  await next.start();
  await pause(2_500);
  deepStrictEqual(got, [0]);
});

test("a server that stands still loses nothing, and nothing is handled twice", async () => {
  await using server = await startNatsServer();
  await using bus = await connect({ servers: server.url, logger });
  const { got, handler } = collector(5_000);
  await using service = createService("billing", { bus, handlers: [handler] });
  await service.start();
  const { publish } = createClient({ bus });
  await publish("order.created", { n: 0 });
  await until("the first is handled", () => got.length === 1);
  await server.suspend();
  const waiting = publish("order.created", { n: 1 }, { timeoutMs: 10_000 });
  await pause(2_500); // longer than one attempt of that publish may take
  server.resume();
  await waiting;
  await until("the second is handled", () => got.length === 2);
  await pause(300);
  deepStrictEqual(got, [0, 1]);
});

test("a stream that is deleted is made again, and its events are handled from the first on", async () => {
  await using server = await startNatsServer();
  await using bus = await connect({ servers: server.url, logger });
  const { got, handler } = collector();
  await using service = createService("billing", { bus, handlers: [handler] });
  await service.start();
  const { publish } = createClient({ bus });
  for (let n = 0; n < 5; n++) await publish("order.created", { n });
  await until("they are handled", () => got.length === 5);
  const nc = await connectNats({ servers: server.url });
  await (await jetstreamManager(nc)).streams.delete("EVENTS");
  await nc.close();
  for (let n = 5; n < 8; n++) await publish("order.created", { n });
  await until("what came after it is handled", () => got.includes(7), 20_000);
  deepStrictEqual([...new Set(got)], [0, 1, 2, 3, 4, 5, 6, 7]);
});

test("a stream that is deleted under load is another one: each of its events is handled", async () => {
  await using server = await startNatsServer();
  await using bus = await connect({ servers: server.url, logger });
  await using other = await connect({ servers: server.url, logger });
  const { got, handler } = collector();
  const first = createService("billing", { bus, handlers: [handler] });
  await first.start();
  const { publish } = createClient({ bus: other });
  for (let n = 0; n < 20; n++) await publish("order.created", { n });
  await until("they are handled", () => got.length === 20);
  await first.stop();
  // It knows how far it was.
  await using second = createService("billing", { bus, handlers: [handler] });
  await second.start();
  const nc = await connectNats({ servers: server.url });
  await (await jetstreamManager(nc)).streams.delete("EVENTS");
  await nc.close();
  // The stream that is made for these is longer than the other was before anybody looks.
  await Promise.all(
    Array.from(
      { length: 200 },
      (_, n) => publish("order.created", { n: 1_000 + n }, { timeoutMs: 20_000 }),
    ),
  );
  await until("each is handled", () => new Set(got.filter((n) => n >= 1_000)).size === 200, 20_000);
});

test("in a cluster events go on while the leader of the stream moves and a server is killed", async () => {
  await using cluster = await startNatsCluster(3);
  await using bus = await connect({ servers: [...cluster.urls], replicas: 3, logger });
  await using other = await connect({ servers: [...cluster.urls], replicas: 3, logger });
  const { got, handler } = collector();
  await using service = createService("billing", { bus, handlers: [handler] });
  await service.start();
  const { publish } = createClient({ bus: other });
  const nc = await connectNats({ servers: [...cluster.urls] });
  const { streams } = await jetstreamManager(nc);
  strictEqual((await streams.info("EVENTS")).config.num_replicas, 3);
  let n = 0;
  const stored: number[] = [];
  let over = false;
  const publishing = (async () => {
    for (; !over; n++) {
      const number = n;
      await publish("order.created", { n: number }, { timeoutMs: 20_000 });
      stored.push(number);
    }
  })();
  publishing.catch(() => {}); // it is awaited below; a test that has failed closes the bus under it
  await until("events flow", () => got.length > 50);
  await nc.request("$JS.API.STREAM.LEADER.STEPDOWN.EVENTS", "", { timeout: 10_000 });
  const before = got.length;
  await until("they go on after the leader has moved", () => got.length > before + 50, 20_000);
  await nc.close();
  const victim = await streamLeader(cluster, "EVENTS");
  await victim.kill();
  const then = got.length;
  await until("they go on after a server is gone", () => got.length > then + 50, 30_000);
  await victim.restart();
  over = true;
  await publishing;
  await until("each is handled", () => stored.every((number) => got.includes(number)), 30_000);
  ok(stored.length > 150);
});
