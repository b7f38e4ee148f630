// A command: long work with a progress bar, which goes on where it was when its first attempt fails half-way.
// deno run -A examples/11_commands.ts [nats://localhost:4222]

import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { command, connect, createClient, createLogger, createService } from "@aegis/sdk";
import * as v from "valibot";

const servers = process.argv[2] || process.env.AEGIS_SERVERS || "memory:";
await using bus = await connect({ servers, logger: createLogger({ level: "error" }) });

const Done = v.object({ done: v.number() });
const convert = command("convert", {
  payload: v.object({ film: v.string(), frames: v.number() }),
  result: v.object({ film: v.string(), attempts: v.number() }),
  retry: { initialDelayMs: 100 },
}, async ({ payload: { film, frames } }, ctx) => {
  // What an earlier attempt gave along with its progress is handed to this one.
  const begun = ctx.lastProgress === undefined ? 0 : v.parse(Done, ctx.lastProgress.data).done;
  for (let frame = begun + 1; frame <= frames; frame++) {
    await sleep(20, undefined, { signal: ctx.signal });
    await ctx.progress(frame * 100 / frames, `frame ${frame} of ${film}`, { done: frame });
    if (frame === 12 && ctx.attempt === 1) throw new Error("The disk is full");
  }
  return { film, attempts: ctx.attempt };
});

await using service = createService("studio", { bus, handlers: [convert] });
await service.start();

const studio = createClient({ bus }).service<typeof service>("studio");
const job = await studio.send("convert", { film: "Metropolis", frames: 24 }, { maxRetries: 2 });
for await (const { percent, status } of job.progress()) draw(percent, status ?? "");
if (process.stdout.isTTY) process.stdout.write("\n");
const { film, attempts } = await job.result();
console.log(`${film} is converted, in ${attempts} attempts`);

// The record tells any process, now or after a restart, what became of it.
const later = await createClient({ bus }).command(job.id);
const { state, instanceId, startedAt = 0, finishedAt = 0 } = await later.status();
console.log(`${state} by ${instanceId}, the last attempt took ${finishedAt - startedAt} ms`);

/** Draws a bar over the one before it; where nobody watches, a line each. */
function draw(percent: number, status: string): void {
  const full = Math.round(percent / 100 * 30);
  const bar = `${"█".repeat(full)}${"░".repeat(30 - full)}`;
  const text = `${bar} ${percent.toFixed(0).padStart(3)} % ${status}`;
  process.stdout.write(process.stdout.isTTY ? `\r\x1b[K${text}` : `${text}\n`);
}
