// The tour: a service and a client in one program, step by step. `deno task demo`, or with `--servers nats://host:4222`.

import { readFile } from "node:fs/promises";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import {
  command,
  connect,
  createClient,
  createLogger,
  createService,
  event,
  on,
  rpc,
  RpcError,
} from "@aegis/sdk";
import * as v from "valibot";

const HELP = `deno task demo                                      in this process, without a server
deno task demo --servers nats://localhost:4222      on a real one; \`deno task nats\` starts one`;

async function demo(servers: string): Promise<void> {
  const logger = createLogger({ level: "silent" }); // the tour prints enough

  step("Connect. With memory: the broker is in this process, and no server is needed.");
  await using bus = await connect({ servers, name: "demo", logger });
  print(`${bus.status} to ${bus.server.address}, NATS version: ${bus.server.version}`);

  step(
    "A method: schemas of valibot, zod or arktype, and a handler. Defining it does nothing yet.",
  );
  const taken = new Set<string>();
  const createOrder = rpc("create_order", {
    params: v.object({ orderId: v.string(), amount: v.pipe(v.number(), v.minValue(0)) }),
    result: v.object({ orderId: v.string(), status: v.literal("created") }),
  }, ({ orderId }) => {
    if (taken.has(orderId)) {
      throw new RpcError("ORDER_EXISTS", `There is an order ${orderId} already`, { orderId });
    }
    taken.add(orderId);
    return { orderId, status: "created" as const };
  });
  print(`the method ${createOrder.method}`);

  step("A slow one. ctx.signal says when nobody waits for it any more.");
  const aborted: string[] = [];
  const shipOrder = rpc("ship_order", {
    params: v.object({ orderId: v.string() }),
    result: v.object({ shippedAt: v.string() }),
  }, async (_params, ctx) => {
    ctx.signal.addEventListener("abort", () => aborted.push(ctx.signal.reason.code));
    await sleep(60_000, undefined, { signal: ctx.signal });
    return { shippedAt: new Date().toISOString() };
  });
  print(`the method ${shipOrder.method}`);

  step("A service serves them. start() resolves when calls will find it.");
  const service = createService("orders", { bus, handlers: [createOrder, shipOrder] });
  await service.start();
  print(`${service.name} is ${service.status}, instance ${service.instanceId}`);

  step("A client, typed from the service. Between programs its type is imported, and no code.");
  const orders = createClient({ bus }).service<typeof service>("orders");
  const order = await orders.call("create_order", { orderId: "A-1", amount: 9 });
  print(order);

  step("Parameters that do not fit never reach the handler. The issues reach the caller.");
  const errorOf = (call: Promise<unknown>) => call.then(() => undefined, (error) => error);
  const invalid = await errorOf(orders.call("create_order", { orderId: "A-2", amount: -1 }));
  print(invalid.name, invalid.code, JSON.stringify(invalid.issues));

  step("The handler's own error arrives with its code, message and data.");
  const refused = await errorOf(orders.call("create_order", { orderId: "A-1", amount: 9 }));
  print(refused.name, refused.code, refused.message, refused.data);

  step("A deadline. It holds in the handler too, and in every call that the handler makes.");
  const late = await errorOf(orders.call("ship_order", { orderId: "A-1" }, { timeoutMs: 100 }));
  print(late.name, late.code, late.message);

  step("A signal takes a call back, and the handler, in whatever process it runs, is told.");
  const controller = new AbortController();
  const call = orders.call("ship_order", { orderId: "A-1" }, { signal: controller.signal });
  setTimeout(() => controller.abort(new Error("The customer changed their mind")), 100);
  const cancelled = await errorOf(call);
  await sleep(100);
  print(cancelled.message, { whatTheHandlersWereTold: aborted });

  step("An event: what has happened. Another service wants to know of it, and may fail at first.");
  const OrderPaid = event("order.paid", { payload: v.object({ orderId: v.string() }) });
  const shipped = Promise.withResolvers<string>();
  const ship = on(OrderPaid, { retry: { initialDelayMs: 50 } }, ({ payload }, ctx) => {
    if (ctx.attempt === 1) throw new Error("The lorry is late");
    shipped.resolve(`${payload.orderId} is shipped at attempt ${ctx.attempt}`);
  });
  const shipping = createService("shipping", { bus, handlers: [ship] });
  await shipping.start();
  print(`${shipping.name} handles ${ship.pattern}, ${ship.settings.retry.attempts} attempts`);

  step("publish() resolves when the stream has it: from then on it is handled, whatever happens.");
  const stored = await createClient({ bus }).publish(OrderPaid({ orderId: "A-1" }));
  print(`stored in ${stored.stream} as number ${stored.sequence}`);
  print(await shipped.promise);
  await shipping.stop();

  step("A command: long work, which waits for a free slot, tells how far it is, and has a record.");
  const packOrder = command("pack_order", {
    payload: v.object({ items: v.array(v.string()) }),
    result: v.object({ packed: v.number() }),
  }, async ({ payload: { items } }, ctx) => {
    for (const [index, item] of items.entries()) {
      await sleep(20, undefined, { signal: ctx.signal });
      await ctx.progress((index + 1) * 100 / items.length, item);
    }
    return { packed: items.length };
  });
  const packing = createService("packing", { bus, handlers: [packOrder] });
  await packing.start();
  print(`${packing.name} runs ${packOrder.command}, ${packOrder.settings.concurrency} at once`);

  step("send() resolves when its queue has it. Its id is all that another process needs.");
  const job = await createClient({ bus })
    .service<typeof packing>("packing")
    .send("pack_order", { items: ["lamp", "oil", "wick"] }, { priority: "high" });
  for await (const { percent, status } of job.progress()) print(`${percent.toFixed()} %`, status);
  const found = await createClient({ bus }).command(job.id);
  print(await found.result(), (await found.status()).state);
  await packing.stop();

  step("Every call, event and command was counted and timed, on both sides.");
  const { counters } = bus.metrics.snapshot();
  for (const { name, labels, value } of counters) {
    print(name, labels.method ?? labels.event ?? labels.command, labels.outcome, value);
  }

  step("Stop: take no more calls, finish those that run, close the connection.");
  await service.stop();
  await bus.close();
  print(`${service.name} is ${service.status}, the bus is ${bus.status}`);
}

const source = await readFile(new URL(import.meta.url), "utf8");
const steps = source.split(/^ {2}step\([^]*?\);\n/m).slice(1);
let number = 0;

/** Prints a step's title and its code, which is read from this very file. */
function step(title: string): void {
  const [code = ""] = (steps[number++] ?? "").split(/^ {2}(?:for .* )?print\(/m);
  console.log(`\n${number}. ${title}\n\n${code.trimEnd().replace(/^ {2}/gm, "     ")}`);
}

function print(...values: unknown[]): void {
  console.log("  →", ...values);
}

try {
  const { values } = parseArgs({
    options: { servers: { type: "string" }, help: { type: "boolean" } },
  });
  if (values.help) console.log(HELP);
  else await demo(values.servers || process.env.AEGIS_SERVERS || "memory:");
} catch (error) {
  console.error(`${(error as Error).name}: ${(error as Error).message}`);
  process.exitCode = 1;
}
