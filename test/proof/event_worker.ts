// One instance of a service that notes each event which it handles in a file, so that nothing is forgotten when it is killed.

import { openSync, writeSync } from "node:fs";
import process from "node:process";
import { connect, createLogger, createService, on, run } from "../../mod.ts";

const [servers = "", file = "", slowEvery = "0", slowMs = "0", ackWaitMs = "2000"] = process.argv
  .slice(2);
const notes = openSync(file, "a");
const logger = createLogger({ level: "error" });

const handle = on("proof.*", { ackWaitMs: Number(ackWaitMs), from: "all" }, async (event, ctx) => {
  const { n } = event.payload as { n: number };
  if (Number(slowEvery) > 0 && n % Number(slowEvery) === 0) {
    await new Promise((resolve) => setTimeout(resolve, Number(slowMs)));
  }
  // It is handled from here on: a line that is written outlasts the process.
  writeSync(notes, `${n} ${ctx.attempt}\n`);
});

await using bus = await connect({ servers: servers.split(","), logger });
const service = createService("proof", { bus, handlers: [handle] });
const running = run(service);
// Whoever started it waits for this line.
while (service.status !== "started") await new Promise((resolve) => setTimeout(resolve, 5));
console.log("started");
await running;
