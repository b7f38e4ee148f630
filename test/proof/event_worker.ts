// One instance of a service that notes each event which it handles in a file, so that nothing is forgotten when it is killed.

import { openSync, writeSync } from "node:fs";
import process from "node:process";
import { connect, createLogger, createService, on, run } from "../../mod.ts";

const [servers = "", file = "", ...times] = process.argv.slice(2);
const [slowEvery = 0, slowMs = 0, ackWaitMs = 2_000, replicas = 1] = times.map(Number);
const notes = openSync(file, "a");
const logger = createLogger({ level: "error" });

const handle = on("proof.*", { ackWaitMs, from: "all" }, async (event, ctx) => {
  const { n } = event.payload as { n: number };
  if (slowEvery > 0 && n % slowEvery === 0) {
    await new Promise((resolve) => setTimeout(resolve, slowMs));
  }
  // It is handled from here on: a line that is written outlasts the process.
  writeSync(notes, `${n} ${ctx.attempt}\n`);
});

await using bus = await connect({ servers: servers.split(","), replicas, logger });
const service = createService("proof", { bus, handlers: [handle] });
const running = run(service);
// Whoever started it waits for this line.
while (service.status !== "started") await new Promise((resolve) => setTimeout(resolve, 5));
console.log("started");
await running;
