// One instance of a service that notes each call that it runs, so that nothing is forgotten when it is killed.

import { openSync, writeSync } from "node:fs";
import process from "node:process";
import { connect, createLogger, createService, rpc, run } from "../../mod.ts";

const [servers = "", file = "", instanceId = "", ttlMs = "", heartbeatMs = ""] = process.argv
  .slice(2);
const notes = openSync(file, "a");
const logger = createLogger({ level: "error" });

const work = rpc("work", (params) => {
  const { id } = params as { readonly id: number };
  // A line that is written outlasts the process.
  writeSync(notes, `${id}\n`);
  return instanceId;
});

await using bus = await connect({ servers, logger });
const service = createService("proof", {
  bus,
  instanceId,
  handlers: [work],
  registry: { ttlMs: Number(ttlMs), heartbeatIntervalMs: Number(heartbeatMs) },
});
const running = run(service);
// Whoever started it waits for this line.
while (service.status !== "started") await new Promise((resolve) => setTimeout(resolve, 5));
console.log("started");
await running;
