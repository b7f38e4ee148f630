// A connection for one request: it ends with the request, and never comes back.

import { deepStrictEqual, match, rejects, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { ClosedError, connect, createClient, rpc } from "../../mod.ts";
import { captureLogs } from "../../testing.ts";
import { startNatsServer } from "../../tools/nats_server.ts";
import { gate, logger, serve, until } from "./outage_tools.ts";

test("a bus for one request does not come back when its server goes, and its calls end at once", async () => {
  await using server = await startNatsServer({ jetstream: false });
  await using bus = await connect({ servers: server.url, logger });
  const { arrived, arrive } = gate();
  const never = rpc("never", () => {
    arrive();
    return new Promise(() => {});
  });
  const service = await serve(bus, never);
  const { logger: captured, lines } = captureLogs();
  const mine = await connect({ servers: server.url, logger: captured, perRequest: true });
  const seen: string[] = [];
  mine.onStatus((status) => seen.push(status));
  const call = createClient({ bus: mine }).call("outage", "never", {}, { timeoutMs: 60_000 });
  const ended = rejects(call, ClosedError);
  await arrived;
  await server.restart();
  await ended;
  await until("the bus that is for longer is back", () => bus.status === "connected");
  strictEqual(mine.status, "closed");
  deepStrictEqual(seen, ["closed"], "nobody is told that it reconnects");
  const warned = lines.filter(({ level }) => level === "warn").map(({ message }) => message);
  deepStrictEqual(warned, ["The connection broke, and is not made again"]);
  match((await mine.health()).lastError!, /is not made again/);
  await rejects(createClient({ bus: mine }).call("outage", "echo"), ClosedError);
  await mine.close();
  await service.stop({ graceMs: 0 });
});

test("close() of a bus for one request leaves the end to the request's waitUntil()", async () => {
  await using server = await startNatsServer({ jetstream: false });
  const { logger: captured, lines } = captureLogs();
  const waiting: Promise<unknown>[] = [];
  const ctx = {
    waitUntil(promise: Promise<unknown>) {
      strictEqual(this, ctx);
      waiting.push(promise);
    },
  };
  {
    await using bus = await connect({ servers: server.url, logger: captured, perRequest: ctx });
    await using other = await connect({ servers: server.url, logger });
    await using _service = await serve(other);
    deepStrictEqual(await createClient({ bus }).call("outage", "echo", { n: 1 }), { n: 1 });
    // A server that stands still keeps nobody waiting but the request.
    await server.suspend();
    await bus.close();
    strictEqual(waiting.length, 1);
    strictEqual(bus.status, "connected");
    server.resume();
    await waiting[0];
    strictEqual(bus.status, "closed");
    deepStrictEqual(lines.filter(({ level }) => level === "warn"), []);
  }
});
