// What a queue of commands can do: priority, an id that makes twice once, delay, cancel, time-outs, errors that are final.
// deno run -A examples/12_command_queue.ts [nats://localhost:4222]

import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import {
  command,
  CommandError,
  connect,
  createClient,
  createLogger,
  createService,
} from "@aegis/sdk";
import * as v from "valibot";

const servers = process.argv[2] || process.env.AEGIS_SERVERS || "memory:";
await using bus = await connect({ servers, logger: createLogger({ level: "silent" }) });
const printed: string[] = [];
const print = command("print", {
  payload: v.object({ page: v.string() }),
  concurrency: 1,
}, async ({ payload: { page } }, ctx) => {
  if (page === "") throw new CommandError("BLANK", "There is nothing on it", { final: true });
  await sleep(page === "a book" ? 60_000 : 5, undefined, { signal: ctx.signal });
  printed.push(page);
  return { sheet: printed.length };
});
const service = createService("printer", { bus, handlers: [print] });
const client = createClient({ bus });
const printer = client.service<typeof service>("printer");

// Nobody is there yet: they wait, and are run in the order of their priority.
await printer.send("print", { page: "a poem" }, { priority: "low" });
await printer.send("print", { page: "a letter" });
const last = await printer.send("print", { page: "a menu" }, { priority: "low", delayMs: 300 });
await printer.send("print", { page: "an alarm" }, { priority: "critical" });
await service.start();

// Sent twice with one id it is printed once, and both get what it comes to.
const [one, other] = await Promise.all(
  [1, 2].map(() => printer.send("print", { page: "an invoice" }, { id: "invoice 42" })),
);
console.log("the same sheet:", (await one!.result()).sheet === (await other!.result()).sheet);

const long = await printer.send("print", { page: "a book" });
while ((await long.status()).state !== "running") await sleep(5);
await long.cancel("too long");
console.log(await long.result().catch((error) => error.message));
const late = await printer.send("print", { page: "a book" }, { timeoutMs: 50 });
console.log(await late.result().catch((error) => error.message));

const blank = await printer.send("print", { page: "" });
const failed = await blank.result().catch((error) => error);
console.log(failed.code, "after", failed.attempts, "attempt");
for (const { type, reason } of await client.listDeadLetters({ kind: "command" })) {
  console.log("dead letter:", type, reason);
}
await last.result();
console.log(printed.join(", "));
await service.stop();
