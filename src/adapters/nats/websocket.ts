// WebSocket, on every runtime that has it.

import { type NatsConnection, wsconnect } from "@nats-io/nats-core";
import type { Dial } from "./connect.ts";

/** How long the server has to answer a goodbye, in milliseconds. */
const GOODBYE_MS = 1_000;

/** Connects by WebSocket. A `Dial` of `connectNats()`. */
export const dialWebSocket: Dial = (options): Promise<NatsConnection> =>
  wsconnect({
    ...options,
    wsFactory: (url: string) =>
      Promise.resolve({ socket: openSocket(url), encrypted: url.startsWith("wss:") }),
  });

/**
 * A WebSocket whose end does not depend on the server. A runtime's own waits for what was written to be read, and for the
 * server's goodbye: from one that stands still neither comes, and nats.js would wait for them instead of reconnecting.
 */
function openSocket(url: string): WebSocket {
  const socket = new WebSocket(url);
  const close = socket.close.bind(socket);
  let closing = false;
  const destroy = (): void => {
    socket.onclose?.({ wasClean: true, reason: "" } as CloseEvent);
  };
  return Object.defineProperties(socket, {
    // nats.js closes once this is 0. What was sent before close() is sent before the goodbye in any case.
    bufferedAmount: { value: 0 },
    close: {
      value: (): void => {
        if (closing) return;
        closing = true;
        const timer = setTimeout(destroy, GOODBYE_MS);
        socket.addEventListener("close", () => clearTimeout(timer));
        close();
      },
    },
    /** What the transport calls when a server stands still, as it does with a socket of TCP. */
    destroy: { value: destroy },
  });
}
