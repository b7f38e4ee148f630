// A program that has run commands of all kinds and is done: nothing is left that keeps its process.

import process from "node:process";
import { command, connect, createClient, createService } from "../../mod.ts";

const [servers = "", closes = ""] = process.argv.slice(2);
const logger = { debug() {}, info() {}, warn() {}, error() {} };
const bus = await connect({ servers, logger });
const stops = Promise.withResolvers<void>();
const service = createService("svc", {
  bus,
  handlers: [
    command("steps", async (_, ctx) => {
      for (let n = 0; n < 100; n++) await ctx.progress(n, `step ${n}`, { n });
      return "done";
    }),
    command("fails", { retry: { initialDelayMs: 60_000 } }, () => {
      throw new Error("no");
    }),
    // It never returns and hears nothing; it waits for no timer either.
    command("hangs", { ackWaitMs: 60_000 }, (_, ctx) => {
      void ctx.progress(1, "on", {});
      stops.resolve();
      return new Promise(() => {});
    }),
  ],
});
await service.start();
const client = createClient({ bus });
const done = await client.send("svc", "steps", {}, { delayMs: 50 });
for await (const _ of done.progress());
console.log(await done.result());
if (closes === "bus") {
  // What the broker keeps for later, and whoever waits for it, lasts until the bus is closed.
  const cancelled = await client.send("svc", "steps", {}, { delayMs: 60_000 });
  await cancelled.cancel();
  const later = await client.send("svc", "steps", {}, { delayMs: 60_000 });
  const failing = await client.send("svc", "fails");
  while ((await failing.status()).state !== "retrying") {
    await new Promise((go) => setTimeout(go, 5));
  }
  const hanging = await client.send("svc", "hangs", {}, { timeoutMs: 600_000 });
  await stops.promise;
  // Somebody waits for what does not come any more.
  const waiting = [later, failing, hanging].map((job) => job.result({ timeoutMs: 600_000 }));
  for (const result of waiting) result.catch(() => {});
  void later.progress().next();
}
await service.stop({ graceMs: 100 });
if (closes === "bus") await bus.close();
console.log("over");
