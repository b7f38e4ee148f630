// WebSocket, on every runtime that has it.

import { type NatsConnection, wsconnect } from "@nats-io/nats-core";
import type { Dial } from "./connect.ts";
import { HUNG_UP, socketError } from "./websocket_error.ts";

/** How long the server has to answer a goodbye, in milliseconds. */
const GOODBYE_MS = 1_000;

/** Connects by WebSocket. A `Dial` of `connectNats()`. */
export const dialWebSocket: Dial = (options): Promise<NatsConnection> =>
  wsconnect({
    ...options,
    // What nats.js does with it is what it does with a WebSocket.
    wsFactory: (url: string) =>
      Promise.resolve({
        socket: new Socket(url) as unknown as WebSocket,
        encrypted: url.startsWith("wss:"),
      }),
  });

/** What nats.js hears of a socket. */
type Listener<T> = ((event: T) => void) | null;

/**
 * What nats.js uses of a WebSocket, with what runtimes do differently put right: it fails in words, also where the
 * constructor throws, nobody listens yet or the other side hangs up at once, and its end does not depend on the server. A runtime's own waits for what was written to be read, and
 * for the server's goodbye: from one that stands still neither comes, and nats.js would wait instead of reconnecting.
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
  /** Whether something has come: a first word, or why there is none. */
  #heard = false;

  constructor(url: string) {
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
      if (!this.#heard && !this.#closing) this.#fail({ message: HUNG_UP });
      this.#tell(() => this.onclose?.(event));
    };
    return socket;
  }

  #fail(event: { readonly message: string }): void {
    this.#heard = true;
    this.#tell(() => this.onerror?.(event));
  }

  /** nats.js listens when it has this socket in hand, and Node fails before where it takes no such port. */
  #tell(tell: () => void): void {
    if (this.onerror === null) setTimeout(tell);
    else tell();
  }

  send(data: ArrayBuffer): void {
    this.#socket?.send(data);
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
