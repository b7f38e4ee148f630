// Events that every instance handles: each of them drops what it has cached.
// deno run -A examples/09_broadcast.ts [nats://localhost:4222]

import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { connect, createClient, createLogger, createService, event, on, rpc } from "@aegis/sdk";
import * as v from "valibot";

const servers = process.argv[2] || process.env.AEGIS_SERVERS || "memory:";
await using bus = await connect({ servers, logger: createLogger({ level: "warn" }) });
const client = createClient({ bus });

const PriceChanged = event("price.changed", {
  payload: v.object({ article: v.string(), price: v.number() }),
});

function web(instanceId: string) {
  const cache = new Map([["lamp", 20]]);
  return createService("web", {
    bus,
    instanceId,
    handlers: [
      rpc("price", () => cache.get("lamp")),
      on(PriceChanged, { mode: "broadcast" }, ({ payload }) => {
        cache.set(payload.article, payload.price);
      }),
    ],
  });
}

await using one = web("one");
await using two = web("two");
await Promise.all([one.start(), two.start()]);

await client.publish(PriceChanged({ article: "lamp", price: 18 }));
for (const instance of ["one", "two"]) {
  const price = () => client.call<number>("web", "price", {}, { instance });
  while (await price() !== 18) await sleep(5);
  console.log(`${instance} sells the lamp at ${await price()}`);
}
