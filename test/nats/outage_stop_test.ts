// Starting, stopping and closing in an outage.

import { ok, rejects, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import {
  type Bus,
  ClosedError,
  connect,
  createClient,
  createService,
  rpc,
  UnavailableError,
} from "../../mod.ts";
import { type NatsServer, startNatsServer } from "../../tools/nats_server.ts";
import {
  echo,
  gate,
  logger,
  outcome,
  pause,
  serve,
  SLACK_MS,
  until,
  within,
} from "./outage_tools.ts";

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
  for (const { error } of await within(2_000, "calls end", Promise.all([sent, parked]))) {
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

/** A service with a handler that has answered while the server was away, and the call that waits for the answer. */
async function answered(server: NatsServer, serviceBus: Bus, bus: Bus, timeoutMs: number) {
  const { arrived, arrive, opened, open } = gate();
  const slow = rpc("slow", async () => {
    arrive();
    await opened;
    return "kept";
  });
  const service = await serve(serviceBus, slow);
  const call = createClient({ bus }).call("outage", "slow", {}, { timeoutMs });
  await arrived;
  await server.kill();
  await until("it is noticed", () => serviceBus.status === "reconnecting");
  open();
  await pause(20);
  return { service, call };
}

test("service.stop() in an outage waits for the bus, and its answers reach their callers", async () => {
  await using server = await startNatsServer({ jetstream: false });
  await using serviceBus = await connect({ servers: server.url, logger });
  await using bus = await connect({ servers: server.url, logger });
  const { service, call } = await answered(server, serviceBus, bus, 20_000);
  const stopped = service.stop();
  await pause(300);
  strictEqual(service.status, "stopping");
  await server.restart();
  strictEqual(await within(10_000, "the answer", call), "kept");
  await within(5_000, "stop()", stopped);
  strictEqual(service.status, "stopped");
});

test("service.stop() gives up its answers with a warning when the bus is not back in its time", async () => {
  const lines: string[] = [];
  const warned = { debug() {}, info() {}, warn: (text: string) => lines.push(text), error() {} };
  await using server = await startNatsServer({ jetstream: false });
  await using serviceBus = await connect({ servers: server.url, logger: warned });
  await using bus = await connect({ servers: server.url, logger });
  const { service, call } = await answered(server, serviceBus, bus, 20_000);
  const ended = outcome(call);
  const started = performance.now();
  await service.stop({ graceMs: 400 });
  const ms = performance.now() - started;
  ok(ms >= 390 && ms < 400 + SLACK_MS, `${ms} ms`);
  strictEqual(lines.filter((line) => line.includes("could not send")).length, 1, lines.join());
  await bus.close();
  ok((await ended).error instanceof ClosedError);
});

test("service.stop() waits for no answer whose caller has given up", async () => {
  await using server = await startNatsServer({ jetstream: false });
  await using serviceBus = await connect({ servers: server.url, logger });
  await using bus = await connect({ servers: server.url, logger });
  const { service, call } = await answered(server, serviceBus, bus, 700);
  const ended = outcome(call);
  await within(2_000, "stop()", service.stop());
  ok((await ended).error instanceof UnavailableError);
});

for (const graceMs of [0, 600]) {
  test(`service.stop({ graceMs: ${graceMs} }) does not wait for a server that stands still`, async () => {
    await using server = await startNatsServer({ jetstream: false });
    await using bus = await connect({ servers: server.url, logger });
    const service = await serve(bus);
    await server.suspend();
    const started = performance.now();
    await within(8_000, "stop()", service.stop({ graceMs }));
    const ms = performance.now() - started;
    server.resume();
    ok(ms < graceMs + 1_500 + SLACK_MS, `${ms} ms`);
    strictEqual(service.status, "stopped");
  });
}

test("a second stop() waits no longer for a server that stands still", async () => {
  await using server = await startNatsServer({ jetstream: false });
  await using bus = await connect({ servers: server.url, logger });
  const service = await serve(bus);
  await server.suspend();
  const first = service.stop();
  await pause(50);
  const started = performance.now();
  await within(8_000, "stop()", Promise.all([first, service.stop({ graceMs: 0 })]));
  const ms = performance.now() - started;
  server.resume();
  ok(ms < 1_500 + SLACK_MS, `${ms} ms`);
});
