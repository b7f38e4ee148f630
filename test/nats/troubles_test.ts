// Why a bus stays away, and what the server says of it, is in the log and in health().

import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { connect as connectNats } from "@nats-io/transport-node";
import { connect, createClient, rpc } from "../../mod.ts";
import { captureLogs } from "../../testing.ts";
import { startNatsServer } from "../../tools/nats_server.ts";
import { outcome, pause, serve, until } from "./outage_tools.ts";

const token = (text: string) => `authorization { token: "${text}" }`;

test("a server that refuses the secrets after an outage is logged once, and shown by health()", async () => {
  const first = await startNatsServer({ jetstream: false, config: token("old") });
  const { logger, lines } = captureLogs();
  await using bus = await connect({ servers: first.url, token: "old", logger });
  strictEqual((await bus.health()).lastError, undefined);
  await first.stop();
  const warned = () =>
    lines.filter(({ level, message }) => level === "warn" && !message.startsWith("The bus is"));
  {
    await using _second = await startNatsServer({
      jetstream: false,
      config: token("new"),
      port: first.port,
    });
    await until(
      "it is refused",
      () => warned().some(({ message }) => message.includes("Authorization Violation")),
    );
    const health = await bus.health();
    deepStrictEqual([health.ok, health.status], [false, "reconnecting"]);
    match(health.lastError ?? "", /Authorization Violation/);
    // Several attempts follow, and say the same.
    await pause(3_000);
    const said = warned().map(({ message }) => message);
    strictEqual(new Set(said).size, said.length, said.join());
    strictEqual(said.filter((message) => message.includes("Authorization")).length, 1);
    const line = warned().find(({ message }) => message.includes("Authorization"));
    ok(String(line?.fields.server).includes(String(first.port)));
  }
  await using _third = await startNatsServer({
    jetstream: false,
    config: token("old"),
    port: first.port,
  });
  await until("it is back", () => bus.status === "connected", 20_000);
  match((await bus.health()).lastError ?? "", /./);
});

test("a server that is not there is logged once an outage, with the reason", async () => {
  await using server = await startNatsServer({ jetstream: false });
  const { logger, lines } = captureLogs();
  await using bus = await connect({ servers: server.url, logger });
  const said = () =>
    lines.filter(({ level, message }) =>
      level === "warn" && message.startsWith("The server was not reached: ")
    );
  for (let outage = 1; outage <= 2; outage++) {
    await server.kill();
    await until("it is said", () => said().length === outage);
    match(String((await bus.health()).lastError), /refused|ECONN/i);
    await pause(1_000);
    await server.restart();
    await until("it is back", () => bus.status === "connected", 20_000);
    strictEqual(said().length, outage, "once");
  }
});

test("answers that the server does not let a service send are logged", async () => {
  await using server = await startNatsServer({
    jetstream: false,
    config: `authorization { users: [
      { user: "all", password: "p" }
      { user: "mute", password: "p", permissions: { subscribe: ">", publish: { deny: ["_INBOX.>"] } } }
    ] }`,
  });
  const { logger, lines } = captureLogs();
  const quiet = captureLogs().logger;
  await using mute = await connect({ servers: server.url, user: "mute", pass: "p", logger });
  await using bus = await connect({ servers: server.url, user: "all", pass: "p", logger: quiet });
  await using _service = await serve(mute, rpc("other", () => 1));
  const { call } = createClient({ bus });
  await outcome(call("outage", "echo", {}, { timeoutMs: 1_000 }));
  const violations = () => lines.filter(({ message }) => /Permissions Violation/.test(message));
  await until("it is logged", () => violations().length > 0);
  const said = violations();
  strictEqual(said.length, 1, JSON.stringify(lines));
  strictEqual(said[0]!.level, "warn");
  strictEqual((await mute.health()).lastError, undefined, "the connection is well");
});

test("a subscription of a connection of one's own that is slow is logged", async () => {
  await using server = await startNatsServer({ jetstream: false });
  const { logger, lines } = captureLogs();
  const connection = await connectNats({ servers: server.url });
  await using _bus = await connect({ connection, logger });
  const subscription = connection.subscribe("slow.subject", { slow: 3 });
  for (let i = 0; i < 20; i++) connection.publish("slow.subject");
  await connection.flush();
  for await (const _ of subscription) if (subscription.getProcessed() === 20) break;
  await until("it is said", () => lines.some(({ message }) => message.includes("slow.subject")));
  strictEqual(lines.filter(({ level }) => level === "warn").length, 1);
  await connection.close();
});
