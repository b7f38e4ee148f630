// A nats-server that takes WebSockets, as workers and pages need one, and says who is connected to it.

import { type NatsServer, type NatsServerOptions, startNatsServer } from "./nats_server.ts";
import { onFreePorts } from "./ports.ts";

/** A connection, as the server's monitoring tells of it. */
export interface Connection {
  /** What the client calls itself. */
  readonly name?: string;
  /** How it came: `"websocket"` or `"nats"`. */
  readonly type: string;
}

/** A server that takes WebSockets too. */
export interface WebSocketServer extends AsyncDisposable {
  /** The server; its `url` is that for TCP. */
  readonly server: NatsServer;
  /** Such as `"ws://127.0.0.1:23456"`. */
  readonly url: string;
  /** Who is connected now. */
  connections(): Promise<readonly Connection[]>;
}

/** How it is started. */
export interface WebSocketServerOptions extends Omit<NatsServerOptions, "port"> {
  /** More of its `websocket { }`. @default "" */
  readonly websocket?: string;
}

/** Starts a server that takes WebSockets without TLS, on a free port of its own, or on `port`. */
export async function startWebSocketServer(
  options: WebSocketServerOptions = {},
  port?: number,
): Promise<WebSocketServer> {
  return await onFreePorts(undefined, 3, async ([tcp = 0, free = 0, monitor = 0]) => {
    const listen = `127.0.0.1:${port ?? free}`;
    const config = `${options.config ?? ""}
      http: "127.0.0.1:${monitor}"
      websocket {
        listen: "${listen}", no_tls: true
        ${options.websocket ?? ""}
      }`;
    const server = await startNatsServer({ ...options, port: tcp, config });
    return {
      server,
      url: `ws://${listen}`,
      async connections() {
        const response = await fetch(`http://127.0.0.1:${monitor}/connz`);
        const { connections } = await response.json() as { connections: Connection[] };
        return connections;
      },
      [Symbol.asyncDispose]: () => server.stop(),
    };
  });
}
