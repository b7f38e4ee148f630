// WebSocket, on every runtime that has it.

import { type ConnectionOptions, type NatsConnection, wsconnect } from "@nats-io/nats-core";

/** Connects by WebSocket. A `Dial` of `connectNats()`. */
export function dialWebSocket(options: ConnectionOptions): Promise<NatsConnection> {
  return wsconnect(options);
}
