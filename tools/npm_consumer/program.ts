// A program of somebody who has installed the package from npm: every entry, with types that hold.

import {
  AegisError,
  command,
  connect,
  type Context,
  createClient,
  createService,
  event,
  on,
  rpc,
} from "@aegis/sdk";
import { connect as connectDeno } from "@aegis/sdk/deno";
import { connect as connectEdge } from "@aegis/sdk/edge";
import { msgpack } from "@aegis/sdk/msgpack";
import { captureLogs } from "@aegis/sdk/testing";
import * as v from "valibot";

function assert(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(what);
}

const Paid = event("order.paid", { version: "1.0", payload: v.object({ orderId: v.string() }) });

const greet = rpc("greet", {
  params: v.object({ name: v.string() }),
  result: v.object({ text: v.string() }),
}, ({ name }, ctx: Context) => ({ text: `Hello, ${name}, from ${ctx.service}` }));

const double = command("double", {
  payload: v.object({ n: v.number() }),
  result: v.object({ n: v.number() }),
}, async ({ payload }, ctx) => {
  await ctx.progress(50, "half-way");
  return { n: payload.n * 2 };
});

let heard = (_orderId: string): void => {};
const paid = new Promise<string>((resolve) => heard = resolve);
const book = on(Paid, ({ payload }) => heard(payload.orderId));

const { logger } = captureLogs();
await using bus = await connect({ servers: "memory:npm", logger, codec: msgpack() });
await using service = createService("orders", { bus, handlers: [greet, double, book] });
await service.start();

const client = createClient({ bus });
const orders = client.service<typeof service>("orders");
const { text } = await orders.call("greet", { name: "Ada" });
assert(text === "Hello, Ada, from orders", text);

// @ts-expect-error the method takes a name: were the types lost on the way, this line would be an error
const wrong = orders.call("greet", { nom: "Ada" });
const refused = await wrong.then(() => undefined, (error: unknown) => error);
assert(AegisError.is(refused, "INVALID_REQUEST"), `${refused}`);

await client.publish(Paid({ orderId: "A-1" }));
assert(await paid === "A-1", "the event has another order");

const job = await orders.send("double", { n: 21 });
const steps: number[] = [];
for await (const { percent } of job.progress()) steps.push(percent);
assert(steps.length > 0, "there is no progress");
const result: { readonly n: number } = await job.result();
assert(result.n === 42, `${result.n}`);

for (const open of [connectEdge, connectDeno]) {
  await using other = await open({ servers: "memory:npm", logger });
  assert(other.status === "connected", other.status);
}
console.log("the package works");
