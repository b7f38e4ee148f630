// What test/nats/websocket_test.ts runs, one scenario a process: nats-core keeps one kind of transport for all connections
// of a process, and the other tests use TCP.

import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { fileURLToPath } from "node:url";
import {
  type AegisError,
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
import { captureLogs } from "../../testing.ts";
import { freePorts, startNatsServer } from "../../tools/nats_server.ts";
import { startWebSocketServer } from "../../tools/nats_websocket.ts";
import { slowWayTo } from "./outage_tools.ts";

const logger = createLogger({ level: "silent" });
const echo = rpc("echo", (params) => params);
const refuse = rpc("refuse", () => {
  throw new RpcError("NO", "Not like this", { why: "ü" });
});

async function until(what: string, met: () => boolean, ms = 10_000): Promise<void> {
  for (const end = performance.now() + ms; !met();) {
    ok(performance.now() < end, `not within ${ms} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** What takes WebSockets, and closes them. */
async function hangUp(): Promise<{ readonly url: string } & AsyncDisposable> {
  const server = createServer().on("upgrade", ({ headers }, socket) => {
    const key = `${headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
    const accept = createHash("sha1").update(key).digest("base64");
    socket.on("error", () => {}).resume();
    socket.write(
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
        `Sec-WebSocket-Accept: ${accept}\r\n\r\n`,
    );
    socket.end(new Uint8Array([0x88, 0]));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

const SCENARIOS: Readonly<Record<string, () => Promise<void>>> = {
  async calls() {
    await using started = await startWebSocketServer({ jetstream: false });
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
    await using started = await startWebSocketServer({ jetstream: false });
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

  async slow() {
    await using started = await startWebSocketServer({ jetstream: false });
    await using way = await slowWayTo(Number(new URL(started.url).port));
    const servers = `ws://127.0.0.1:${way.port}`;
    await using bus = await connect({ servers, timeoutMs: 1_500, logger });
    const statuses: string[] = [];
    bus.onStatus((status) => statuses.push(status));
    way.slow(600); // and connecting takes several of them
    await until("the bus is back", () => statuses.length === 2, 20_000);
    deepStrictEqual(statuses, ["reconnecting", "connected"]);
  },

  async stall() {
    await using started = await startWebSocketServer({ jetstream: false });
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
    const [refused, tls, monitor] = await freePorts(3);
    const file = (name: string) =>
      JSON.stringify(fileURLToPath(new URL(`./certs/${name}`, import.meta.url)));
    const config = `http: "127.0.0.1:${monitor}"
      websocket {
        listen: "127.0.0.1:${tls}"
        tls { cert_file: ${file("server.pem")}, key_file: ${file("server.key")} }
      }`;
    // Its port for TCP has no WebSocket, which is the likely mistake.
    await using server = await startNatsServer({ config, jetstream: false });
    await using other = await hangUp();
    const told: Readonly<Record<string, [because: RegExp, code?: string]>> = {
      // One that Node and browsers refuse to connect to.
      [`ws://127.0.0.1:9`]: [/connection refused; does a server listen there/],
      [`ws://127.0.0.1:${refused}`]: [/connection refused; does a server listen there/],
      [`ws://127.0.0.1:${server.port}`]: [/it speaks no WebSocket; is it the port of/],
      [`ws://127.0.0.1:${monitor}`]: [/it answers, and not as a WebSocket.*\(HTTP 200\)/],
      [`ws://127.0.0.1:${tls}`]: [/if its websocket \{ \} has tls, use wss:\/\/ \(HTTP 400\)/],
      [`wss://127.0.0.1:${tls}`]: [/not trusted here; have the runtime trust it: /, "TLS"],
      [`wss://127.0.0.1:${server.port}`]: [/did not begin with TLS; use ws:\/\//, "TLS"],
    };
    const hungUp = /closed it without a word, .*is it the port of the server's websocket \{ \}/;
    // Node tells no more than browsers do.
    const silent = !("Deno" in globalThis || "Bun" in globalThis);
    const start = performance.now();
    await rejects(connect({ servers: other.url, logger }), hungUp);
    for (const [servers, [because, code = "SERVICE_UNAVAILABLE"]] of Object.entries(told)) {
      await rejects(connect({ servers, logger }), (error: AegisError) => {
        const [tried] = error.message.split(" Start") as [string];
        match(error.message, silent ? /a server listens there, that the port/ : because);
        strictEqual(error.code, silent ? "SERVICE_UNAVAILABLE" : code);
        ok(tried.includes(`${servers}/: `), tried);
        if (error.code === "TLS") return true;
        match(error.message, /websocket \{ port: 8080, no_tls: true \}/);
        return true;
      });
    }
    ok(performance.now() - start < 4_000, "each is told at once");
  },

  async throws() {
    class Throwing {
      constructor() {
        throw new DOMException("The page is served by https", "SecurityError");
      }
    }
    const { WebSocket } = globalThis;
    const [port] = await freePorts(1);
    await using started = await startWebSocketServer({ jetstream: false });
    const start = performance.now();
    globalThis.WebSocket = Throwing as never;
    await rejects(connect({ servers: `ws://127.0.0.1:${port}`, logger }), {
      name: "UnavailableError",
      message: /tried ws:\/\/127\.0\.0\.1:\d+\/: The page is served by https\./,
    });
    ok(performance.now() - start < 2_000, "it is told at once");
    // And when it throws later, the bus goes on trying.
    globalThis.WebSocket = WebSocket;
    const { logger: captured, lines } = captureLogs();
    await using bus = await connect({ servers: started.url, logger: captured });
    globalThis.WebSocket = Throwing as never;
    await started.server.restart();
    await until(
      "the reason is logged",
      () => lines.some(({ message }) => /was not reached: The page is served/.test(message)),
    );
    globalThis.WebSocket = WebSocket;
    await until("the bus is back", () => bus.status === "connected");
  },

  async refused() {
    const bytes = (text: string) => ({ data: new TextEncoder().encode(text).buffer });
    let opened = 0;
    /** A server that says this and closes; what it says is lost to whoever writes to it once more. */
    const closing = (said?: string) =>
      class {
        onopen: (event: unknown) => void = () => {};
        onmessage: (event: unknown) => void = () => {};
        onclose: (event: unknown) => void = () => {};
        constructor() {
          opened++;
          setTimeout(() => {
            this.onopen({});
            this.onmessage(bytes(`INFO {"server_id":"A","version":"2.12.0","proto":1}\r\n`));
          });
        }
        send(data: ArrayBuffer) {
          const isWhole = /^CONNECT .*\r\nPING\r\n$/.test(new TextDecoder().decode(data));
          setTimeout(() => {
            if (said !== undefined && isWhole) this.onmessage(bytes(`-ERR '${said}'\r\n`));
            setTimeout(() => this.onclose({ wasClean: true, code: 1008, reason: "" }));
          });
        }
        close() {}
        addEventListener() {}
      };
    const start = performance.now();
    const told = async (said: string | undefined, code: string, message: RegExp) => {
      globalThis.WebSocket = closing(said) as never;
      const options = { servers: "ws://127.0.0.1:8080", token: "wrong", logger };
      await rejects(connect(options), { code, message });
    };
    await told(
      "Authorization Violation",
      "UNAUTHORIZED",
      /refused the secrets \(token was given\)/,
    );
    await told(
      "maximum connections exceeded",
      "SERVICE_UNAVAILABLE",
      /maximum connections exceeded/,
    );
    await told(undefined, "SERVICE_UNAVAILABLE", /may be that it refused the secrets/);
    ok(performance.now() - start < 2_000, "each is told at once");
    strictEqual(opened, 3, "and is dialled once");
  },

  async status() {
    await using started = await startWebSocketServer({ jetstream: false });
    await using bus = await connect({ servers: started.url, logger });
    const seen: string[] = [];
    bus.onStatus((status) => seen.push(status));
    await started.server.kill();
    // Several attempts come to nothing, each of which nats.js tells of.
    await until("the server is missed", () => bus.status === "reconnecting");
    const { WebSocket } = globalThis;
    let failed = 0;
    globalThis.WebSocket = class extends WebSocket {
      constructor(url: string | URL) {
        super(url);
        this.addEventListener("error", () => failed++);
      }
    };
    await until("three attempts have failed", () => failed >= 3);
    await started.server.restart();
    await until("the bus is back", () => bus.status === "connected");
    deepStrictEqual(seen, ["reconnecting", "connected"]);
  },

  async kinds() {
    await using started = await startWebSocketServer({ jetstream: false });
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
    const connection = await dialWebSocket({ servers: started.url }, new AbortController().signal);
    await rejects(
      connectByTcp({ connection, logger }),
      /already speaks to NATS by tcp, .* not ws as well/,
    );
    await connection.close();
  },

  async brought() {
    await using started = await startWebSocketServer({ jetstream: false });
    const connection = await dialWebSocket({ servers: started.url }, new AbortController().signal);
    await using bus = await connectByTcp({ connection, logger });
    strictEqual(bus.transport, "ws");
    await rejects(
      connectByTcp({ servers: started.server.url, logger }),
      /already speaks to NATS by ws, .* not tcp as well; .* connect\(\) of @aegis\/sdk\/edge/,
    );
    await connection.close();
  },
};

await SCENARIOS[process.argv[2] ?? ""]!();
console.log("done");
