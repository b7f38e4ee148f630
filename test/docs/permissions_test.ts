// The blocks of docs/security.md: with them everything works, nothing beyond them is permitted, and each line is used.

import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { connect as dial } from "@nats-io/transport-node";
import {
  AegisError,
  type Bus,
  command,
  connect,
  createClient,
  createService,
  ensureTopology,
  event,
  on,
  rpc,
} from "../../mod.ts";
import { captureLogs } from "../../testing.ts";
import { type NatsServer, startNatsServer } from "../../tools/nats_server.ts";
import { until } from "../nats/outage_tools.ts";

const BLOCK = /^```conf\n([^]*?)^```$/gm;
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

const text = await readFile(new URL("../../docs/security.md", import.meta.url), "utf8");
const blocks = [...text.matchAll(BLOCK)].map(([, block = ""]) => block);
const permissions = blocks.filter((block) => /^[A-Z]+ = \{$|^authorization \{$/m.test(block)).join(
  "",
);

let server: NatsServer;
const { logger, lines } = captureLogs();
before(async () => {
  const passwords = ROLES.map((role) => `${role.toUpperCase()}_PASS: "p"`).join("\n");
  // No list of the users: `all` may do all, to bring about what happens to the others.
  const users = permissions.replace("users: [", `users: [ { user: "all", password: "p" }`);
  server = await startNatsServer({ config: `trace: true\n${passwords}\n${users}` });
});
const buses: Bus[] = [];
after(async () => {
  for (const bus of buses) await bus.close();
  await server.stop();
});

async function as(user: string): Promise<Bus> {
  const bus = await connect({ servers: server.url, user, pass: "p", name: user, logger });
  buses.push(bus);
  return bus;
}

/** What each user has published to and subscribed to, from what the server logged of it. */
async function traffic(): Promise<Map<string, { publish: Set<string>; subscribe: Set<string> }>> {
  const users = new Map<string, string>();
  const seen = new Map(
    ROLES.map((role) => [role, { publish: new Set<string>(), subscribe: new Set<string>() }]),
  );
  const line = /cid:(\d+) .*<<- \[(CONNECT|H?PUB|SUB) (\S+)(.*)\]$/gm;
  for (const [, cid = "", operation, first = "", rest] of (await server.log()).matchAll(line)) {
    if (operation === "CONNECT") users.set(cid, /"user":"(\w+)"/.exec(first + rest)?.[1] ?? "");
    else seen.get(users.get(cid) ?? "")?.[operation === "SUB" ? "subscribe" : "publish"].add(first);
  }
  return seen;
}

/** The subjects of one list of one block. */
function allowed(role: string, list: "publish" | "subscribe"): string[] {
  const block = new RegExp(`^${role.toUpperCase()} = \\{\n([^]*?)^\\}`, "m").exec(permissions)?.[1];
  const subjects = new RegExp(`${list}: \\[([^]*?)\\]`).exec(block ?? "")?.[1] ?? "";
  return [...subjects.matchAll(/"([^"]+)"/g)].map(([, subject = ""]) => subject);
}

function covers(pattern: string, subject: string): boolean {
  const tokens = subject.split(".");
  return pattern.split(".").every((token, at, all) =>
    token === ">" || (token === "*" ? tokens[at] !== undefined : token === tokens[at]) &&
      (at < all.length - 1 || tokens.length === all.length)
  );
}

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

  await server.restart();
  release();
  strictEqual(await missed, "done");
  for (const service of [shops, books, works]) await service.stop();

  const unused: string[] = [];
  for (const [role, seen] of await traffic()) {
    for (const list of ["publish", "subscribe"] as const) {
      const patterns = allowed(role, list);
      ok(patterns.length > 0, `${role} has no list ${list}`);
      for (const pattern of patterns) {
        if (![...seen[list]].some((subject) => covers(pattern, subject))) {
          unused.push(`${role} ${list} ${pattern}`);
        }
      }
    }
  }
  // Older servers keep no schedules, and what is for later stays in the work queue.
  const later = /^2\.(9|1[01])\./.test(server.version)
    ? /commands_later|COMMANDS_LATER|^worker publish commands\.worker\.>$/
    : /^$/;
  deepStrictEqual(unused.filter((line) => !later.test(line)), []);
  deepStrictEqual((await server.log()).match(/.*Permissions Violation.*/g), null);
  const warnings = lines.filter(({ level }) => level === "warn").map(({ message }) => message);
  deepStrictEqual(warnings.filter((message) => /permi|allow|may not/i.test(message)), []);
});

/** Takes the event of a durable and refuses it, as a process that dies does, until it has had three deliveries. */
async function refuseThrice(durable: string): Promise<void> {
  const nc = await dial({ servers: server.url, user: "all", pass: "p" });
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
