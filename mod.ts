/**
 * Services over NATS for Deno, Bun and Node: typed RPC, durable events, and commands with progress and results, embedded
 * or on a server.
 *
 * @example A service and a client
 * ```ts
 * import { connect, createClient, createService, rpc } from "@aegis/sdk";
 * import * as v from "valibot";
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * await using bus = await connect({ servers: "memory:" });
 *
 * const greet = rpc("greet", {
 *   params: v.object({ name: v.string() }),
 *   result: v.object({ text: v.string() }),
 * }, ({ name }) => ({ text: `Hello, ${name}` }));
 *
 * await using service = createService("greeter", { bus, handlers: [greet] });
 * await service.start();
 *
 * const greeter = createClient({ bus }).service<typeof service>("greeter");
 * deepStrictEqual(await greeter.call("greet", { name: "Ada" }), { text: "Hello, Ada" });
 * ```
 *
 * @example An event, and a command whose progress is followed
 * ```ts
 * import { command, connect, createClient, createService, event, on } from "@aegis/sdk";
 * import * as v from "valibot";
 *
 * const Printed = event("leaflet.printed", { payload: v.object({ copies: v.number() }) });
 * const print = command("print", { payload: v.object({ copies: v.number() }) }, async ({ payload }, ctx) => {
 *   await ctx.progress(50, "half of them");
 *   await ctx.publish(Printed(payload));
 *   return { copies: payload.copies };
 * });
 * const count = on(Printed, ({ payload }, ctx) => ctx.log.info("printed", payload));
 *
 * await using bus = await connect({ servers: "memory:" });
 * await using press = createService("press", { bus, handlers: [print, count] });
 * await press.start();
 *
 * const job = await createClient({ bus }).service<typeof press>("press").send("print", { copies: 3 });
 * for await (const { percent, status } of job.progress()) console.log(percent, status);
 * console.log((await job.result()).copies);
 * ```
 *
 * @module
 */

import { readFile } from "node:fs/promises";
import { msgpack } from "./src/adapters/msgpack/codec.ts";
import { dialTcp } from "./src/adapters/nats/tcp.ts";
import type { Bus } from "./src/app/bus.ts";
import { createConnect } from "./src/connect.ts";
import type { ConnectOptions } from "./src/ports/options.ts";

export * from "./src/api.ts";

const connectTcp = createConnect({ kind: "tcp", dial: dialTcp, readFile, codecs: [msgpack()] });

/**
 * Connects to NATS by TCP, or to a broker inside this process with `servers: "memory:"`.
 *
 * @throws {UnavailableError} when no server was reached within `timeoutMs`; it says what was tried.
 * @throws {AegisError} with code `UNAUTHORIZED` when a server refused the secrets, `TLS` when TLS failed.
 * @throws {TypeError | RangeError} for options that cannot be.
 *
 * @example
 * ```ts
 * import { connect } from "@aegis/sdk";
 * import { strictEqual } from "node:assert/strict";
 *
 * await using bus = await connect({ servers: "memory:" });
 * strictEqual(bus.status, "connected");
 * ```
 */
export function connect(options?: ConnectOptions): Promise<Bus> {
  return connectTcp(options);
}
