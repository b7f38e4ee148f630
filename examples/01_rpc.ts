// A service, a client that is typed from it, and a handler that calls another service.
// deno run -A examples/01_rpc.ts [nats://localhost:4222]

import process from "node:process";
import { connect, createClient, createLogger, createService, rpc } from "@aegis/sdk";
import * as v from "valibot";

const servers = process.argv[2] || process.env.AEGIS_SERVERS || "memory:";
await using bus = await connect({ servers, logger: createLogger({ level: "warn" }) });
const client = createClient({ bus });

const reserve = rpc("reserve", {
  params: v.object({ article: v.string(), count: v.pipe(v.number(), v.integer()) }),
  result: v.object({ left: v.number() }),
}, ({ count }) => ({ left: 100 - count }));

await using stock = createService("stock", { bus, handlers: [reserve] });
await stock.start();

// In another program: `import type { stock } from "./stock.ts"`, then `service<typeof stock>("stock")`.
const stockClient = client.service<typeof stock>("stock");

const createOrder = rpc("create_order", {
  params: v.object({ article: v.string(), count: v.number() }),
  result: v.object({ orderId: v.string(), left: v.number() }),
}, async ({ article, count }, ctx) => {
  // The trace goes on, and the time is what is left of the caller's.
  const { left } = await ctx.call(stockClient, "reserve", { article, count });
  return { orderId: `${article}-1`, left };
});

await using orders = createService("orders", { bus, version: "1.2.0", handlers: [createOrder] });
await orders.start();

const order = await client.service<typeof orders>("orders")
  .call("create_order", { article: "lamp", count: 3 });
console.log("typed:", order.orderId, order.left);

const same = await client.call<{ left: number }>("stock", "reserve", { article: "lamp", count: 4 });
console.log("by name:", same.left);

const one = await client.call("stock", "reserve", { article: "lamp", count: 5 }, {
  instance: stock.instanceId,
});
console.log("one instance:", one);
