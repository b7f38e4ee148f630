// The source of a handler: what it takes for done when its stream has become another one.

import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect as connectNats } from "@nats-io/transport-node";
import { type Bus, connect, createClient } from "../../mod.ts";
import { partsOf } from "../../src/app/bus.ts";
import { Source } from "../../src/app/source.ts";
import { type NatsServer, startNatsServer } from "../../tools/nats_server.ts";
import type { Delivery } from "../../src/ports/stream.ts";
import { CONSUMER, shop } from "../app/resources_tools.ts";
import { logger, pause, until, wayTo } from "./outage_tools.ts";

/** The source of one instance, which acknowledges events up to a sequence, and the sequences of those that came. */
async function sourceOf(bus: Bus, acksTo = Infinity) {
  const { runtime, busStreams: streams } = partsOf(bus, "a test");
  const source = new Source({
    runtime,
    streams,
    key: "events",
    config: { ...CONSUMER, from: "all" },
    stamp: shop("1.0.0"),
    ephemeral: false,
  });
  const came: number[] = [];
  const deliveries: Delivery[] = [];
  await source.prepare();
  await pause(200); // one that is made within 100 ms after another passes for the same one
  source.open((delivery) => {
    came.push(delivery.sequence);
    deliveries.push(delivery);
    if (delivery.sequence <= acksTo) delivery.ack();
  }, () => source.ask(100));
  const close = () => source.close(0);
  return { source, came, deliveries, [Symbol.asyncDispose]: close };
}

/** What is known of the consumer on the server. */
interface Known {
  /** How many events were done, and how many are in hand. */
  place(): Promise<readonly [done: number, inHand: number]>;
}

/** The stream is removed while nobody is told, and has 12 other events, two of them done and ten in the hands of another. */
async function makeAgain(server: NatsServer, there: Bus): Promise<AsyncDisposable & Known> {
  const connection = await connectNats({ servers: server.url });
  const manager = await jetstreamManager(connection);
  await manager.streams.delete("EVENTS");
  const second = await sourceOf(there, 2);
  const { publish } = createClient({ bus: there });
  // More than there were before, so that it does not show by their number that they are others.
  for (let n = 0; n < 12; n++) await publish("order.created");
  await until("another has them", () => second.came.length === 12);
  const place = async () => {
    const { ack_floor, num_ack_pending } = await manager.consumers.info("EVENTS", CONSUMER.name);
    return [ack_floor.stream_seq, num_ack_pending] as const;
  };
  await until("two of them are done", async () => `${await place()}` === "2,10");
  const close = async () => {
    await second[Symbol.asyncDispose]();
    await connection.close();
  };
  return { place, [Symbol.asyncDispose]: close };
}

test("of a stream that another instance has made again, only that is done which was done of it", async () => {
  await using server = await startNatsServer();
  await using way = await wayTo(server);
  await using here = await connect({ servers: way.url, logger });
  await using there = await connect({ servers: server.url, logger });
  const { publish } = createClient({ bus: there });
  await using first = await sourceOf(here);
  const { source } = first;
  for (let n = 0; n < 10; n++) await publish("order.created");
  await until("it has looked how far it is", () => source.floor === 10, 20_000);

  await way.cut();
  await using _again = await makeAgain(server, there);
  await pause(1_200); // it sees once a second whether the bus is there, and looks when it is again

  await way.mend();
  await until("it has looked again", () => source.health().ok && source.floor !== 10, 20_000);
  strictEqual(source.floor, 2);
});

test("what is done of a stream that was made again meanwhile is not said of the events that it has now", async () => {
  await using server = await startNatsServer();
  await using way = await wayTo(server);
  await using here = await connect({ servers: way.url, logger });
  await using there = await connect({ servers: server.url, logger });
  const { publish } = createClient({ bus: there });
  await using first = await sourceOf(here, 0);
  const { source, came, deliveries } = first;
  for (let n = 0; n < 10; n++) await publish("order.created");
  await until("all have come", () => came.length === 10);

  await way.cut();
  await until("the bus is away", () => here.status !== "connected");
  for (const delivery of deliveries.slice(0, 4)) delivery.ack();
  await using again = await makeAgain(server, there);
  await way.mend();
  await until("messages come again", () => here.status === "connected" && source.health().ok);
  for (const delivery of deliveries.slice(4)) delivery.ack();
  await source.whenSettled();
  await partsOf(here, "a test").runtime.transport.messaging.flush();
  await pause(500); // what is said again is said by then
  deepStrictEqual(await again.place(), [2, 10]);
});
