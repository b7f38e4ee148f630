// Events: published, stored, and handled by one instance or by all.

import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import * as v from "valibot";
import {
  createClient,
  event,
  type EventsFrom,
  on,
  type ReceivedEvent,
  rpc,
  ValidationError,
} from "../../mod.ts";
import { bothStreams, errorOf, until } from "./buses.ts";

const OrderCreated = event("order.created", {
  version: "1.2",
  payload: v.object({ orderId: v.string(), amount: v.number() }),
});

bothStreams("what is published arrives with all that it carries", async ({ client, serve }) => {
  const got: ReceivedEvent<{ orderId: string; amount: number }>[] = [];
  await serve("billing", [on(OrderCreated, (event) => void got.push(event))]);
  const published = await createClient({ bus: client }).publish(
    OrderCreated({ orderId: "A-1", amount: 9 }),
  );
  strictEqual(published.duplicate, false);
  strictEqual(published.stream, "EVENTS");
  await until(() => got.length === 1);
  const { payload, timestamp, traceId, storedAt, ...rest } = got[0]!;
  deepStrictEqual(payload, { orderId: "A-1", amount: 9 });
  deepStrictEqual(rest, {
    id: published.id,
    type: "order.created",
    version: "1.2",
    source: "client",
    correlationId: null,
    sequence: published.sequence,
  });
  ok(Math.abs(Date.parse(timestamp) - storedAt) < 5_000);
  strictEqual(traceId.length, 36);
});

bothStreams("instances compete: each event is handled by one of them", async (buses) => {
  const got: string[] = [];
  const handler = (instance: string) =>
    on(
      "order.created",
      ({ payload }) => void got.push(`${instance}${(payload as { n: number }).n}`),
    );
  await buses.serve("billing", [handler("a")]);
  await buses.serve("billing", [handler("b")], { bus: await buses.open() });
  const { publish } = createClient({ bus: buses.client });
  for (let n = 0; n < 200; n++) await publish("order.created", { n });
  await until(() => got.length >= 200);
  strictEqual(new Set(got.map((text) => text.slice(1))).size, 200);
  strictEqual(got.length, 200);
});

bothStreams("broadcast: every instance handles each event", async (buses) => {
  const got: Record<string, number[]> = { a: [], b: [] };
  const handler = (instance: "a" | "b") =>
    on("cache.*", { mode: "broadcast" }, ({ payload }) => {
      got[instance]!.push((payload as { n: number }).n);
    });
  await buses.serve("web", [handler("a")]);
  await buses.serve("web", [handler("b")], { bus: await buses.open() });
  const { publish } = createClient({ bus: buses.client });
  for (let n = 0; n < 50; n++) await publish("cache.cleared", { n });
  await until(() => got.a!.length >= 50 && got.b!.length >= 50);
  for (const list of Object.values(got)) {
    deepStrictEqual(list, Array.from({ length: 50 }, (_, n) => n));
  }
});

bothStreams("overlapping patterns of a service each get an event once", async (buses) => {
  const got: string[] = [];
  const handler = (pattern: string) =>
    on(pattern, ({ type }) => void got.push(`${pattern} ${type}`));
  await buses.serve(
    "audit",
    ["order.created", "order.*", "*.created", "order.>", ">"].map(handler),
  );
  const { publish } = createClient({ bus: buses.client });
  await publish("order.created");
  await publish("order.item.added");
  await until(() => got.length >= 7);
  deepStrictEqual(got.sort(), [
    "*.created order.created",
    "> order.created",
    "> order.item.added",
    "order.* order.created",
    "order.> order.created",
    "order.> order.item.added",
    "order.created order.created",
  ]);
});

bothStreams("wildcards are as durable as exact patterns", async ({ client, serve }) => {
  const got: unknown[] = [];
  const handlers = [on("order.*", ({ payload }) => void got.push(payload))];
  const first = await serve("audit", handlers);
  await first.stop();
  const { publish } = createClient({ bus: client });
  for (let n = 0; n < 5; n++) await publish("order.created", { n });
  await serve("audit", handlers);
  await until(() => got.length >= 5);
  deepStrictEqual(got, [0, 1, 2, 3, 4].map((n) => ({ n })));
});

bothStreams("an id that comes twice is stored once", async ({ client, serve }) => {
  let runs = 0;
  await serve("billing", [on("order.created", () => void runs++)]);
  const { publish } = createClient({ bus: client });
  const first = await publish("order.created", { n: 1 }, { id: "order-1" });
  const second = await publish("order.created", { n: 1 }, { id: "order-1" });
  deepStrictEqual(second, { ...first, duplicate: true });
  await publish("order.created", { n: 2 });
  await until(() => runs === 2);
});

bothStreams("a payload that does not fit its definition is not published", async ({ client }) => {
  const { publish } = createClient({ bus: client });
  const error = await errorOf(publish(OrderCreated({ orderId: "1", amount: "9" as never })));
  ok(ValidationError.is(error));
  deepStrictEqual(error.issues.map(({ path }) => path), [["amount"]]);
});

bothStreams("what a handler publishes follows from what it handles", async ({ client, serve }) => {
  const got: ReceivedEvent[] = [];
  const chain = on("order.created", async (_event, ctx) => {
    await ctx.publish("order.billed");
  });
  const place = rpc("place", async (_params, ctx) => await ctx.publish("order.created"));
  await serve("shop", [
    place,
    chain,
    on("order.*", { concurrency: 1 }, (event) => void got.push(event)),
  ]);
  await createClient({ bus: client }).call("shop", "place");
  await until(() => got.length === 2);
  const [created, billed] = got;
  strictEqual(created!.source, "shop");
  strictEqual(billed!.traceId, created!.traceId);
  strictEqual(billed!.correlationId, created!.id);
});

bothStreams(
  "a handler begins at what is new, at the oldest, at a sequence or at a time",
  async (buses) => {
    const { publish } = createClient({ bus: buses.client });
    const sequences: number[] = [];
    for (let n = 0; n < 3; n++) sequences.push((await publish("day.passed", { n })).sequence);
    await new Promise((resolve) => setTimeout(resolve, 20));
    const time = new Date();
    await new Promise((resolve) => setTimeout(resolve, 20));
    await publish("day.passed", { n: 3 });
    const got: Record<string, number[]> = {};
    const handler = (
      name: string,
      from: EventsFrom,
    ) =>
      on("day.passed", { name, from, ordered: true }, ({ payload }) => {
        (got[name] ??= []).push((payload as { n: number }).n);
      });
    await buses.serve("calendar", [
      handler("new", "new"),
      handler("all", "all"),
      handler("sequence", { sequence: sequences[1]! }),
      handler("time", { time }),
    ]);
    await publish("day.passed", { n: 4 });
    await until(() =>
      Object.values(got).length === 4 && Object.values(got).every((list) => list.at(-1) === 4)
    );
    deepStrictEqual(got, { new: [4], all: [0, 1, 2, 3, 4], sequence: [1, 2, 3, 4], time: [3, 4] });
  },
);

bothStreams(
  "ordered: one at a time over all instances, a failure holds up what is behind it",
  async (buses) => {
    const got: string[] = [];
    let running = 0;
    const handler = on(
      "step.*",
      { ordered: true, retry: { initialDelayMs: 30 } },
      async (event, ctx) => {
        strictEqual(++running, 1);
        await new Promise((resolve) => setTimeout(resolve, 3));
        running--;
        const { n } = event.payload as { n: number };
        if (n === 3 && ctx.attempt < 3) throw new Error("not yet");
        got.push(`${n}`);
      },
    );
    await buses.serve("worker", [handler]);
    await buses.serve("worker", [handler], { bus: await buses.open() });
    const { publish } = createClient({ bus: buses.client });
    for (let n = 0; n < 20; n++) await publish("step.done", { n });
    await until(() => got.length >= 20);
    deepStrictEqual(got, Array.from({ length: 20 }, (_, n) => `${n}`));
  },
);

bothStreams("what is no type, payload or option is refused at once", async ({ client }) => {
  const { publish } = createClient({ bus: client });
  for (const type of ["order", "order.*", "", "a b.c"]) await rejects(publish(type), TypeError);
  await rejects(publish("order.created", [] as never), TypeError);
  await rejects(publish("order.created", new Map()), TypeError);
  await rejects(publish("order.created", {}, { timeout: 5 } as never), /timeoutMs/);
  await rejects(publish("order.created", {}, { timeoutMs: 0 }), RangeError);
  await rejects(publish("order.created", {}, { id: "" }), TypeError);
  await rejects(publish(OrderCreated as never), /call it with a payload/);
});

bothStreams(
  "thousands that are published at once on a bus that has just connected are stored once each",
  async (buses) => {
    const bus = await buses.open();
    const { publish } = createClient({ bus });
    const count = 20_000;
    const all = await Promise.all(
      Array.from(
        { length: count },
        (_, n) => publish("order.created", { n }, { timeoutMs: 60_000 }),
      ),
    );
    deepStrictEqual(all.filter(({ duplicate }) => duplicate), []);
    strictEqual(new Set(all.map(({ sequence }) => sequence)).size, count);
    strictEqual((await (await buses.streams()).admin.stream("EVENTS"))?.messages, count);
  },
);

bothStreams(
  "an event that a definition made takes its options in the second place alone",
  async ({ client }) => {
    const { publish } = createClient({ bus: client });
    const event = OrderCreated({ orderId: "1", amount: 9 });
    await rejects(publish(event as never, {}, { id: "mine" }), /further arguments/);
  },
);
