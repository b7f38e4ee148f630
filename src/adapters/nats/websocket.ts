// WebSocket, on every runtime that has it.

import {
  type ConnectionOptions,
  type NatsConnection,
  wsconnect,
  type WsConnectionOptions,
} from "@nats-io/nats-core";
import { NatsConnectionImpl, ProtocolHandler } from "@nats-io/nats-core/internal";
import { HUNG_UP, HUNG_UP_LATER, socketError } from "./websocket_error.ts";

/** The constructor, which the declarations of nats-core call private. */
type Constructor = new (options: WsConnectionOptions) => NatsConnectionImpl;

/** How long the server has to answer a goodbye, in milliseconds. */
const GOODBYE_MS = 1_000;

/**
 * Connects by WebSocket. A `Dial` of `connectNats()`.
 *
 * @param signal ends the attempt, and closes its socket
 */
export async function dialWebSocket(
  options: ConnectionOptions,
  signal: AbortSignal,
): Promise<NatsConnection> {
  // It tells nats-core of its transport, which nothing else can, and then refuses the options.
  wsconnect({ inboxPrefix: "*" }).catch(() => {});
  // What it would do, which keeps to itself what an attempt that has failed is ended with.
  const connection = new (NatsConnectionImpl as unknown as Constructor)({
    ...options,
    // What nats.js does with it is what it does with a WebSocket.
    wsFactory: (url: string) => {
      const socket = new Socket(url, () => {
        // Whoever dials would wait until the time is over. Nobody does once it is connected.
        const { transport, lastError, connectError } = protocol;
        if ((transport as unknown as Carrier).socket !== socket) return;
        connectError?.(lastError ?? new Error(HUNG_UP_LATER));
      });
      return Promise.resolve({
        socket: socket as unknown as WebSocket,
        encrypted: url.startsWith("wss:"),
      });
    },
  });
  const protocol = new ProtocolHandler(connection.options, connection);
  const abort = () => protocol.connectError?.(signal.reason);
  signal.addEventListener("abort", abort);
  try {
    await protocol.dialLoop();
  } finally {
    signal.removeEventListener("abort", abort);
  }
  connection.protocol = protocol;
  return connection as NatsConnection;
}

/** A transport, as far as it says what carries it. */
interface Carrier {
  readonly socket?: unknown;
}

/** What nats.js hears of a socket. */
type Listener<T> = ((event: T) => void) | null;

/**
 * What nats.js uses of a WebSocket, with what runtimes do differently put right: it fails in words, also where the
 * constructor throws, nobody listens yet or the other side hangs up at once, and its end does not depend on the server. A
 * runtime's own waits for what was written to be read, and for the server's goodbye: from one that stands still neither
 * comes, and nats.js would wait instead of reconnecting.
 */
class Socket {
  onopen: Listener<unknown> = null;
  onmessage: Listener<unknown> = null;
  onerror: Listener<{ readonly message: string }> = null;
  onclose: Listener<{ readonly wasClean: boolean; readonly reason: string }> = null;
  /** nats.js closes once this is 0. What was sent before close() is sent before the goodbye in any case. */
  readonly bufferedAmount = 0;
  readonly #socket: WebSocket | undefined;
  #closing = false;
  /** Whether a first word has come, and whether nats.js was told of an error. */
  #heard = false;
  #failed = false;
  /** What goes out first; undefined once it has. */
  #greeting: ArrayBuffer[] | undefined = [];
  readonly #onEnd: () => void;

  /** `onEnd` is called when it ends after a first word, before nats.js hears of it. */
  constructor(url: string, onEnd: () => void) {
    this.#onEnd = onEnd;
    try {
      this.#socket = this.#open(url);
    } catch (error) {
      // nats.js would wait for ever.
      this.#fail(socketError({ error }));
    }
  }

  #open(url: string): WebSocket {
    const socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    socket.onopen = (event) => this.onopen?.(event);
    socket.onmessage = (event) => {
      this.#heard = true;
      this.onmessage?.(event);
    };
    socket.onerror = (event) => this.#fail(socketError(event));
    socket.onclose = (event) => {
      if (this.#heard) this.#onEnd();
      else if (!this.#failed && !this.#closing) this.#fail({ message: HUNG_UP });
      this.#tell(() => this.onclose?.(event));
    };
    return socket;
  }

  #fail(event: { readonly message: string }): void {
    if (this.#heard) this.#onEnd();
    this.#failed = true;
    this.#tell(() => this.onerror?.(event));
  }

  /** nats.js listens when it has this socket in hand, and Node fails before where it takes no such port. */
  #tell(tell: () => void): void {
    if (this.onerror === null) setTimeout(tell);
    else tell();
  }

  /**
   * What nats.js sends first, CONNECT and PING, goes out as one: a server that refuses the one closes, and who still writes
   * the other to it then may lose what it said.
   */
  send(data: ArrayBuffer): void {
    const greeting = this.#greeting;
    if (greeting === undefined) this.#socket?.send(data);
    else if (greeting.push(data) === 1) queueMicrotask(() => this.#greet(greeting));
  }

  #greet(greeting: readonly ArrayBuffer[]): void {
    this.#greeting = undefined;
    try {
      this.#socket?.send(joined(greeting));
    } catch {
      // It has been closed, which nats.js hears of.
    }
  }

  close(): void {
    if (this.#closing || this.#socket === undefined) return;
    this.#closing = true;
    this.#socket.close();
    const timer = setTimeout(() => this.destroy(), GOODBYE_MS);
    this.#socket.addEventListener("close", () => clearTimeout(timer));
  }

  /** What the transport calls when a server stands still, as it does with a socket of TCP. */
  destroy(): void {
    this.onclose?.({ wasClean: true, reason: "" });
  }

  /** @throws in edge workers, in another request than that which opened it. */
  get readyState(): number | undefined {
    return this.#socket?.readyState;
  }
}

function joined(parts: readonly ArrayBuffer[]): ArrayBuffer {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(new Uint8Array(part), at);
    at += part.byteLength;
  }
  return bytes.buffer;
}

/**
 * Edge workers bind a socket to the request that opened it: for others it looks open, and nothing comes of it.
 *
 * @throws {TypeError} in another request.
 */
export function assertSameRequest(socket: { readonly readyState?: unknown } | undefined): void {
  try {
    void socket?.readyState;
  } catch (cause) {
    throw new TypeError(
      "This bus was connected in another request, and no request can use the connection of another here; " +
        "connect in each request, with connect({ perRequest: ctx }), and keep no bus between them",
      { cause },
    );
  }
}
