// One budget of time for a call and all that it causes; a signal that takes it back; retries inside the budget.
// deno run -A examples/03_deadline_and_cancel.ts [nats://localhost:4222]

import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type AegisError,
  connect,
  createClient,
  createLogger,
  createService,
  rpc,
} from "@aegis/sdk";

const servers = process.argv[2] || process.env.AEGIS_SERVERS || "memory:";
await using bus = await connect({ servers, logger: createLogger({ level: "silent" }) });

const render = rpc("render", async (_params, ctx) => {
  ctx.signal.addEventListener("abort", () => {
    console.log("  render is told to stop:", (ctx.signal.reason as AegisError).code);
  });
  await sleep(60_000, undefined, { signal: ctx.signal });
});
const report = rpc("report", async (_params, ctx) => {
  console.log(`  report has at most ${Math.ceil(ctx.remainingMs / 100) * 100} ms`);
  await sleep(50);
  return await ctx.call("pages", "render", {}, { timeoutMs: 10_000 }); // not more than is left
});
let attempts = 0;
const fetchRate = rpc("fetch_rate", { idempotent: true }, () => {
  if (++attempts < 3) throw new Error("the exchange does not answer");
  return { rate: 1.08 };
});

await using pages = createService("pages", { bus, handlers: [render, report, fetchRate] });
await pages.start();
const client = createClient({ bus });

console.log("a deadline of 200 ms:");
const late = await client.call("pages", "report", {}, { timeoutMs: 200 }).catch(String);
await sleep(20); // what the handler prints in its last moment
console.log(" ", late);

console.log("a caller who changes their mind after 50 ms:");
const controller = new AbortController();
setTimeout(() => controller.abort(new Error("never mind")), 50);
const { signal } = controller;
const taken = await client.call("pages", "render", {}, { signal }).catch(String);
await sleep(50); // the word of it is on its way
console.log(" ", taken);

console.log("a method that may run twice, so that its failures are tried again:");
const retry = { attempts: 5, initialDelayMs: 10 };
console.log(
  " ",
  await client.call("pages", "fetch_rate", {}, { retry }),
  `in ${attempts} attempts`,
);
