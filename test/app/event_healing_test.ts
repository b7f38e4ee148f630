// Consumption goes on by itself: after a lost consumer, over outages, and health() says what is wrong in between.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { connect as connectNats } from "@nats-io/transport-node";
import { connect, createClient, createService, ensureTopology, on } from "../../mod.ts";
import { createMemoryTransport, MemoryBroker, withFaults } from "../../testing.ts";
import { createNatsTransport } from "../../src/adapters/nats/transport.ts";
import { startNatsServer } from "../../tools/nats_server.ts";
import { bothStreams, on as one, recordingLogger, until } from "./buses.ts";

type Headers = Readonly<Record<string, string>>;

/** Numbers of events, as they are handled. */
function collector(options: Parameters<typeof on>[1] & object = {}) {
  const got: number[] = [];
  const handler = on(
    "order.*",
    options,
    ({ payload }) => void got.push((payload as { n: number }).n),
  );
  return { got, handler };
}

bothStreams("a consumer that is deleted is made again, and nothing is missed", async (buses) => {
  const { got, handler } = collector();
  const service = await buses.serve("billing", [handler]);
  const { publish } = createClient({ bus: buses.client });
  const { admin } = await buses.streams();
  await publish("order.created", { n: 0 });
  await until(() => got.length === 1);
  strictEqual(await admin.deleteConsumer("EVENTS", "billing=order=+"), true);
  await publish("order.created", { n: 1 });
  await until(() => got.includes(1));
  await until(async () => (await service.health()).ok);
  await publish("order.created", { n: 2 });
  await until(() => got.includes(2));
  ok(
    buses.logs.some(({ level, message }) =>
      level === "warn" && message.includes("billing=order=+")
    ),
  );
});

bothStreams(
  "of what was handled before a consumer was lost nothing is handled again, a moment later",
  async (buses) => {
    const { got, handler } = collector();
    await buses.serve("billing", [handler]);
    const { publish } = createClient({ bus: buses.client });
    const { admin } = await buses.streams();
    for (let n = 0; n < 100; n++) await publish("order.created", { n });
    await until(() => got.length === 100);
    // It is looked every second how far the consumer is, while events come.
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    await admin.deleteConsumer("EVENTS", "billing=order=+");
    await publish("order.created", { n: 100 });
    await until(() => got.includes(100));
    deepStrictEqual(got, Array.from({ length: 101 }, (_, n) => n));
  },
);

bothStreams("a consumer of an instance alone that is deleted is made again too", async (buses) => {
  const { got, handler } = collector({ mode: "broadcast" });
  await buses.serve("web", [handler], { instanceId: "one" });
  const { publish } = createClient({ bus: buses.client });
  const { admin } = await buses.streams();
  await admin.deleteConsumer("EVENTS", "web=order=+=+each=one");
  for (let n = 0; n < 3; n++) await publish("order.created", { n });
  await until(() => new Set(got).size === 3);
});

one(
  "memory",
  "in an outage events wait, acknowledgements are repeated, and nothing is handled twice",
  async () => {
    const broker = new MemoryBroker();
    const logger = recordingLogger([]);
    const mine = createMemoryTransport(broker, logger);
    await using there = await connect({ transport: mine, logger });
    await using here = await connect({ transport: createMemoryTransport(broker, logger), logger });
    const got: number[] = [];
    const gates: (() => void)[] = [];
    await using service = createService("billing", {
      bus: there,
      handlers: [on("order.*", { ackWaitMs: 400 }, async ({ payload }) => {
        got.push((payload as { n: number }).n);
        await new Promise<void>((resolve) => gates.push(resolve));
      })],
    });
    await service.start();
    const { publish } = createClient({ bus: here });
    await publish("order.created", { n: 0 });
    await until(() => got.length === 1);
    mine.disconnect();
    strictEqual((await service.health()).ok, false);
    gates.shift()!();
    await publish("order.created", { n: 1 });
    // Longer than the ack wait: the broker takes the first for lost.
    await new Promise((resolve) => setTimeout(resolve, 600));
    mine.reconnect();
    await until(() => got.length === 2);
    strictEqual((await service.health()).ok, true);
    gates.shift()!();
    await new Promise((resolve) => setTimeout(resolve, 600));
    deepStrictEqual(got, [0, 1]);
  },
);

one("memory", "what is published in an outage goes out when the bus is back, once", async () => {
  const transport = createMemoryTransport();
  const logger = recordingLogger([]);
  await using bus = await connect({ transport, logger });
  const { publish } = createClient({ bus });
  await publish("order.created", { n: -1 });
  transport.disconnect();
  const waiting = Promise.all([0, 1, 2].map((n) => publish("order.created", { n })));
  transport.reconnect();
  deepStrictEqual((await waiting).map(({ sequence, duplicate }) => [sequence, duplicate]), [
    [2, false],
    [3, false],
    [4, false],
  ]);
});

one(
  "memory",
  "a publish whose confirmation is lost is repeated with its id, and stored once",
  async () => {
    const broker = new MemoryBroker();
    const logger = recordingLogger([]);
    let lost = 0;
    const transport = withFaults(createMemoryTransport(broker, logger), {
      dropAck: ({ subject }) => subject.startsWith("events.") && lost++ === 1,
    });
    await using bus = await connect({ transport, logger });
    const { publish } = createClient({ bus });
    const needed = createService("audit", { bus, handlers: [on("order.*", () => {})] });
    await ensureTopology({ bus, services: [needed] });
    await publish("order.created");
    const second = await publish("order.created", {}, { timeoutMs: 1_500 });
    deepStrictEqual([second.sequence, second.duplicate, lost], [2, false, 3]);
    strictEqual((await transport.streams!.admin.stream("EVENTS"))?.messages, 2);
  },
);

for (const backend of ["memory", "NATS"] as const) {
  one(
    backend,
    "an event is a duplicate of what was published before, not of its own attempts",
    async () => {
      const logger = recordingLogger([]);
      const server = backend === "NATS" ? await startNatsServer() : undefined;
      let losing = 0;
      const transport = withFaults(
        server === undefined
          ? createMemoryTransport()
          : createNatsTransport(await connectNats({ servers: server.url }), "tcp"),
        { dropAck: ({ subject }) => subject.startsWith("events.") && losing-- > 0 },
      );
      try {
        await using bus = await connect({ transport, logger });
        const { publish } = createClient({ bus });
        const lost = async (options: { readonly id?: string; readonly headers?: Headers }) => {
          losing = 1;
          const { sequence, duplicate } = await publish("order.created", { n: 1 }, {
            ...options,
            timeoutMs: 3_000,
          });
          strictEqual(losing < 0, true);
          return [sequence, duplicate];
        };
        await publish("order.begun");
        deepStrictEqual(await lost({}), [2, false]);
        deepStrictEqual(await lost({ id: "mine" }), [3, false]);
        deepStrictEqual(await lost({ id: "mine" }), [3, true]);
        const traceparent = `00-${"a".repeat(32)}-${"b".repeat(16)}-01`;
        deepStrictEqual(await lost({ id: "ours", headers: { traceparent } }), [4, false]);
        deepStrictEqual(await lost({ id: "ours", headers: { traceparent } }), [4, true]);
        losing = 0;
        strictEqual((await publish("order.created", {}, { id: "mine" })).duplicate, true);
      } finally {
        await server?.stop();
      }
    },
  );
}

one(
  "memory",
  "a publish that nothing was heard of in time says so, with the id to repeat it",
  async () => {
    const logger = recordingLogger([]);
    const transport = withFaults(createMemoryTransport(), {
      drop: ({ subject }) => subject.startsWith("events."),
    });
    await using bus = await connect({ transport, logger });
    const error = await createClient({ bus }).publish("order.created", {}, { timeoutMs: 300 })
      .then(() => undefined, (error) => error);
    strictEqual(error.name, "TimeoutError");
    strictEqual(error.details.sent, true);
    ok(error.message.includes(error.details.id), error.message);
    const away = createMemoryTransport();
    await using other = await connect({ transport: away, logger });
    away.disconnect();
    const unavailable = await createClient({ bus: other }).publish("order.created", {}, {
      timeoutMs: 50,
    })
      .then(() => undefined, (error) => error);
    strictEqual(unavailable.name, "UnavailableError");
    strictEqual(unavailable.details.sent, false);
  },
);
