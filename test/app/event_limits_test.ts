// Limits: what is too large, a stream that is full, and what a schema or a policy of the program's own does wrong.

import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import * as v from "valibot";
import { z } from "zod";
import {
  AegisError,
  createClient,
  event,
  on,
  QueueFullError,
  SerializationError,
} from "../../mod.ts";
import { bothStreams, errorOf, until } from "./buses.ts";

bothStreams(
  "a payload over the server's limit is refused, and says how large it is",
  async ({ client }) => {
    const { publish } = createClient({ bus: client });
    const error = await errorOf(publish("order.created", { text: "x".repeat(2_000_000) }));
    ok(SerializationError.is(error, "PAYLOAD_TOO_LARGE"), String(error));
    match(error.message, /max_payload/);
    strictEqual((await publish("order.created")).sequence, 1);
  },
);

bothStreams("what has no encoding is refused", async ({ client }) => {
  const { publish } = createClient({ bus: client });
  const error = await errorOf(publish("order.created", { n: 1n }));
  ok(SerializationError.is(error, "SERIALIZATION"), String(error));
});

bothStreams(
  "a full stream refuses what is new, drops nothing, and takes more when there is room",
  async (buses) => {
    const bus = await buses.open({ streams: { events: { maxMessages: 3 } } });
    const got: unknown[] = [];
    const client = createClient({ bus });
    for (let n = 0; n < 3; n++) await client.publish("order.created", { n });
    const error = await errorOf(client.publish("order.created", { n: 3 }));
    ok(QueueFullError.is(error), String(error));
    match(error.message, /EVENTS|full/);
    const result = await client.publishMany([{ type: "order.created" }] as never, {
      onOutcome() {},
    });
    deepStrictEqual(result, { stored: 0, duplicates: 0, failed: 1 });
    await buses.serve("billing", [
      on("order.*", { from: "all" }, ({ payload }) => void got.push(payload)),
    ]);
    await until(() => got.length === 3);
    deepStrictEqual(got, [{ n: 0 }, { n: 1 }, { n: 2 }]);
    const wider = await buses.open({ streams: { events: { maxMessages: 10 } } });
    await buses.serve("other", [on("user.*", () => {})], { bus: wider });
    await client.publish("order.created", { n: 3 });
    await until(() => got.length === 4);
  },
);

bothStreams(
  "while dead letters cannot be stored the event stays, and its handler does not run again",
  async (buses) => {
    const tight = await buses.open({ streams: { deadLetters: { maxMessages: 1 } } });
    let runs = 0;
    const service = await buses.serve("billing", [
      on("order.*", { retry: false }, () => {
        runs++;
        throw new Error("no");
      }),
    ], { bus: tight });
    const client = createClient({ bus: buses.client });
    await client.publish("order.created", { n: 0 });
    await until(async () => (await client.listDeadLetters()).length === 1);
    await client.publish("order.created", { n: 1 });
    await until(() =>
      buses.logs.some(({ message }) => message.startsWith("A dead letter could not"))
    );
    strictEqual(runs, 2);
    const { admin } = await buses.streams();
    // Whatever takes it from here finds it there.
    await until(async () => (await admin.consumer("EVENTS", "billing=order=+"))?.ackPending === 1);
    strictEqual((await service.health()).status, "started");
  },
);

bothStreams(
  "schemas of other libraries fit, asynchronous ones and those that change what they read",
  async (buses) => {
    const got: unknown[] = [];
    const Created = event("order.created", {
      payload: z.object({
        at: z.string().transform((text) => new Date(text)),
        n: z.number().default(7),
      }),
    });
    const checked = v.pipeAsync(
      v.object({ name: v.string() }),
      v.checkAsync(async ({ name }) => await Promise.resolve(name !== "Eve"), "is not welcome"),
    );
    await buses.serve("audit", [
      on(Created, ({ payload }) => void got.push([payload.at.getTime(), payload.n])),
      on("user.joined", { payload: checked }, ({ payload }) => void got.push(payload.name)),
    ]);
    const client = createClient({ bus: buses.client });
    // What is published is what was given: the handler's side makes of it what the schema says, once.
    await client.publish(Created({ at: "2026-01-01T00:00:00Z" }));
    await until(() => got.length === 1);
    deepStrictEqual(got, [[1_767_225_600_000, 7]]);
    await client.publish("user.joined", { name: "Eve" });
    await client.publish("user.joined", { name: "Ada" });
    await until(() => got.length === 2);
    strictEqual(got[1], "Ada");
    await until(async () => (await client.listDeadLetters({ reason: "invalid" })).length === 1);
  },
);

bothStreams("a policy that throws does not keep the event for ever", async (buses) => {
  const retry = {
    retryIf: () => {
      throw new Error("the policy is wrong");
    },
  };
  await buses.serve("billing", [
    on("order.*", { retry }, () => {
      throw new Error("no");
    }),
  ]);
  const client = createClient({ bus: buses.client });
  await client.publish("order.created");
  await until(async () => (await client.listDeadLetters()).length === 1);
  match((await client.listDeadLetters())[0]!.error.message, /the policy is wrong/);
});

bothStreams("what a handler throws need not be an error", async (buses) => {
  await buses.serve("billing", [
    on("order.*", { retry: false }, ({ type }) => {
      throw type === "order.nothing" ? undefined : "just text";
    }),
  ]);
  const client = createClient({ bus: buses.client });
  await client.publish("order.nothing");
  await client.publish("order.text");
  await until(async () => (await client.listDeadLetters()).length === 2);
  const letters = await client.listDeadLetters();
  deepStrictEqual(letters.map(({ error }) => error.message).sort(), ["just text", "undefined"]);
});

bothStreams("a signal ends the waiting for a publish", async (buses) => {
  const { publish } = createClient({ bus: buses.client });
  const reason = new Error("enough");
  strictEqual(
    await errorOf(publish("order.created", {}, { signal: AbortSignal.abort(reason) })),
    reason,
  );
  const controller = new AbortController();
  const sent = publish("order.created", {}, { signal: controller.signal });
  strictEqual((await sent).duplicate, false);
  controller.abort();
});

bothStreams("a closed bus publishes nothing, and says so", async (buses) => {
  const bus = await buses.open();
  const { publish } = createClient({ bus });
  await bus.close();
  const error = await errorOf(publish("order.created"));
  ok(AegisError.is(error, "CLOSED"), String(error));
});
