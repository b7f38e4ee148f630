// What test/nats/websocket_test.ts runs, one scenario a process: nats-core keeps one kind of transport for all connections
// of a process, and the other tests use TCP.

import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import process from "node:process";
import {
  type Bus,
  connect,
  createClient,
  createLogger,
  createService,
  rpc,
  RpcError,
} from "../../edge.ts";
import { connect as connectByTcp } from "../../mod.ts";
import { dialWebSocket } from "../../src/adapters/nats/websocket.ts";
import { createNatsTransport } from "../../src/adapters/nats/transport.ts";
import { freePorts, type NatsServer, startNatsServer } from "../../tools/nats_server.ts";

const logger = createLogger({ level: "silent" });
const echo = rpc("echo", (params) => params);
const refuse = rpc("refuse", () => {
  throw new RpcError("NO", "Not like this", { why: "ü" });
});

interface WebSocketServer extends AsyncDisposable {
  readonly server: NatsServer;
  readonly url: string;
}

async function startWebSocketServer(): Promise<WebSocketServer> {
  const [port] = await freePorts(1);
  const config = `websocket { listen: "127.0.0.1:${port}", no_tls: true }`;
  const server = await startNatsServer({ config, jetstream: false });
  return {
    server,
    url: `ws://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: () => server.stop(),
  };
}

async function until(what: string, met: () => boolean, ms = 10_000): Promise<void> {
  for (const end = performance.now() + ms; !met();) {
    ok(performance.now() < end, `not within ${ms} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const SCENARIOS: Readonly<Record<string, () => Promise<void>>> = {
  async calls() {
    await using started = await startWebSocketServer();
    await using one = await connect({ servers: started.url, logger });
    await using two = await connect({ servers: [started.url], logger });
    strictEqual(one.transport, "ws");
    strictEqual(one.status, "connected");
    strictEqual(one.server.version, started.server.version);
    const serve = async (name: string, bus: Bus) => {
      const service = createService(name, { bus, handlers: [echo, refuse] });
      await service.start();
      return service;
    };
    await using left = await serve("left", one);
    await using right = await serve("right", two);
    for (const [bus, name] of [[one, right.name], [two, left.name]] as const) {
      const { call } = createClient({ bus });
      const params = { text: "ü🌍".repeat(1_000), n: 1.5 };
      deepStrictEqual(await call(name, "echo", params), params);
      const all = Array.from({ length: 300 }, (_, n) => ({ n, text: "x".repeat(n) }));
      deepStrictEqual(await Promise.all(all.map((one) => call(name, "echo", one))), all);
      await rejects(call(name, "refuse"), { name: "RpcError", code: "NO", data: { why: "ü" } });
      await rejects(call(name, "other"), { code: "SERVICE_UNAVAILABLE" });
    }
  },

  async kill() {
    await using started = await startWebSocketServer();
    await using one = await connect({ servers: started.url, logger });
    await using two = await connect({ servers: started.url, logger });
    const seen: string[] = [];
    one.onStatus((status) => seen.push(status));
    await using service = createService("echoes", { bus: two, handlers: [echo] });
    await service.start();
    const { call } = createClient({ bus: one });
    await call("echoes", "echo");
    await started.server.kill();
    await until("the end of the connection is seen", () => one.status === "reconnecting");
    const waiting = call("echoes", "echo", { late: true }, { timeoutMs: 20_000 });
    await started.server.restart();
    deepStrictEqual(await waiting, { late: true });
    deepStrictEqual(seen, ["reconnecting", "connected"]);
    strictEqual((await one.health()).reconnects, 1);
  },

  async stall() {
    await using started = await startWebSocketServer();
    const connection = await dialWebSocket({
      servers: [started.url],
      pingInterval: 200,
      maxPingOut: 2,
      reconnectTimeWait: 50,
      maxReconnectAttempts: -1,
    }, new AbortController().signal);
    const transport = createNatsTransport(connection, "ws");
    const bus = await connect({ transport, logger });
    await started.server.suspend();
    try {
      await until("the server that stands still is noticed", () => bus.status === "reconnecting");
      started.server.resume();
      await until("the bus is back", () => bus.status === "connected");
      ok((await bus.health()).ok);
      await started.server.suspend();
      const start = performance.now();
      await bus.close();
      const ms = performance.now() - start;
      ok(ms < 8_000, `close() took ${ms} ms`);
      strictEqual(bus.status, "closed");
    } finally {
      started.server.resume();
    }
  },

  async absent() {
    const [port] = await freePorts(1);
    await rejects(connect({ servers: `ws://127.0.0.1:${port}`, logger }), (error: Error) => {
      strictEqual(error.name, "UnavailableError");
      ok(error.message.includes(`tried ws://127.0.0.1:${port}/: `), error.message);
      ok(/websocket \{ port: 8080, no_tls: true \}/.test(error.message), error.message);
      return true;
    });
    await using plain = await startNatsServer({ jetstream: false });
    // The port of TCP, which is the likely mistake.
    await rejects(connect({ servers: plain.url.replace("nats", "ws"), logger }), /websocket \{/);
    await rejects(connect({ servers: plain.url, logger }), {
      name: "TypeError",
      message:
        `connect(): servers must be ws:// or wss://, which is all that this entry speaks, not ${plain.url}`,
    });
  },

  async kinds() {
    await using started = await startWebSocketServer();
    const [port] = await freePorts(1);
    const tcp = { servers: started.server.url, logger };
    await rejects(connect({ servers: `ws://127.0.0.1:${port}`, logger }), /tried ws:/);
    // What was never reached is not spoken.
    const failing = connect({ servers: `ws://127.0.0.1:${port}`, logger });
    await rejects(connectByTcp(tcp), /is about to speak to NATS by ws, .* not tcp as well/);
    await rejects(failing, /tried ws:/);
    await using bus = await connectByTcp(tcp);
    strictEqual(bus.transport, "tcp");
    await rejects(
      connect({ servers: started.url, logger }),
      /already speaks to NATS by tcp, .* not ws as well/,
    );
    ok((await bus.health()).ok);
  },
};

await SCENARIOS[process.argv[2] ?? ""]!();
console.log("done");
