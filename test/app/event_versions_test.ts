// Versions of events: a handler of a definition gets what is of its major version, and others pass by.

import { deepStrictEqual, strictEqual } from "node:assert/strict";
import * as v from "valibot";
import { createClient, event, on } from "../../mod.ts";
import { bothStreams, type Buses, until } from "./buses.ts";

const Old = event("order.created", { version: "1.0", payload: v.object({ orderId: v.string() }) });
const Newer = event("order.created", {
  version: "1.2",
  payload: v.object({ orderId: v.string(), note: v.string() }),
});
const Next = event("order.created", { version: "2.0", payload: v.object({ id: v.number() }) });

/** Resolves when nothing waits for a handler of `order.created` any more. */
const settled = (names: readonly string[], buses: Buses) =>
  until(async () => {
    const { admin } = await buses.streams();
    const states = await Promise.all(names.map((name) => admin.consumer("EVENTS", name)));
    return states.every((state) => state!.pending === 0 && state!.ackPending === 0);
  });

bothStreams(
  "two versions of an event go to the handlers of their own, and a pattern takes all",
  async (buses) => {
    const client = createClient({ bus: buses.client });
    const got: string[] = [];
    const note = (who: string) => ({ version }: { readonly version: string }) =>
      void got.push(`${who} ${version}`);
    await buses.serve("billing", [
      on(Old, { name: "old" }, note("old")),
      on(Next, { name: "next" }, note("next")),
      on("order.created", { name: "all" }, note("all")),
    ]);
    await client.publish(Old({ orderId: "a" }));
    await client.publish(Newer({ orderId: "a", note: "b" }));
    await client.publish(Next({ id: 1 }));
    await until(() => got.length === 6);
    await settled(["old", "next", "all"], buses);
    deepStrictEqual(got.sort(), [
      "all 1.0",
      "all 1.2",
      "all 2.0",
      "next 2.0",
      "old 1.0",
      "old 1.2",
    ]);
    deepStrictEqual(await client.listDeadLetters(), []);
    const passed = buses.logs.filter(({ message }) => message.includes("passes"));
    deepStrictEqual(
      passed.map(({ level, fields }) => `${level} ${fields.version} ${fields.handled}`).sort(),
      ["debug 1.0 2.0", "debug 1.2 2.0", "debug 2.0 1.0"],
    );
  },
);

bothStreams(
  "an event whose publisher names no version is for every handler whose schema it fits",
  async (buses) => {
    const client = createClient({ bus: buses.client });
    const got: unknown[] = [];
    await buses.serve("billing", [
      on(Next, { name: "next" }, ({ payload }) => void got.push(payload)),
    ]);
    await client.publish("order.created", { id: 1 });
    await client.publish("order.created", { id: "none" });
    const wire = await buses.wire();
    const body = { domain: "order", event_type: "created", payload: { id: 2 } };
    wire.publish("events.order.created", JSON.stringify(body));
    await wire.flush();
    await until(() => got.length === 2);
    await settled(["next"], buses);
    deepStrictEqual(got, [{ id: 1 }, { id: 2 }]);
    deepStrictEqual(await client.listDeadLetters(), []);
    // Of its own version what does not fit is a dead letter, as ever.
    wire.publish(
      "events.order.created",
      JSON.stringify({ ...body, payload: { id: "x" }, version: "2.7" }),
    );
    await until(async () => (await client.listDeadLetters()).length === 1);
    strictEqual((await client.listDeadLetters())[0]!.reason, "invalid");
  },
);

bothStreams("a schema that is asynchronous leaves other versions aside too", async (buses) => {
  const client = createClient({ bus: buses.client });
  const got: unknown[] = [];
  const Slow = event("order.paid", {
    version: "2.0",
    payload: v.pipeAsync(
      v.objectAsync({ id: v.number() }),
      v.checkAsync(async ({ id }) => await Promise.resolve(id > 0)),
    ),
  });
  await buses.serve("billing", [
    on(Slow, { name: "slow" }, ({ payload }) => void got.push(payload)),
  ]);
  await client.publish("order.paid", { id: 0 });
  await client.publish(event("order.paid", { version: "3.0" })({ id: 1 }));
  await client.publish(Slow({ id: 2 }));
  await until(() => got.length === 1);
  await settled(["slow"], buses);
  deepStrictEqual(got, [{ id: 2 }]);
  deepStrictEqual(await client.listDeadLetters(), []);
});
