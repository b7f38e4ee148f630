/**
 * The same API for edge workers and browsers, over WebSocket.
 *
 * MessagePack is not part of this entry: `connect({ codec: msgpack() })` with `@aegis/sdk/msgpack` adds it.
 *
 * @module
 */

import type { Bus } from "./src/app/bus.ts";
import { createConnect } from "./src/connect.ts";
import type { ConnectOptions } from "./src/ports/options.ts";

export * from "./src/api.ts";

const connectWebSocket = createConnect({ kind: "ws", codecs: [] });

/**
 * Connects to NATS by WebSocket (`ws://`, `wss://`), or to a broker inside this isolate with `servers: "memory:"`.
 *
 * @throws {UnavailableError} when no server was reached within `timeoutMs`; it says what was tried.
 * @throws {AegisError} with code `UNAUTHORIZED` when a server refused the secrets.
 * @throws {TypeError | RangeError} for options that cannot be, and where the runtime has no WebSocket.
 */
export function connect(options?: ConnectOptions): Promise<Bus> {
  return connectWebSocket(options);
}
