// What listeners of a bus throw: it is logged, and the bus goes on.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { connect, createClient, createService, type Logger, rpc } from "../../mod.ts";
import { MemoryBroker } from "../../src/adapters/memory/broker.ts";
import { createMemoryTransport } from "../../src/adapters/memory/transport.ts";
import { both, type LogLine, recordingLogger, until } from "./buses.ts";

both("a listener of the status that throws is logged, and the next is told", async (buses) => {
  const bus = await buses.open();
  const error = new Error("on purpose");
  const told: string[] = [];
  bus.onStatus(() => {
    throw error;
  });
  bus.onStatus((status) => told.push(status));
  await bus.close();
  deepStrictEqual(told, ["closed"]);
  const line = buses.logs.find(({ fields }) => fields.error === error);
  strictEqual(line?.level, "error");
  ok(line.message.includes('"closed"'), line.message);
});

both("a logger that throws does not keep a service from its next message", async (buses) => {
  const wire = await buses.wire();
  const lines: LogLine[] = [];
  let thrown = 0;
  const logger: Logger = {
    ...recordingLogger(lines),
    warn() {
      thrown++;
      throw new Error("on purpose");
    },
    with: () => logger,
  };
  const bus = await buses.open({ logger });
  await buses.serve("shop", [rpc("echo", (params) => params)], { bus });
  const { error: told } = console;
  console.error = () => {};
  try {
    wire.publish("rpc.shop.echo", "neither JSON nor MessagePack");
    await until(() => thrown > 0);
  } finally {
    console.error = told;
  }
  // It was told to console: nothing of it came as far as the transport, which would have logged it.
  deepStrictEqual(lines.filter(({ level }) => level === "error"), []);
  const client = createClient({ bus: buses.client });
  deepStrictEqual(await client.call("shop", "echo", { n: 1 }), { n: 1 });
});

both("what is thrown at a message is logged, and the next one comes", async ({ wire }) => {
  const messaging = await wire();
  const seen: string[] = [];
  const logged: unknown[] = [];
  const { error: told } = console;
  console.error = (line: unknown) => void logged.push(line);
  try {
    messaging.subscribe("some.thing", {
      onMessage({ data }) {
        seen.push(new TextDecoder().decode(data));
        if (seen.length === 1) throw new Error("on purpose");
      },
    });
    messaging.publish("some.thing", "first");
    messaging.publish("some.thing", "second");
    await until(() => seen.length === 2);
  } finally {
    console.error = told;
  }
  deepStrictEqual(seen, ["first", "second"]);
  deepStrictEqual(logged, ["What listens to some.thing threw an error"]);
});

test("a listener that throws does not keep a bus from coming back", async () => {
  const broker = new MemoryBroker();
  const transport = createMemoryTransport(broker, { error() {} });
  const logger = { debug() {}, info() {}, warn() {}, error() {} };
  await using bus = await connect({ transport, logger });
  await using service = createService("shop", { bus, handlers: [rpc("hello", () => "hello")] });
  await service.start();
  bus.onStatus(() => {
    throw new Error("on purpose");
  });
  transport.disconnect();
  const calling = createClient({ bus }).call("shop", "hello");
  transport.reconnect();
  strictEqual(await calling, "hello");
});
