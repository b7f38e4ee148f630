// Answers over an outage: none is lost, and none reaches the wrong call.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import {
  connect,
  createClient,
  createService,
  type LoggerLike,
  rpc,
  UnavailableError,
} from "../../mod.ts";
import { MemoryBroker } from "../../src/adapters/memory/broker.ts";
import { createMemoryTransport } from "../../src/adapters/memory/transport.ts";
import { errorOf, hang, until } from "./buses.ts";

const logger = { debug() {}, info() {}, warn() {}, error() {} };

/** A client and a service on connections that can be cut. */
async function open(serverLogger: LoggerLike = logger) {
  const broker = new MemoryBroker();
  const near = createMemoryTransport(broker);
  const far = createMemoryTransport(broker);
  const client = await connect({ transport: near, logger });
  const server = await connect({ transport: far, logger: serverLogger });
  const gate = Promise.withResolvers<void>();
  let runs = 0;
  const service = createService("shop", {
    bus: server,
    instanceId: "one",
    handlers: [
      rpc("wait", async (params) => {
        runs++;
        await gate.promise;
        return params;
      }),
      rpc("large", async () => {
        runs++;
        await gate.promise;
        return "x".repeat(1_000_000);
      }),
      rpc("echo", (params) => params),
      rpc("hang", hang),
    ],
  });
  await service.start();
  return {
    near,
    far,
    client,
    caller: createClient({ bus: client }),
    open: () => gate.resolve(),
    runs: () => runs,
    /** How many answers were dropped. */
    dropped: () =>
      server.metrics.snapshot().counters.find(({ name }) =>
        name === "aegis_rpc_replies_dropped_total"
      )
        ?.value ?? 0,
    async [Symbol.asyncDispose]() {
      gate.resolve();
      near.reconnect();
      far.reconnect();
      await service.stop({ graceMs: 0 });
      await Promise.all([client.close(), server.close()]);
    },
  };
}

test("an answer that is finished while the service is away arrives when it is back", async () => {
  await using buses = await open();
  const calling = buses.caller.call("shop", "wait", { n: 1 });
  await until(() => buses.runs() === 1);
  buses.far.disconnect();
  buses.open();
  await new Promise((resolve) => setTimeout(resolve, 10));
  buses.far.reconnect();
  deepStrictEqual(await calling, { n: 1 });
  strictEqual(buses.runs(), 1);
});

test("an answer that is finished while the caller is away arrives when it is back", async () => {
  await using buses = await open();
  const calling = buses.caller.call("shop", "wait", { n: 1 });
  await until(() => buses.runs() === 1);
  buses.near.disconnect();
  buses.far.disconnect();
  buses.open();
  await new Promise((resolve) => setTimeout(resolve, 10));
  buses.far.reconnect();
  await new Promise((resolve) => setTimeout(resolve, 10));
  buses.near.reconnect();
  deepStrictEqual(await calling, { n: 1 });
  strictEqual(buses.runs(), 1);
});

test("answers that wait for the bus are bounded by their size, and what is dropped is counted", async () => {
  const lines: string[] = [];
  await using buses = await open({ ...logger, warn: (text: string) => void lines.push(text) });
  const calls = Array.from(
    { length: 70 },
    () => buses.caller.call("shop", "large", {}, { timeoutMs: 3_000 }),
  );
  const ended = Promise.allSettled(calls);
  await until(() => buses.runs() === 70);
  buses.far.disconnect();
  buses.open();
  await until(() => buses.dropped() > 0);
  buses.far.reconnect();
  // Of answers of a million characters, 67 fit into 64 MiB.
  const results = await ended;
  strictEqual(results.filter(({ status }) => status === "fulfilled").length, 67);
  strictEqual(buses.dropped(), 3);
  strictEqual(lines.filter((line) => line.includes("drops answers")).length, 1, lines.join());
});

test("answers that go out again after an outage meet no other call", async () => {
  await using buses = await open();
  for (let n = 0; n < 50; n++) await buses.caller.call("shop", "echo", { n });
  const waiting = Array.from({ length: 20 }, (_, n) => buses.caller.call("shop", "wait", { n }));
  await until(() => buses.runs() === 20);
  buses.far.disconnect();
  buses.far.reconnect();
  buses.open();
  deepStrictEqual(await Promise.all(waiting), Array.from({ length: 20 }, (_, n) => ({ n })));
});

test("a refusal that goes out again after an outage meets no other call", async () => {
  await using buses = await open();
  await errorOf(buses.caller.call("shop", "nothing", {}, { instance: "one" }));
  const waiting = buses.caller.call("shop", "wait", { n: 1 });
  await until(() => buses.runs() === 1);
  buses.far.disconnect();
  buses.far.reconnect();
  await buses.client.health();
  buses.open();
  deepStrictEqual(await waiting, { n: 1 });
});

test("a call made while the bus is away waits for it within its time", async () => {
  await using buses = await open();
  buses.near.disconnect();
  const calling = buses.caller.call("shop", "echo", { n: 1 });
  await new Promise((resolve) => setTimeout(resolve, 20));
  buses.near.reconnect();
  deepStrictEqual(await calling, { n: 1 });
});

test("a call made while the bus is away fails as unavailable when its time is over", async () => {
  await using buses = await open();
  buses.near.disconnect();
  const started = performance.now();
  const error = await errorOf(buses.caller.call("shop", "echo", {}, { timeoutMs: 40 }));
  const took = performance.now() - started;
  ok(error instanceof UnavailableError);
  strictEqual(error.details.sent, false);
  ok(took >= 39 && took < 1_000, `${took} ms`);
});

test("a call whose answer an outage swallowed says that it may have been run", async () => {
  await using buses = await open();
  const calling = errorOf(buses.caller.call("shop", "hang", {}, { timeoutMs: 60 }));
  await buses.client.health();
  buses.near.disconnect();
  const error = await calling;
  ok(error instanceof UnavailableError);
  strictEqual(error.details.sent, true);
});

test("an idempotent call that an outage swallowed is made again", async () => {
  await using buses = await open();
  const calling = buses.caller.call("shop", "wait", { n: 1 }, { idempotent: true });
  await until(() => buses.runs() === 1);
  buses.near.disconnect();
  buses.near.reconnect();
  await until(() => buses.runs() === 2);
  buses.open();
  deepStrictEqual(await calling, { n: 1 });
});

test("closing a bus ends its calls with a ClosedError", async () => {
  await using buses = await open();
  const calling = errorOf(buses.caller.call("shop", "hang"));
  await buses.client.health();
  await buses.client.close();
  strictEqual((await calling as Error).name, "ClosedError");
  strictEqual((await errorOf(buses.caller.call("shop", "echo")) as Error).name, "ClosedError");
});
