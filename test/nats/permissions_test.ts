// What the server does not permit is said at once.

import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { AegisError, type Client, connect, createClient, createService, rpc } from "../../mod.ts";
import { startNatsServer } from "../../tools/nats_server.ts";
import { echo, gate, logger, outcome, serve } from "./outage_tools.ts";

const PERMISSIONS = `
authorization {
  users: [
    { user: "all", password: "p" }
    { user: "no_serving", password: "p", permissions: {
      publish: ">", subscribe: { allow: ["_INBOX.>"] } } }
    { user: "no_calling", password: "p", permissions: {
      publish: { deny: ["rpc.outage.echo"] }, subscribe: ">" } }
    { user: "no_again", password: "p", permissions: {
      publish: ">", subscribe: { deny: ["internal.rpc.again.>"] } } }
    { user: "least", password: "p", permissions: {
      publish: ["rpc.>", "_INBOX.>"], subscribe: ["rpc.>", "_INBOX.>"] } }
    { user: "no_inbox", password: "p", permissions: {
      publish: ">", subscribe: { deny: ["_INBOX.>"] } } }
  ]
}`;

async function callHere(client: Client): Promise<void> {
  await client.call("outage", "echo", {}, { timeoutMs: 5_000 });
}

test("start() says which subject the server does not let it subscribe to", async () => {
  await using server = await startNatsServer({ jetstream: false, config: PERMISSIONS });
  await using bus = await connect({ servers: server.url, user: "no_serving", pass: "p", logger });
  const service = createService("outage", { bus, handlers: [echo] });
  await rejects(service.start(), (error) => {
    ok(AegisError.is(error, "PERMISSION_DENIED"), `${error}`);
    ok(error.message.includes("rpc.outage.echo"), error.message);
    return true;
  });
  strictEqual(service.status, "failed");
  const health = await service.health();
  strictEqual(health.ok, false);
  strictEqual(health.bus.ok, true);
});

test("a service that may not be asked for answers again serves all the same, and says so", async () => {
  await using server = await startNatsServer({ jetstream: false, config: PERMISSIONS });
  const lines: string[] = [];
  const warned = { debug() {}, info() {}, warn: (text: string) => lines.push(text), error() {} };
  const options = { servers: server.url, user: "no_again", pass: "p" };
  await using bus = await connect({ ...options, logger: warned });
  await using service = await serve(bus);
  strictEqual(service.status, "started");
  strictEqual(
    await createClient({ bus }).call("outage", "echo", { n: 1 }).then(JSON.stringify),
    `{"n":1}`,
  );
  strictEqual(lines.filter((line) => line.includes("answers again")).length, 1, lines.join());
});

test("a user who may do no more than the protocol needs serves and calls, and is told what it lacks", async () => {
  await using server = await startNatsServer({ jetstream: false, config: PERMISSIONS });
  const lines: string[] = [];
  const warned = { debug() {}, info() {}, warn: (text: string) => lines.push(text), error() {} };
  await using bus = await connect({
    servers: server.url,
    user: "least",
    pass: "p",
    logger: warned,
  });
  const { arrived, arrive, opened, open } = gate();
  const slow = rpc("slow", async () => {
    arrive();
    await opened;
  });
  await using service = await serve(bus, slow);
  const client = createClient({ bus });
  strictEqual(await client.call("outage", "echo", { n: 1 }).then(JSON.stringify), `{"n":1}`);
  strictEqual(
    await client.call("outage", "echo", { n: 2 }, { instance: service.instanceId })
      .then(JSON.stringify),
    `{"n":2}`,
  );
  strictEqual((await service.health()).ok, true);
  // Taking a call back tells nobody, and ends it all the same.
  const controller = new AbortController();
  const taken = outcome(client.call("outage", "slow", {}, { signal: controller.signal }));
  await arrived;
  controller.abort("no");
  strictEqual((await taken).error, "no");
  open();
  strictEqual(await client.call("outage", "echo", { n: 3 }).then(JSON.stringify), `{"n":3}`);
  for (const what of ["answers again", "taken back"]) {
    strictEqual(lines.filter((line) => line.includes(what)).length, 1, lines.join());
  }
});

test("a caller that may not receive answers is told so at once", async () => {
  await using server = await startNatsServer({ jetstream: false, config: PERMISSIONS });
  const asUser = (user: string) => connect({ servers: server.url, user, pass: "p", logger });
  await using serviceBus = await asUser("all");
  await using bus = await asUser("no_inbox");
  await using _service = await serve(serviceBus);
  const client = createClient({ bus });
  for (let round = 0; round < 2; round++) {
    const { error, ms } = await outcome(callHere(client));
    ok(AegisError.is(error, "PERMISSION_DENIED"), `${error}`);
    ok(ms < 2_500, `${ms}`);
    // It is asked first who leads, which found it out.
    deepStrictEqual(error.details.sent, false);
    deepStrictEqual([error.details.service, error.details.method], ["outage", "echo"]);
    ok(error.stack?.includes("callHere"), error.stack);
  }
});

test("a caller that may not call a method is told so at once", async () => {
  await using server = await startNatsServer({ jetstream: false, config: PERMISSIONS });
  const asUser = (user: string) => connect({ servers: server.url, user, pass: "p", logger });
  await using serviceBus = await asUser("all");
  await using bus = await asUser("no_calling");
  const { arrived, arrive, opened, open } = gate();
  const slow = rpc("slow", async () => {
    arrive();
    await opened;
    return "done";
  });
  await using _service = await serve(serviceBus, slow);
  const client = createClient({ bus });
  const other = client.call("outage", "slow");
  await arrived;
  const { error, ms } = await outcome(callHere(client));
  ok(AegisError.is(error, "PERMISSION_DENIED"), `${error}`);
  ok(error.message.includes("rpc.outage.echo"), error.message);
  ok(ms < 2_500, `${ms}`);
  strictEqual(error.details.sent, false);
  ok(error.stack?.includes("callHere"), error.stack);
  // Another call that waits is none of the server's concern.
  open();
  strictEqual(await other, "done");
});
