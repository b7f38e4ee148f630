/**
 * The same API for edge workers and browsers, over WebSocket.
 *
 * MessagePack is not part of this entry: `connect({ codec: msgpack() })` with `@aegis/sdk/msgpack` adds it.
 *
 * @example A call from a page or a worker
 * ```ts
 * import { connect, createClient } from "@aegis/sdk/edge";
 *
 * async function greeting(servers = "wss://nats.example.com"): Promise<unknown> {
 *   await using bus = await connect({ servers });
 *   return await createClient({ bus }).call("greeter", "greet", { name: "Ada" });
 * }
 * ```
 *
 * @module
 */

import { dialWebSocket } from "./src/adapters/nats/websocket.ts";
import type { Bus } from "./src/app/bus.ts";
import { createConnect } from "./src/connect.ts";
import type { ConnectOptions } from "./src/ports/options.ts";

export * from "./src/api.ts";

const connectWebSocket = createConnect({ kind: "ws", dial: dialWebSocket, codecs: [] });

/**
 * Connects to NATS by WebSocket (`ws://`, `wss://`), or to a broker inside this isolate with `servers: "memory:"`.
 *
 * @throws {UnavailableError} when no server was reached within `timeoutMs`; it says what was tried.
 * @throws {AegisError} with code `UNAUTHORIZED` when a server refused the secrets.
 * @throws {TypeError | RangeError} for options that cannot be, and where the runtime has no WebSocket.
 *
 * @example
 * ```ts
 * import { connect } from "@aegis/sdk/edge";
 * import { strictEqual } from "node:assert/strict";
 *
 * await using bus = await connect({ servers: "memory:" });
 * strictEqual(bus.status, "connected");
 * ```
 */
export function connect(options?: ConnectOptions): Promise<Bus> {
  return connectWebSocket(options);
}
