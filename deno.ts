/**
 * The same API on Deno's own sockets, so that `--allow-net=host:port` may stay scoped to the servers.
 *
 * It brings `@nats-io/transport-deno` from JSR, which has no client certificates; the default entry has.
 *
 * @example A program for `deno run --allow-net=nats.example.com:4222`
 * ```ts
 * import { connect, createClient } from "@aegis/sdk/deno";
 *
 * async function greeting(servers = "nats://nats.example.com:4222"): Promise<unknown> {
 *   await using bus = await connect({ servers });
 *   return await createClient({ bus }).call("greeter", "greet", { name: "Ada" });
 * }
 * ```
 *
 * @module
 */

import { msgpack } from "./src/adapters/msgpack/codec.ts";
import type { Dial } from "./src/adapters/nats/connect.ts";
import { dialDeno } from "./src/adapters/nats/deno.ts";
import type { Bus } from "./src/app/bus.ts";
import { createConnect } from "./src/connect.ts";
import type { ConnectOptions } from "./src/ports/options.ts";

export * from "./src/api.ts";

const dial = dialDeno({
  load: async (): Promise<{ connect: Dial }> => await import("@nats-io/transport-deno"),
  open: (address) => Deno.connect(address),
});

const connectDeno = createConnect({
  kind: "deno",
  dial,
  readFile: (path) => Deno.readFile(path),
  codecs: [msgpack()],
});

/**
 * Connects to NATS on Deno's own sockets, or to a broker inside this process with `servers: "memory:"`.
 *
 * @throws {UnavailableError} when no server was reached within `timeoutMs`; it says what was tried.
 * @throws {AegisError} with code `UNAUTHORIZED` when a server refused the secrets, `TLS` when TLS failed.
 * @throws {TypeError | RangeError} for options that cannot be.
 *
 * @example
 * ```ts
 * import { connect } from "@aegis/sdk/deno";
 * import { strictEqual } from "node:assert/strict";
 *
 * await using bus = await connect({ servers: "memory:" });
 * strictEqual(bus.status, "connected");
 * ```
 */
export function connect(options?: ConnectOptions): Promise<Bus> {
  return connectDeno(options);
}
