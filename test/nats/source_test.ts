// The source of a handler: what it takes for done when its stream has become another one.

import { strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect as connectNats } from "@nats-io/transport-node";
import { type Bus, connect, createClient } from "../../mod.ts";
import { partsOf } from "../../src/app/bus.ts";
import { Source } from "../../src/app/source.ts";
import { startNatsServer } from "../../tools/nats_server.ts";
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
  await source.prepare();
  source.open((delivery) => {
    came.push(delivery.sequence);
    if (delivery.sequence <= acksTo) delivery.ack();
  }, () => source.ask(100));
  const close = () => source.close(0);
  return { source, came, [Symbol.asyncDispose]: close };
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
  const connection = await connectNats({ servers: server.url });
  await using _closing = { [Symbol.asyncDispose]: () => connection.close() };
  const manager = await jetstreamManager(connection);
  await manager.streams.delete("EVENTS");
  await using second = await sourceOf(there, 2);
  // More than there were before, so that it does not show by their number that they are others.
  for (let n = 0; n < 12; n++) await publish("order.created");
  await until("another has them", () => second.came.length === 12);
  const done = async () => (await manager.consumers.info("EVENTS", CONSUMER.name)).ack_floor;
  await until("two of them are done", async () => (await done()).stream_seq === 2);
  await pause(1_200); // it sees once a second whether the bus is there, and looks when it is again

  await way.mend();
  await until("it has looked again", () => source.health().ok && source.floor !== 10, 40_000);
  strictEqual(source.floor, 2);
});
