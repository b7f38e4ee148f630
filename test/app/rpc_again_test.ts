// Answers that were given while their caller alone was away: it asks for them when it is back.

import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { connect, type ConnectOptions, createClient, createService, rpc } from "../../mod.ts";
import { msgpack } from "../../msgpack.ts";
import { MemoryBroker } from "../../src/adapters/memory/broker.ts";
import { createMemoryTransport } from "../../src/adapters/memory/transport.ts";
import { until } from "./buses.ts";

const logger = { debug() {}, info() {}, warn() {}, error() {} };

/** A client on a connection that can be cut, and two instances of a service on another. */
async function open(options: ConnectOptions = {}) {
  const broker = new MemoryBroker();
  const near = createMemoryTransport(broker);
  const wire = createMemoryTransport(broker);
  const client = await connect({ ...options, transport: near, logger });
  const server = await connect({ transport: createMemoryTransport(broker), logger });
  const gate = Promise.withResolvers<void>();
  let runs = 0;
  let answers = 0;
  const services = ["one", "two"].map((instanceId) =>
    createService("shop", {
      bus: server,
      instanceId,
      handlers: [
        rpc("wait", async (params) => {
          runs++;
          await gate.promise;
          return params;
        }),
        rpc("echo", (params) => params),
      ],
      middleware: [(_, next) => next().finally(() => answers++)],
    })
  );
  await Promise.all(services.map((service) => service.start()));
  return {
    near,
    wire: wire.messaging,
    caller: createClient({ bus: client }),
    runs: () => runs,
    /** Lets the handlers finish, and resolves when they have. */
    async open(count: number): Promise<void> {
      const before = answers;
      gate.resolve();
      await until(() => answers === before + count);
      await server.health();
    },
    async [Symbol.asyncDispose]() {
      near.reconnect();
      await Promise.all(services.map((service) => service.stop({ graceMs: 0 })));
      await Promise.all([client.close(), server.close(), wire.close()]);
    },
  };
}

for (const [name, options] of [["JSON", {}], ["MessagePack", { codec: msgpack() }]] as const) {
  test(`answers in ${name} that are given while their caller alone is away reach it when it is back`, async () => {
    await using buses = await open(options);
    const calls = Array.from({ length: 250 }, (_, n) => buses.caller.call("shop", "wait", { n }));
    await until(() => buses.runs() === 250);
    buses.near.disconnect();
    await buses.open(250);
    buses.near.reconnect();
    deepStrictEqual(await Promise.all(calls), Array.from({ length: 250 }, (_, n) => ({ n })));
    strictEqual(buses.runs(), 250);
  });
}

test("the answer to an earlier call at the same reply subject is not sent for a later one", async () => {
  await using buses = await open();
  for (let n = 0; n < 5; n++) await buses.caller.call("shop", "echo", { n });
  const calling = buses.caller.call("shop", "wait", { n: 100 });
  await until(() => buses.runs() === 1);
  const sent: string[] = [];
  buses.wire.subscribe(`${buses.near.messaging.inbox}.*`, {
    onMessage: ({ data }) => sent.push(new TextDecoder().decode(data)),
  });
  buses.near.disconnect();
  buses.near.reconnect();
  await buses.wire.flush();
  await buses.wire.flush();
  deepStrictEqual(sent, []);
  await buses.open(1);
  deepStrictEqual(await calling, { n: 100 });
  strictEqual(sent.length, 1);
});

test("what is no question for answers is passed over", async () => {
  await using buses = await open();
  for (const body of ["", "junk", "a b c", new Uint8Array([0, 255])]) {
    buses.wire.publish("internal.rpc.again.shop", body);
  }
  deepStrictEqual(await buses.caller.call("shop", "echo", { n: 1 }), { n: 1 });
});

test("a service that does not know the question answers as before", async () => {
  await using buses = await open();
  const requests: { readonly reply: string; readonly id: string }[] = [];
  buses.wire.subscribe("rpc.old.*", {
    onMessage: ({ reply, data }) => {
      const { message_id: id } = JSON.parse(new TextDecoder().decode(data));
      requests.push({ reply: reply!, id });
    },
  });
  const calling = buses.caller.call("old", "wait");
  await until(() => requests.length === 1);
  buses.near.disconnect();
  buses.near.reconnect();
  await buses.wire.flush();
  const { reply, id } = requests[0]!;
  buses.wire.publish(
    reply,
    JSON.stringify({
      message_id: "1",
      trace_id: "2",
      correlation_id: id,
      timestamp: "2026-01-02T03:04:05.678Z",
      source: "old",
      target: null,
      success: true,
      result: "as before",
      error: null,
    }),
  );
  strictEqual(await calling, "as before");
  strictEqual(requests.length, 1);
});
