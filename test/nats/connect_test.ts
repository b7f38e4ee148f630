import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { test } from "node:test";
import type { ConnectionOptions, NatsConnection } from "@nats-io/nats-core";
import { connectNats, type Dial } from "../../src/adapters/nats/connect.ts";
import { dialTcp } from "../../src/adapters/nats/tcp.ts";
import { AegisError } from "../../src/domain/error.ts";
import { parseConnectOptions } from "../../src/domain/options.ts";
import { freePorts, startNatsServer } from "../../tools/nats_server.ts";

function connectTo(options: object, dial: Dial = dialTcp): Promise<NatsConnection> {
  return connectNats(parseConnectOptions(options, {}), { dial, readFile });
}

/** How the promise rejects, and after how many milliseconds. */
async function rejection(promise: Promise<unknown>): Promise<{ error: AegisError; ms: number }> {
  const start = performance.now();
  try {
    await promise;
  } catch (error) {
    ok(AegisError.is(error), `${error}`);
    return { error, ms: performance.now() - start };
  }
  throw new Error("it did not reject");
}

interface Listener {
  readonly port: number;
  /** The connections that are open. */
  readonly open: Set<Socket>;
  close(): void;
}

/** Something that listens, and does with each connection what `onSocket` does; by itself, nothing. */
async function listen(onSocket: (socket: Socket) => void = () => {}): Promise<Listener> {
  const open = new Set<Socket>();
  const server: Server = createServer((socket) => {
    open.add(socket);
    socket.on("error", () => {}).on("close", () => open.delete(socket)).resume();
    onSocket(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = () => {
    server.close();
    for (const socket of open) socket.destroy();
  };
  return { port: (server.address() as AddressInfo).port, open, close };
}

async function until(what: string, met: () => boolean): Promise<void> {
  for (const end = performance.now() + 2_000; performance.now() < end;) {
    if (met()) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error(`not within 2 s: ${what}`);
}

test("connectNats() says at once that nobody is there, what was tried and how to start a server", async () => {
  const [port] = await freePorts(1);
  const { error, ms } = await rejection(
    connectTo({ servers: `nats://me:s3cret@127.0.0.1:${port}` }),
  );
  strictEqual(error.name, "UnavailableError");
  strictEqual(
    error.message,
    `connect(): no NATS server was reached within 5000 ms; tried nats://127.0.0.1:${port}: connection refused. ` +
      "Start one with: nats-server -js",
  );
  deepStrictEqual(error.details, {
    servers: [{ url: `nats://127.0.0.1:${port}`, reason: "connection refused" }],
  });
  ok(ms < 1_000, `${ms} ms`);
});

test("connectNats() says that a name is not known", async () => {
  const { error } = await rejection(connectTo({ servers: "no-such-host.invalid" }));
  match(error.message, /tried nats:\/\/no-such-host\.invalid:4222: the name is not known/);
});

test("connectNats() gives up a server that never speaks in time, and closes the socket", async () => {
  const hole = await listen();
  try {
    const { error, ms } = await rejection(
      connectTo({ servers: `127.0.0.1:${hole.port}`, timeoutMs: 400 }),
    );
    strictEqual(error.name, "UnavailableError");
    match(error.message, /within 400 ms; tried nats:\/\/127\.0\.0\.1:\d+: no answer in time/);
    ok(ms > 200 && ms < 1_000, `${ms} ms`);
    await until("the socket is closed", () => hole.open.size === 0);
  } finally {
    hole.close();
  }
});

test("connectNats() gives up a server that stops in the middle of the handshake", async () => {
  const info = JSON.stringify({ version: "2.10.0", max_payload: 1_000_000, headers: true });
  const hole = await listen((socket) => socket.write(`INFO ${info}\r\n`));
  try {
    const { error, ms } = await rejection(
      connectTo({ servers: `127.0.0.1:${hole.port}`, timeoutMs: 400 }),
    );
    match(error.message, /no answer in time/);
    ok(ms < 1_000, `${ms} ms`);
    await until("the socket is closed", () => hole.open.size === 0);
  } finally {
    hole.close();
  }
});

test("connectNats() says at once that a server hangs up, or is none", async () => {
  const cases: [(socket: Socket) => void, RegExp][] = [
    [(socket) => socket.destroy(), /it hung up without a word/],
    [(socket) => socket.write("HTTP/1.1 400 Bad Request\r\n\r\n"), /it is no NATS server/],
    [
      (socket) => {
        socket.write('INFO {"version":"2.10.0","max_payload":1000,"headers":true}\r\n');
        socket.once("data", () => socket.end("-ERR 'maximum connections exceeded'\r\n"));
      },
      /maximum connections exceeded/,
    ],
  ];
  for (const [onSocket, reason] of cases) {
    const listener = await listen(onSocket);
    try {
      const { error, ms } = await rejection(connectTo({ servers: `127.0.0.1:${listener.port}` }));
      strictEqual(error.code, "SERVICE_UNAVAILABLE");
      match(error.message, reason);
      ok(ms < 1_000, `${ms} ms`);
      await until("the socket is closed", () => listener.open.size === 0);
    } finally {
      listener.close();
    }
  }
});

test("connectNats() names every server that it tried, in the time of one", async () => {
  const holes = [await listen(), await listen(), await listen()];
  try {
    const servers = holes.map((hole) => `127.0.0.1:${hole.port}`);
    const { error, ms } = await rejection(connectTo({ servers, timeoutMs: 600 }));
    for (const server of servers) ok(error.message.includes(`nats://${server}: no answer in time`));
    ok(ms < 1_500, `${ms} ms`);
  } finally {
    for (const hole of holes) hole.close();
  }
});

test("connectNats() finds the one server that lives, and knows the others for later", async () => {
  const server = await startNatsServer({ jetstream: false });
  const hole = await listen();
  const [dead] = await freePorts(1);
  try {
    const servers = [`127.0.0.1:${dead}`, `127.0.0.1:${hole.port}`, server.url];
    for (let i = 0; i < 3; i++) { // The order is random.
      const connection = await connectTo({ servers, timeoutMs: 1_500, name: "me" });
      strictEqual(connection.getServer(), `127.0.0.1:${server.port}`);
      deepStrictEqual(
        connection.getServers().map((one) => one.port).sort(),
        [dead!, hole.port, server.port].sort(),
      );
      await connection.close();
    }
    await until("the sockets are closed", () => hole.open.size === 0);
  } finally {
    hole.close();
    await server.stop();
  }
});

test("connectNats() closes a connection that comes too late", async () => {
  let closed = 0;
  let aborted = false;
  const { promise, resolve } = Promise.withResolvers<NatsConnection>();
  const dial = (_: ConnectionOptions, signal: AbortSignal) => {
    signal.addEventListener("abort", () => aborted = true);
    return promise;
  };
  await rejects(connectTo({ timeoutMs: 50 }, dial), /no answer in time/);
  strictEqual(aborted, true);
  resolve({ close: () => Promise.resolve(closed++) } as unknown as NatsConnection);
  await until("it is closed", () => closed === 1);
});

test("connectNats() dials with options that reconnect for ever and find a dead link soon", async () => {
  const seen: ConnectionOptions[] = [];
  await rejects(connectTo({ timeoutMs: 2_000 }, (options) => {
    seen.push(options);
    return Promise.reject(new Error("no"));
  }));
  const { reconnectDelayHandler: _, ...rest } = seen[0]!;
  deepStrictEqual(rest, {
    servers: ["nats://localhost:4222"],
    name: "aegis",
    noAsyncTraces: true,
    reconnect: true,
    maxReconnectAttempts: -1,
    ignoreAuthErrorAbort: true,
    waitOnFirstConnect: false,
    pingInterval: 5_000,
    maxPingOut: 2,
    timeout: rest.timeout,
  });
  ok(rest.timeout! > 1_500 && rest.timeout! <= 2_000, `${rest.timeout}`);
});
