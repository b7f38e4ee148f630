// One instance of a service that notes when each attempt of a command begins and ends, so that nothing is forgotten when it is killed.

import { openSync, writeSync } from "node:fs";
import process from "node:process";
import { command, connect, createLogger, createService, run } from "../../mod.ts";
import { pause } from "./instances.ts";
import type { Step } from "./command_steps.ts";

const [servers = "", file = "", ackWaitMs = "2000", concurrency = "64"] = process.argv.slice(2);
const notes = openSync(file, "a");
const logger = createLogger({ level: "error" });

const step = command("step", {
  ackWaitMs: Number(ackWaitMs),
  concurrency: Number(concurrency),
  retry: { initialDelayMs: 50, maxDelayMs: 200 },
}, async ({ id, payload }, ctx) => {
  const { n, kind, ms, fails } = payload as Step;
  note("begin", id, ctx.attempt);
  try {
    if (ms > 0) {
      await ctx.progress(50, "half-way");
      await pause(ms, ctx.signal);
      ctx.signal.throwIfAborted();
    }
    if (kind === "failing" || ctx.attempt <= fails) throw new Error(`Step ${n} fails`);
    if (kind === "final") throw Object.assign(new Error(`Step ${n} fails`), { final: true });
    return { n };
  } finally {
    note("end", id, ctx.attempt);
  }
});

/** A line that is written outlasts the process. */
function note(what: "begin" | "end", id: string, attempt: number): void {
  writeSync(notes, `${what} ${id} ${attempt} ${Date.now()}\n`);
}

await using bus = await connect({ servers: servers.split(","), logger });
const service = createService("proof", { bus, handlers: [step] });
const running = run(service);
// Whoever started it waits for this line.
while (service.status !== "started") await new Promise((resolve) => setTimeout(resolve, 5));
console.log("started");
await running;
