// What a server refuses: no JetStream, no permission. Each gets its clear error.

import { match, ok } from "node:assert/strict";
import { test } from "node:test";
import { AegisError, connect, createClient, createService, ensureTopology, on } from "../../mod.ts";
import { startNatsServer } from "../../tools/nats_server.ts";
import { logger, within } from "./outage_tools.ts";

const errorOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(() => undefined, (error) => error);

test("a server without JetStream: what publishes and what handles events says how to turn it on", async () => {
  await using server = await startNatsServer({ jetstream: false });
  await using bus = await connect({ servers: server.url, logger });
  const client = createClient({ bus });
  const service = createService("billing", { bus, handlers: [on("order.*", () => {})] });
  for (
    const work of [
      () => client.publish("order.created"),
      () => client.listDeadLetters(),
      () => service.start(),
      () => ensureTopology({ bus, services: [service], plan: true }),
    ]
  ) {
    const error = await within(3_000, "it is refused", errorOf(work()));
    ok(AegisError.is(error, "JETSTREAM_DISABLED"), String(error));
    match(error.message, /nats-server -js/);
  }
});

test("a user who may not publish events is told so at once", async () => {
  await using server = await startNatsServer({
    config: `authorization { users: [
      { user: "reader", password: "r", permissions: { publish: { deny: "events.>" } } }
      { user: "writer", password: "w" }
    ] }`,
  });
  await using writer = await connect({ servers: server.url, user: "writer", pass: "w", logger });
  await createClient({ bus: writer }).publish("order.created");
  await using reader = await connect({ servers: server.url, user: "reader", pass: "r", logger });
  const error = await within(
    2_000,
    "it is refused",
    errorOf(createClient({ bus: reader }).publish("order.created")),
  );
  ok(AegisError.is(error, "PERMISSION_DENIED"), String(error));
  match(error.message, /events\.order\.created/);
});

test("with the permissions that the README names, events are published and handled", async () => {
  await using server = await startNatsServer({
    config: `authorization { users: [
      { user: "publisher", password: "p", permissions: {
        publish: ["events.>"], subscribe: ["_INBOX.>"] } }
      { user: "handler", password: "h", permissions: {
        publish: ["events.>", "dead_letters.>", "$JS.API.>", "$JS.ACK.EVENTS.>", "_INBOX.>"]
        subscribe: ["_INBOX.>", "rpc.billing.>", "internal.rpc.*.billing"] } }
    ] }`,
  });
  await using bus = await connect({ servers: server.url, user: "handler", pass: "h", logger });
  const handled = Promise.withResolvers<string>();
  await using service = createService("billing", {
    bus,
    handlers: [on("order.*", { retry: false }, ({ type }) => {
      handled.resolve(type);
      throw new Error("no");
    })],
  });
  await service.start();
  await using other = await connect({ servers: server.url, user: "publisher", pass: "p", logger });
  await createClient({ bus: other }).publish("order.created");
  await within(3_000, "it is handled", handled.promise);
  const client = createClient({ bus });
  const letters = async () => (await client.listDeadLetters()).length;
  await within(
    3_000,
    "it is a dead letter",
    (async () => {
      while (await letters() === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    })(),
  );
});
