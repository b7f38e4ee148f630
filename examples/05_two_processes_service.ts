// A service in a program of its own: run() starts it, and SIGINT (Ctrl-C) or SIGTERM stops it without losing a call.
// deno run -A examples/05_two_processes_service.ts [nats://localhost:4222]

import process from "node:process";
import { connect, createService, rpc, type RpcHandler, run, type Service } from "@aegis/sdk";
import * as v from "valibot";

/**
 * What clients import, the type alone. `export type Greeter = typeof greeter` says the same, where the compiler option
 * `isolatedDeclarations` is off; this repository has it on.
 */
export type Greeter = Service<
  readonly [RpcHandler<"greet", { name: string }, { text: string; from: string }>]
>;

const greet = rpc("greet", {
  params: v.object({ name: v.string() }),
  result: v.object({ text: v.string(), from: v.string() }),
}, ({ name }, ctx) => {
  ctx.log.info("greeting", { name });
  return { text: `Hello, ${name}`, from: ctx.instanceId };
});

const servers = process.argv[2] || process.env.AEGIS_SERVERS || "nats://localhost:4222";
await using bus = await connect({ servers, name: "greeter" });
const hooks = { onStopped: () => console.log("every call that was taken is answered") };
const greeter: Greeter = createService("greeter", { bus, handlers: [greet], hooks });
await run(greeter);
