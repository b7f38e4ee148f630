// What the bus says of its server.

import { strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { connect, createClient } from "../../mod.ts";
import { startNatsServer } from "../../tools/nats_server.ts";
import { logger, serve } from "./outage_tools.ts";

test("without JetStream RPC works, and the bus says that it is off", async () => {
  await using server = await startNatsServer({ jetstream: false });
  await using bus = await connect({ servers: server.url, logger });
  await using _service = await serve(bus);
  strictEqual(bus.server.jetstream, false);
  strictEqual(bus.server.version, server.version);
  strictEqual(
    await createClient({ bus }).call("outage", "echo", { n: 1 }).then(JSON.stringify),
    `{"n":1}`,
  );
});

test("with JetStream the bus says that it is on", async () => {
  await using server = await startNatsServer();
  await using bus = await connect({ servers: server.url, logger });
  strictEqual(bus.server.jetstream, true);
});
