// One instance of a single-active service, which notes each moment at which it leads, and writes a shared record as leader.

import { appendFileSync } from "node:fs";
import process from "node:process";
import {
  AegisError,
  command,
  connect,
  type Context,
  createLogger,
  createService,
  failover,
  type Kv,
  on,
  rpc,
  run,
} from "../../mod.ts";
import { LEDGER, type Ledger, lineOf } from "./failover_notes.ts";

const [servers = "", file = "", who = "", policy = "aggressive", replicas = "1"] = process.argv
  .slice(2);
const bus = await connect({
  servers: servers.split(","),
  name: who,
  logger: createLogger({ level: process.env["FAILOVER_LOG"] === undefined ? "silent" : "debug" }),
  replicas: Number(replicas),
});
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
let token = 0;

let next: { readonly token: number; readonly written: Promise<number> } | undefined;
let last: Promise<unknown> = Promise.resolve();

/**
 * Writes the record, once for all who want that while it is written for those before: on a busy machine there would be more
 * and more who are at it at the same time, and none of them faster than the others.
 */
function write(kv: Kv<Ledger>, token: number): Promise<number> {
  if (next?.token === token) return next.written;
  const written = last.then(() => {
    next = undefined;
    return writeNow(kv, token);
  });
  next = { token, written };
  last = written.catch(() => {});
  return written;
}

/** Writes the record, which refuses whoever has a lower token than the one that wrote last. */
async function writeNow(kv: Kv<Ledger>, fencingToken: number): Promise<number> {
  for (;;) {
    const entry = await kv.get(LEDGER);
    const before = entry?.value ?? { token: 0, count: 0, who: "" };
    if (before.token > fencingToken) throw new AegisError("FENCED", `${who} comes too late`);
    const record = { token: fencingToken, count: before.count + 1, who };
    try {
      await kv.put(LEDGER, record, { revision: entry?.revision ?? 0 });
      return record.count;
    } catch (error) {
      // Somebody else wrote: if with a higher token, this one is refused.
      if (!AegisError.is(error, "CONFLICT")) throw error;
    }
  }
}

const ledger = bus.kv<Ledger>(LEDGER);

/** Work of half a second on the record, which says where it begins, and, only once, where it ends. */
async function work(id: string, { fencingToken = 0 }: Context): Promise<[string, number]> {
  const kv = await ledger;
  const note = { token: fencingToken, count: 0, who };
  await kv.put(`begun.${id}`, note);
  for (let step = 0; step < 5; step++) {
    await write(kv, fencingToken);
    await sleep(100);
  }
  await kv.put(`ended.${id}`, note, { createOnly: true });
  return [who, fencingToken];
}

const SOON = { exclusive: true, ackWaitMs: 1_000 } as const;
const service = createService("ledger", {
  bus,
  instanceId: who,
  singleActive: failover[policy as keyof typeof failover],
  hooks: {
    onLeadership: (leader, fencingToken) => {
      token = fencingToken;
      appendFileSync(file, lineOf(leader ? "leads" : "yields", who, fencingToken, 0));
    },
  },
  handlers: [
    rpc("write", { exclusive: true }, async (_, ctx) => [
      who,
      await write(await ledger, ctx.fencingToken!),
      ctx.fencingToken,
    ]),
    rpc("who", { exclusive: true }, () => [who, token]),
    rpc("slow", { exclusive: true }, async (_, ctx) => {
      await sleep(200);
      return [who, ctx.fencingToken];
    }),
    command("job", SOON, ({ id }, ctx) => work(id, ctx)),
    on("ledger.work", { ...SOON, from: "all" }, async ({ id }, ctx) => void await work(id, ctx)),
    command("long", async () => {
      await sleep(2_000);
      return who;
    }),
  ],
});

const noting = setInterval(() => {
  const before = performance.now();
  if (!service.isLeader()) return;
  appendFileSync(file, lineOf("acts", who, token, before));
  // Had the process stood still between the look and the act, only the token could tell.
  const tookMs = performance.now() - before;
  if (tookMs > 20) appendFileSync(file, lineOf("late", who, token, before));
}, 2);

const running = run(service);
// Whoever started it waits for this line.
while (service.status !== "started") await sleep(5);
console.log("started");
await running;
clearInterval(noting);
await bus.close();
