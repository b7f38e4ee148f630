// A publisher and consumer of events on any runtime, by bare nats.js or by this SDK, which does as it is told.

import process from "node:process";
import {
  AckPolicy,
  type ConsumerMessages,
  DeliverPolicy,
  jetstream,
  jetstreamManager,
  type JsMsg,
} from "@nats-io/jetstream";
import { connect as connectBare } from "@nats-io/transport-node";
import { connect, createClient, createService, on } from "../mod.ts";
import type { OrderParams } from "./contract.ts";
import {
  AMOUNT,
  BARE_SUBJECT,
  type ConsumeOrder,
  type EventOrder,
  OrderCreated,
  type Published,
  type PublishOrder,
  STREAMS,
} from "./event_contract.ts";
import { logger, serveOrders } from "./orders.ts";

/** One of the two that are compared. */
interface Side {
  /** Publishes one event. */
  readonly publish: (payload: OrderParams) => Promise<unknown>;
  /** Publishes many, so many at a time; where it is missing, they go out one by one. */
  readonly publishMany?: (
    payloads: Iterable<OrderParams>,
    inFlight: number,
  ) => Promise<unknown>;
  /** Hands every event of the stream to `handle`; resolves with what ends it. */
  readonly consume: (
    durable: string,
    handle: (payload: OrderParams) => void,
    iterate: boolean,
  ) => Promise<() => Promise<unknown>>;
}

async function aegis(servers: string): Promise<Side> {
  const bus = await connect({ servers, logger });
  const client = createClient({ bus });
  return {
    publish: (payload) => client.publish(OrderCreated(payload)),
    publishMany: (payloads, inFlight) => client.publishMany(eventsOf(payloads), { inFlight }),
    consume: async (durable, handle) => {
      const options = { from: "all", name: durable } as const;
      const handler = on(OrderCreated, options, ({ payload }) => handle(payload));
      const service = createService("bench", { bus, handlers: [handler] });
      await service.start();
      return () => service.stop();
    },
  };
}

function* eventsOf(
  payloads: Iterable<OrderParams>,
): Generator<ReturnType<typeof OrderCreated>, void, undefined> {
  for (const payload of payloads) yield OrderCreated(payload);
}

async function bare(servers: string): Promise<Side> {
  const connection = await connectBare({ servers });
  const js = jetstream(connection);
  const manager = await jetstreamManager(connection);
  return {
    // As its users write it: without an id, with which the SDK repeats an event and it is stored once. With one it would
    // be slower by 2 to 10 %, on Bun by 18 %.
    publish: (payload) => js.publish(BARE_SUBJECT, JSON.stringify(payload)),
    consume: async (durable, handle, iterate) => {
      await manager.consumers.add(STREAMS.bare, {
        durable_name: durable,
        ack_policy: AckPolicy.Explicit,
        deliver_policy: DeliverPolicy.All,
        filter_subject: BARE_SUBJECT,
        max_ack_pending: 20_000,
      });
      const consumer = await js.consumers.get(STREAMS.bare, durable);
      const receive = (message: JsMsg): void => {
        handle(message.json<OrderParams>());
        message.ack();
      };
      // Its best setting is a callback: 2.3 times as fast as its iterator, which its documentation shows.
      const messages = await consumer.consume({
        max_messages: 1_000,
        ...(iterate ? {} : { callback: receive }),
      });
      const iterating = iterate ? each(messages, receive) : undefined;
      return async () => {
        await messages.close();
        await iterating;
      };
    },
  };
}

async function each(
  messages: ConsumerMessages,
  receive: (message: JsMsg) => void,
): Promise<void> {
  for await (const message of messages) receive(message);
}

async function publish(
  side: Side,
  { events, inFlight, many }: PublishOrder,
): Promise<Published> {
  const payloads = payloadsOf(events);
  const start = performance.now();
  if (many && side.publishMany !== undefined) {
    await side.publishMany(payloads, inFlight);
    return { ms: performance.now() - start };
  }
  const times = inFlight === 1 ? new Float64Array(events) : undefined;
  let begun = 0;
  const publisher = async (): Promise<void> => {
    // One iterator for all of them: each takes what comes next.
    for (const payload of payloads) {
      const number = begun++;
      const from = times === undefined ? 0 : performance.now();
      await side.publish(payload);
      if (times !== undefined) times[number] = performance.now() - from;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, publisher));
  const ms = performance.now() - start;
  if (times === undefined) return { ms };
  times.sort();
  const rank = (share: number): number => times[Math.ceil(share * events) - 1] ?? NaN;
  return { ms, p50Ms: rank(0.5), p99Ms: rank(0.99) };
}

function* payloadsOf(events: number): Generator<OrderParams, void, undefined> {
  for (let number = 0; number < events; number++) {
    yield { orderId: `order-${number}`, amount: AMOUNT };
  }
}

let end: (() => Promise<unknown>) | undefined;

async function consume(
  side: Side,
  { events, durable, iterate }: ConsumeOrder,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let handled = 0, sum = 0;
  end = await side.consume(durable, ({ amount }) => {
    sum += amount;
    if (++handled < events) return;
    if (sum === events * AMOUNT) resolve();
    else reject(new Error(`${handled} events cost ${sum}, and not ${events * AMOUNT}`));
  }, iterate);
  await promise;
}

const [, , kind, servers = ""] = process.argv;
const side = await (kind === "aegis" ? aegis(servers) : bare(servers));
serveOrders((order: EventOrder) => {
  switch (order.do) {
    case "publish":
      return publish(side, order);
    case "consume":
      return consume(side, order);
    case "stop":
      return end?.().then(() => undefined);
  }
});
