// Types of events: what does not fit does not compile. `deno check` is the test; running it shows that it is valid code.

import { ok } from "node:assert/strict";
import { test } from "node:test";
import { type } from "arktype";
import * as v from "valibot";
import { z } from "zod";
import {
  type Bus,
  type Client,
  type Context,
  createService,
  event,
  type EventDefinition,
  type EventHandler,
  type EventHealth,
  type MethodOf,
  type NewEvent,
  on,
  type ParamsOf,
  type Publish,
  type PublishedEvent,
  type ReceivedEvent,
  type ResultOf,
  rpc,
} from "../../mod.ts";

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true
  : false;
const same = <A, B>(..._: Same<A, B> extends true ? [] : [never]): void => {};

const OrderCreated = event("order.created", {
  version: "1.1",
  payload: v.object({ orderId: v.string(), amount: v.optional(v.number(), 1) }),
});
const TextWritten = event("text.written", {
  payload: z.object({ length: z.string().transform((text) => text.length) }),
});
const Counted = event("count.taken", { payload: type({ n: "number" }) });
const Anything = event("any.thing");
const nothing = () => {};

/** A definition carries its type, what a publisher gives and what a handler gets. */
export function definitions(): void {
  same<
    typeof OrderCreated,
    EventDefinition<
      "order.created",
      { orderId: string; amount?: number | undefined },
      { orderId: string; amount: number }
    >
  >();
  same<
    typeof TextWritten,
    EventDefinition<"text.written", { length: string }, { length: number }>
  >();
  same<typeof Counted, EventDefinition<"count.taken", { n: number }, { n: number }>>();
  same<typeof Anything, EventDefinition<"any.thing", object, unknown>>();
  same<typeof OrderCreated.type, "order.created">();

  // @ts-expect-error the payload of an event is an object
  event("a.b", { payload: v.string() });
  // @ts-expect-error there is no such option
  event("a.b", { schema: v.object({}) });
  // @ts-expect-error a schema is needed
  event("a.b", { payload: { orderId: "string" } });
  // @ts-expect-error a version is text
  event("a.b", { version: 1 });
  // @ts-expect-error a type is text
  event(5);
}

/** A definition makes events of payloads that fit it, and of no others. */
export function payloads(): void {
  const made = OrderCreated({ orderId: "A-1" });
  same<typeof made, NewEvent<{ orderId: string; amount?: number | undefined }>>();
  OrderCreated({ orderId: "A-1", amount: 9 });
  TextWritten({ length: "three" });
  Anything({ whatever: 1 });

  // @ts-expect-error a payload is needed
  OrderCreated();
  // @ts-expect-error a field is missing
  OrderCreated({ amount: 9 });
  // @ts-expect-error a field is of another type
  OrderCreated({ orderId: 1 });
  // @ts-expect-error there is no such field
  OrderCreated({ orderId: "A-1", amuont: 9 });
  // @ts-expect-error a publisher gives what the schema takes, and not what it makes of it
  TextWritten({ length: 5 });
  // @ts-expect-error the payload is of another event
  Counted({ orderId: "A-1" });
  // @ts-expect-error a payload is an object
  Anything("text");
  // @ts-expect-error an event cannot be changed
  made.type = "order.deleted";
}

/** A handler of a definition gets what the schema makes of a payload. */
export function handlers(): void {
  const created = on(OrderCreated, (received, ctx) => {
    same<typeof received, ReceivedEvent<{ orderId: string; amount: number }>>();
    same<typeof ctx, Context>();
    same<typeof ctx.publish, Publish>();
    // @ts-expect-error there is no such field
    ok(received.payload.orderID);
    // @ts-expect-error an event cannot be changed
    received.payload = { orderId: "", amount: 0 };
  });
  same<typeof created, EventHandler<"order.created">>();
  on(TextWritten, ({ payload }) => same<typeof payload, { length: number }>());
  on(Counted, async ({ payload }) => {
    same<typeof payload, { n: number }>();
    await Promise.resolve();
  });
  on(Anything, ({ payload }) => {
    same<typeof payload, unknown>();
    // @ts-expect-error what nobody has said is unknown
    ok(payload.orderId);
  });
}

/** Options say how, and keep the payload as it is; option `payload` takes the place of the definition's schema. */
export function options(): void {
  on(OrderCreated, { concurrency: 4, retry: false, mode: "broadcast" }, ({ payload }) => {
    same<typeof payload, { orderId: string; amount: number }>();
  });
  on(OrderCreated, { payload: v.object({ orderId: v.number() }) }, ({ payload }) => {
    same<typeof payload, { orderId: number }>();
  });
  on(Anything, { payload: z.object({ n: z.number() }), from: "all" }, ({ payload }) => {
    same<typeof payload, { n: number }>();
  });
  for (const from of ["new", "all", { sequence: 1 }, { time: new Date(0) }] as const) {
    on(OrderCreated, { from }, nothing);
  }
  for (const time of [0, "2026-01-01"]) on(OrderCreated, { from: { time } }, nothing);

  // @ts-expect-error there is no such option
  on(OrderCreated, { concurency: 4 }, nothing);
  // @ts-expect-error there is no such mode
  on(OrderCreated, { mode: "all" }, nothing);
  // @ts-expect-error there is no such place
  on(OrderCreated, { from: "old" }, nothing);
  // @ts-expect-error a policy has no such field
  on(OrderCreated, { retry: { atempts: 2 } }, nothing);
  // @ts-expect-error a schema is needed
  on(OrderCreated, { payload: { orderId: "string" } }, nothing);
  // @ts-expect-error a handler is needed
  on(OrderCreated, { concurrency: 4 });
  // @ts-expect-error a handler takes what the schema makes
  on(OrderCreated, (received: ReceivedEvent<{ orderId: number }>) => ok(received));
  // @ts-expect-error the same with options
  on(OrderCreated, { concurrency: 4 }, (received: ReceivedEvent<{ id: string }>) => ok(received));
  // @ts-expect-error a handler may not ask for more than there is
  on(OrderCreated, (_event, _context, _more: string) => {});
}

/** A handler of a pattern knows nothing of the payload until a schema says it. */
export function patterns(): void {
  const audit = on("payment.*", ({ payload, ...rest }) => {
    same<typeof payload, unknown>();
    same<typeof rest.type, string>();
    // @ts-expect-error what nobody has said is unknown
    ok(payload.amount);
  });
  same<typeof audit, EventHandler<"payment.*">>();
  on("payment.>", { concurrency: 4 }, ({ payload }) => same<typeof payload, unknown>());
  on("payment.*", { payload: v.object({ amount: v.optional(v.number(), 0) }) }, ({ payload }) => {
    same<typeof payload, { amount: number }>();
    // @ts-expect-error there is no such field
    ok(payload.currency);
  });
  // @ts-expect-error a handler may not say what no schema does
  on("payment.*", (received: ReceivedEvent<{ amount: number }>) => ok(received));
  // @ts-expect-error there is no such option
  on("payment.*", { nam: "audit" }, nothing);
  // @ts-expect-error a handler is needed
  on("payment.*");
  // @ts-expect-error a pattern is text, or a definition
  on(5, nothing);
  // @ts-expect-error an event that was made is no definition
  on(OrderCreated({ orderId: "A-1" }), nothing);
}

/** Events are published by what a definition made, or by their type. */
export async function publishing(client: Client, ctx: Context, bus: Bus): Promise<void> {
  const service = createService("shop", { bus, handlers: [] });
  for (const publish of [client.publish, ctx.publish, service.publish]) {
    same<typeof publish, Publish>();
    const stored = await publish(OrderCreated({ orderId: "A-1" }), { id: "A-1", timeoutMs: 5 });
    same<typeof stored, PublishedEvent>();
    await publish("order.created");
    await publish("order.created", { orderId: "A-1" }, { headers: { a: "1" } });

    // @ts-expect-error a field is missing
    await publish(OrderCreated({}));
    // @ts-expect-error a definition is called with a payload, which makes an event
    await publish(OrderCreated);
    // @ts-expect-error a payload is an object
    await publish("order.created", "A-1");
    // @ts-expect-error there is no such option
    await publish(OrderCreated({ orderId: "A-1" }), { timeout: 5 });
    // @ts-expect-error there is no such option
    await publish("order.created", {}, { ids: "A-1" });
    // @ts-expect-error an option is of another type
    await publish("order.created", {}, { id: 1 });
    // @ts-expect-error what an event is published with is no second payload
    await publish(OrderCreated({ orderId: "A-1" }), { id: "A-1" }, {});
  }

  async function* later() {
    yield OrderCreated({ orderId: "A-1" });
    yield Counted(await Promise.resolve({ n: 1 }));
  }
  const { stored } = await client.publishMany(later(), { inFlight: 5 });
  same<typeof stored, number>();
  await client.publishMany([OrderCreated({ orderId: "A-1" }), Counted({ n: 1 })]);
  // @ts-expect-error many events are of a list
  await client.publishMany(OrderCreated({ orderId: "A-1" }));
  // @ts-expect-error a type is no event
  await client.publishMany(["order.created"]);
}

/** A service of methods and handlers of events is, to its callers, its methods. */
export async function mixed(bus: Bus, client: Client): Promise<void> {
  const service = createService("shop", {
    bus,
    handlers: [
      on(OrderCreated, nothing),
      rpc("create", {
        params: v.object({ id: v.string(), amount: v.optional(v.number(), 1) }),
        result: v.object({ status: v.picklist(["created", "known"]) }),
      }, () => ({ status: "created" })),
      on("payment.*", { mode: "broadcast" }, nothing),
      rpc("now", () => 5),
    ],
  });
  type Shop = typeof service;
  same<MethodOf<Shop>, "create" | "now">();
  same<ParamsOf<Shop, "create">, { id: string; amount?: number | undefined }>();
  same<ResultOf<Shop, "create">, { status: "created" | "known" }>();
  const { events } = await service.health();
  same<typeof events, readonly EventHealth[]>();

  const shop = client.service<typeof service>("shop");
  const { status } = await shop.call("create", { id: "1" });
  same<typeof status, "created" | "known">();
  const five = await shop.call("now");
  same<typeof five, number>();
  const again = await service.call(shop, "create", { id: "1", amount: 2 });
  same<typeof again, { status: "created" | "known" }>();
  // @ts-expect-error there is no such method
  await shop.call("creat", { id: "1" });
  // @ts-expect-error a field is missing
  await shop.call("create", {});
  // @ts-expect-error an event is not called
  await shop.call("order.created", { orderId: "A-1" });
  // @ts-expect-error what a service serves is what rpc() and on() give
  createService("shop", { bus, handlers: [OrderCreated] });
  // @ts-expect-error the same of an event that was made
  createService("shop", { bus, handlers: [OrderCreated({ orderId: "A-1" })] });

  const deaf = createService("audit", { bus, handlers: [on(OrderCreated, nothing)] });
  same<MethodOf<typeof deaf>, never>();
  // @ts-expect-error a service of events alone has no methods
  await client.service<typeof deaf>("audit").call("create", {});
}

test("the code of the type tests is valid", () => {
  const checks = [definitions, payloads, handlers, options, patterns, publishing, mixed];
  ok(checks.every((check) => typeof check === "function"));
});
