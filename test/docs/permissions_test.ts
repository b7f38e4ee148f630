// The blocks of docs/security.md for calls, events and commands: with them everything works, nothing beyond them is
// permitted, and each line is used.

import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import { after, before, test } from "node:test";
import { connect as dial } from "@nats-io/transport-node";
import {
  AegisError,
  type Bus,
  command,
  createClient,
  createService,
  ensureTopology,
  event,
  on,
  rpc,
} from "../../mod.ts";
import { until } from "../nats/outage_tools.ts";
import { type Permitted, permitted } from "./permissions_tools.ts";

const Weighed = event("order.weighed");
const ROLES = [
  "deployer",
  "shop",
  "caller",
  "publisher",
  "billing",
  "sender",
  "worker",
  "support",
];

let world: Permitted;
before(async () => {
  world = await permitted();
});
after(() => world[Symbol.asyncDispose]());

const as = (user: string): Promise<Bus> => world.as(user);

test("each program does its work with its block of docs/security.md, and uses every line of it", async () => {
  const [deployer, shop, caller, publisher, billing, sender, worker, support] = await Promise.all(
    ROLES.map(as),
  ) as [Bus, Bus, Bus, Bus, Bus, Bus, Bus, Bus];
  const never = (_: unknown, { signal }: { signal: AbortSignal }) =>
    new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
  let release = (): void => {};
  const released = new Promise<void>((resolve) => release = resolve);
  let begun = 0;
  const slow = rpc("slow", async () => {
    begun++;
    await released;
    return "done";
  });
  const shops = createService("shop", {
    registry: false,
    bus: shop,
    handlers: [rpc("echo", (params) => params), slow, rpc("never", never)],
  });
  const handled: string[] = [];
  const book = on("order.created", { retry: { attempts: 1 }, ackWaitMs: 2_000 }, ({ payload }) => {
    const { is } = payload as { readonly is: string };
    handled.push(is);
    if (is === "bad") throw new Error("no");
  });
  const books = createService("billing", { bus: billing, registry: false, handlers: [book] });
  const works = createService("worker", {
    bus: worker,
    registry: false,
    handlers: [
      command("work", async (_command, ctx) => {
        await ctx.progress(50, "half-way");
      }),
      command("fail", { retry: { initialDelayMs: 10 } }, (_command, { attempt }) => {
        throw Object.assign(new Error("no"), { final: attempt > 1 });
      }),
      command("never", never),
    ],
  });
  await ensureTopology({ bus: deployer, services: [books, works] });

  // An event that had three deliveries is a suspect: it begins only after that is noted.
  const events = createClient({ bus: publisher });
  await events.publish("order.created", { is: "suspect" });
  await refuseThrice("billing=order=created");

  await Promise.all([shops.start(), books.start(), works.start()]);
  await until("the suspect is handled", () => handled.includes("suspect"));
  await events.publish("order.created", { is: "good" });
  await events.publish("order.created", { is: "bad" });
  const bulk = Array.from({ length: 3_000 }, () => Weighed({ grams: 1 }));
  strictEqual((await events.publishMany(bulk)).stored, 3_000);
  const letters = createClient({ bus: support });
  await until("the dead letter", async () => (await letters.listDeadLetters()).length === 1);
  strictEqual(await letters.discardDeadLetters(), 1);

  const calls = createClient({ bus: caller });
  const { instanceId } = shops;
  deepStrictEqual(await calls.call("shop", "echo", { a: 1 }, { instance: instanceId }), { a: 1 });
  const signal = AbortSignal.timeout(50);
  await rejects(calls.call("shop", "never", {}, { signal, timeoutMs: 20_000 }));
  // An answer that an outage swallows is asked for again.
  const missed = calls.call("shop", "slow", {}, { timeoutMs: 20_000 });
  await until("the call is there", () => begun === 1);

  const commands = createClient({ bus: sender });
  const work = await commands.send("worker", "work", {}, { priority: "high" });
  for await (const _ of work.progress()) { /* it is followed */ }
  await work.result();
  strictEqual((await (await commands.command(work.id)).status()).state, "completed");
  await (await commands.send("worker", "work", {}, { delayMs: 200 })).result();
  await rejects((await commands.send("worker", "fail")).result(), /no/);
  const running = await commands.send("worker", "never");
  await until("it runs", async () => (await running.status()).state === "running");
  await running.cancel("enough");
  await rejects(running.result(), { code: "CANCELLED" });
  const waiting = await commands.send("worker", "work", {}, { delayMs: 60_000 });
  await waiting.cancel();

  await world.server.restart();
  release();
  strictEqual(await missed, "done");
  for (const service of [shops, books, works]) await service.stop();

  // Older servers keep no schedules, and what is for later stays in the work queue.
  const later = /^2\.(9|1[01])\./.test(world.server.version)
    ? /commands_later|COMMANDS_LATER|^worker publish commands\.worker\.>$/
    : /^$/;
  const unused = await world.unused(ROLES);
  deepStrictEqual(unused.filter((line) => !later.test(line)), []);
  deepStrictEqual(await world.violations(), []);
  const warnings = world.lines.filter(({ level }) => level === "warn").map(({ message }) =>
    message
  );
  deepStrictEqual(warnings.filter((message) => /permi|allow|may not/i.test(message)), []);
});

/** Takes the event of a durable and refuses it, as a process that dies does, until it has had three deliveries. */
async function refuseThrice(durable: string): Promise<void> {
  const nc = await dial({ servers: world.server.url, user: "all", pass: "p" });
  for (let round = 0; round < 3; round++) {
    const next = await nc.request(`$JS.API.CONSUMER.MSG.NEXT.EVENTS.${durable}`, "1", {
      noMux: true, // what comes keeps its own subject
      timeout: 10_000,
    });
    nc.publish(next.reply ?? "", "-NAK");
    await nc.flush();
  }
  await nc.close();
}

test("nothing beyond its block is permitted to anybody", async () => {
  const caller = await as("caller");
  const publisher = await as("publisher");
  const billing = await as("billing");
  const sender = await as("sender");
  const denied = async (work: Promise<unknown>, subject: RegExp) => {
    const error = await work.then(() => undefined, (reason) => reason);
    ok(AegisError.is(error, "PERMISSION_DENIED"), `${error}`);
    match(error.message, subject);
  };
  await denied(createClient({ bus: caller }).call("billing", "pay", {}), /rpc\.billing\.pay/);
  await denied(
    createClient({ bus: publisher }).publish("user.created", {}),
    /events\.user\.created/,
  );
  await denied(createClient({ bus: sender }).send("billing", "pay", {}), /billing/);
  const other = createService("other", { bus: billing, handlers: [rpc("echo", () => 1)] });
  await denied(other.start(), /rpc\.other/);
});
