// Starting, stopping and closing in an outage.

import { ok, rejects, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import {
  ClosedError,
  connect,
  createClient,
  createService,
  rpc,
  UnavailableError,
} from "../../mod.ts";
import { startNatsServer } from "../../tools/nats_server.ts";
import { echo, gate, logger, outcome, pause, serve, until, within } from "./outage_tools.ts";

test("bus.close() in an outage returns promptly, and calls that wait end with a ClosedError", async () => {
  await using server = await startNatsServer({ jetstream: false });
  const bus = await connect({ servers: server.url, logger });
  const { arrived, arrive } = gate();
  const never = rpc("never", async () => {
    arrive();
    await new Promise(() => {});
  });
  const service = await serve(bus, never);
  const client = createClient({ bus });
  const sent = outcome(client.call("outage", "never", {}, { timeoutMs: 20_000 }));
  await arrived;
  await server.kill();
  await until("it is noticed", () => bus.status === "reconnecting");
  const parked = outcome(client.call("outage", "echo", {}, { timeoutMs: 20_000 }));
  await pause(20);
  await within(1_000, "close()", bus.close());
  strictEqual(bus.status, "closed");
  for (const { error } of await within(200, "calls end", Promise.all([sent, parked]))) {
    ok(error instanceof ClosedError, `${error}`);
  }
  await rejects(client.call("outage", "echo"), ClosedError);
  await within(5_000, "stop()", service.stop({ graceMs: 0 }));
});

test("service.stop() in an outage returns, and its handlers may finish", async () => {
  await using server = await startNatsServer({ jetstream: false });
  await using bus = await connect({ servers: server.url, logger });
  const { arrived, arrive, opened, open } = gate();
  let finished = false;
  const slow = rpc("slow", async () => {
    arrive();
    await opened;
    finished = true;
  });
  const service = await serve(bus, slow);
  const call = outcome(createClient({ bus }).call("outage", "slow", {}, { timeoutMs: 1_000 }));
  await arrived;
  await server.kill();
  await until("it is noticed", () => bus.status === "reconnecting");
  const stopped = service.stop();
  await pause(50);
  strictEqual(service.status, "stopping");
  open();
  await within(3_000, "stop()", stopped);
  strictEqual(service.status, "stopped");
  strictEqual(finished, true);
  ok((await call).error instanceof UnavailableError);
  // It does not come back with the bus.
  await server.restart();
  await until("the bus is back", () => bus.status === "connected");
  await rejects(
    createClient({ bus }).call("outage", "echo", {}, { retry: false }),
    UnavailableError,
  );
});

test("a start in an outage fails and leaves nothing behind", async () => {
  await using server = await startNatsServer({ jetstream: false });
  await using bus = await connect({ servers: server.url, logger });
  await server.kill();
  await until("it is noticed", () => bus.status === "reconnecting");
  const service = createService("outage", { bus, handlers: [echo] });
  await within(10_000, "start()", rejects(service.start(), UnavailableError));
  strictEqual(service.status, "failed");
  await server.restart();
  await until("the bus is back", () => bus.status === "connected");
  await rejects(
    createClient({ bus }).call("outage", "echo", {}, { retry: false }),
    UnavailableError,
  );
});
