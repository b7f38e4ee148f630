// A service under test: embedded, with its logs captured and its connection cut. No server, no ports, no waiting.
// deno test -A examples/06_testing.ts

import { deepStrictEqual, rejects, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { type Bus, connect, createClient, createService, rpc, UnavailableError } from "@aegis/sdk";
import { captureLogs, createMemoryTransport } from "@aegis/sdk/testing";
import * as v from "valibot";

// The code under test takes the bus that it runs on.
function createOrders(bus: Bus) {
  const createOrder = rpc("create_order", {
    params: v.object({ orderId: v.string(), amount: v.pipe(v.number(), v.minValue(0)) }),
  }, ({ orderId, amount }, ctx) => {
    if (amount > 1_000) ctx.log.warn("a large order", { orderId });
    return { orderId, status: "created" };
  });
  return createService("orders", { bus, handlers: [createOrder] });
}

test("an order is created", async () => {
  const { logger, lines } = captureLogs();
  await using bus = await connect({ servers: "memory:", logger });
  await using service = createOrders(bus);
  await service.start();
  const orders = createClient({ bus }).service<typeof service>("orders");

  const order = await orders.call("create_order", { orderId: "1", amount: 5_000 });

  deepStrictEqual(order, { orderId: "1", status: "created" });
  const [warning] = lines.filter((line) => line.level === "warn");
  deepStrictEqual([warning?.message, warning?.fields.orderId], ["a large order", "1"]);
});

test("a call that cannot be sent in time says so, and later ones go through", async () => {
  const { logger } = captureLogs();
  const transport = createMemoryTransport();
  await using bus = await connect({ transport, logger });
  await using service = createOrders(bus);
  await service.start();
  const orders = createClient({ bus }).service<typeof service>("orders");

  transport.disconnect();
  const late = orders.call("create_order", { orderId: "2", amount: 1 }, { timeoutMs: 20 });
  await rejects(late, UnavailableError);
  transport.reconnect();

  strictEqual((await orders.call("create_order", { orderId: "2", amount: 1 })).orderId, "2");
});
