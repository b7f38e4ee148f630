// A service that tells its heap: run by remembered_test.ts, under Node or Deno with the collector exposed.

import process from "node:process";
import { connect, createLogger, createService, rpc } from "../../mod.ts";

const collect = (globalThis as { gc?: () => void }).gc!;
const bus = await connect({ servers: process.argv[2]!, logger: createLogger({ level: "silent" }) });
const heap = rpc("heap", async () => {
  // What the connection still holds of the last read goes with the next turns.
  await new Promise((resolve) => setTimeout(resolve, 50));
  collect();
  return process.memoryUsage().heapUsed;
});
const kept: unknown[] = [];
const keep = rpc("keep", (_params, ctx) => {
  kept.push(ctx.traceId, ctx.message.messageId, ctx.message.timestamp, ctx.header("traceparent"));
  return kept.length;
});
const handlers = [heap, rpc("take", () => 1), keep];
await createService("remembering", { bus, handlers }).start();
console.log("started");
