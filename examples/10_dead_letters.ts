// What a service cannot handle is kept with the reason, and replayed when its fault is mended. `deno task dead-letters`
// deno run -A examples/10_dead_letters.ts [nats://localhost:4222]

import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { connect, createClient, createLogger, createService, event, on } from "@aegis/sdk";
import * as v from "valibot";

const servers = process.argv[2] || process.env.AEGIS_SERVERS || "memory:";
await using bus = await connect({ servers, logger: createLogger({ level: "silent" }) });
const client = createClient({ bus });

const OrderPaid = event("order.paid", {
  payload: v.object({ orderId: v.string(), amount: v.number() }),
});

let bankIsThere = false;
const booked: string[] = [];
const retry = { attempts: 3, initialDelayMs: 20 };
const book = on(OrderPaid, { retry }, ({ payload }, ctx) => {
  console.log(`booking ${payload.orderId}, attempt ${ctx.attempt}`);
  if (!bankIsThere) throw new Error("The bank is away");
  booked.push(payload.orderId);
});
await using service = createService("accounts", { bus, handlers: [book] });
await service.start();

await client.publish(OrderPaid({ orderId: "A-1", amount: 9 }));
await client.publish("order.paid", { orderId: "A-2", amount: "nine" }); // no schema checks this one
while ((await client.listDeadLetters({ service: "accounts" })).length < 2) await sleep(20);

for (const letter of await client.listDeadLetters({ service: "accounts" })) {
  const { payload } = JSON.parse(new TextDecoder().decode(letter.body));
  console.log(
    `${letter.reason} after ${letter.attempts}: ${payload.orderId}, ${letter.error.message}`,
  );
}

bankIsThere = true;
console.log("replayed:", await client.replayDeadLetters({ service: "accounts", reason: "failed" }));
while (booked.length === 0) await sleep(20);
console.log("booked after all:", booked.join());
console.log("discarded:", await client.discardDeadLetters({ service: "accounts" }));
