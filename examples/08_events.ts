// Events that one instance of each service handles: stored, shared among instances, and kept while nobody is there.
// deno run -A examples/08_events.ts [nats://localhost:4222]

import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { connect, createClient, createLogger, createService, event, on } from "@aegis/sdk";
import * as v from "valibot";

const servers = process.argv[2] || process.env.AEGIS_SERVERS || "memory:";
await using bus = await connect({ servers, logger: createLogger({ level: "warn" }) });
const client = createClient({ bus });

const OrderCreated = event("order.created", {
  version: "1.0",
  payload: v.object({ orderId: v.string(), amount: v.pipe(v.number(), v.minValue(0)) }),
});

const billed: Record<string, number> = {};
const bill = on(OrderCreated, { concurrency: 4 }, async ({ payload, id }, ctx) => {
  ctx.log.debug("billing", { id });
  await sleep(5, undefined, { signal: ctx.signal });
  billed[ctx.instanceId] = (billed[ctx.instanceId] ?? 0) + 1;
  // The trace goes on, and the new event names this one as what it follows from.
  await ctx.publish("invoice.sent", { orderId: payload.orderId });
});

// A wildcard is as durable as any other pattern; this service hears of everything.
const seen: string[] = [];
const audit = on(">", ({ type }) => void seen.push(type));

const instances = ["one", "two"].map((instanceId) =>
  createService("billing", { bus, instanceId, handlers: [bill] })
);
const auditor = createService("auditor", { bus, handlers: [audit] });
for (const service of [...instances, auditor]) await service.start();

const first = await client.publish(OrderCreated({ orderId: "A-0", amount: 9 }));
console.log(`stored in ${first.stream}, duplicate: ${first.duplicate}`);
const again = await client.publish(OrderCreated({ orderId: "A-0", amount: 9 }), { id: first.id });
console.log(`published again with its id, duplicate: ${again.duplicate}`);

const orders = Array.from(
  { length: 39 },
  (_, n) => OrderCreated({ orderId: `A-${n + 1}`, amount: n }),
);
const { stored } = await client.publishMany(orders);
console.log(`${stored} more are stored`);

while (seen.length < 80) await sleep(10);
console.log("billed by one and two:", (billed.one ?? 0) + (billed.two ?? 0));
console.log("both took part:", (billed.one ?? 0) > 0 && (billed.two ?? 0) > 0);

// Nobody bills now. What is published meanwhile waits for the next instance.
for (const service of instances) await service.stop();
await client.publish(OrderCreated({ orderId: "B-1", amount: 1 }));
await using third = createService("billing", { bus, instanceId: "three", handlers: [bill] });
await third.start();
while (billed.three === undefined) await sleep(10);
console.log("billed by three, which was not there:", billed.three);
await auditor.stop();
