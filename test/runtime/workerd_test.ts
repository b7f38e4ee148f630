// Cloudflare's workerd against a real server: the worker of the examples, and one that keeps what no worker may keep.

import { deepStrictEqual, match, notStrictEqual, ok, strictEqual } from "node:assert/strict";
import { readFile } from "node:fs/promises";
import process from "node:process";
import { test } from "node:test";
import {
  type Bus,
  command,
  connect,
  createClient,
  createService,
  on,
  rpc,
  RpcError,
  type Service,
} from "../../mod.ts";
import { deferred } from "../../src/domain/deferred.ts";
import { startWebSocketServer, type WebSocketServer } from "../../tools/nats_websocket.ts";
import {
  COMPATIBILITY_DATE,
  startWorker,
  type Worker,
  type WorkerOptions,
} from "../../tools/workerd.ts";
import { logger, until } from "../nats/outage_tools.ts";

const skip = "Deno" in globalThis || "Bun" in globalThis
  ? "a worker is the same whoever starts it, and Node does"
  : parseInt(process.versions.node) < 22
  ? "miniflare needs Node 22"
  : false;

/** The configuration of a deployment, as docs/edge.md gives it. */
interface Deployment {
  readonly main: string;
  readonly compatibility_date: string;
  readonly vars: Readonly<Record<string, string>>;
  readonly durable_objects: {
    readonly bindings: readonly { readonly name: string; readonly class_name: string }[];
  };
  readonly migrations: readonly { readonly new_sqlite_classes: readonly string[] }[];
}

async function documented(): Promise<Deployment> {
  const page = await readFile(new URL("../../docs/edge.md", import.meta.url), "utf8");
  const [, text = ""] = /^```jsonc\n\/\/ wrangler\.jsonc\n([^]*?)^```$/m.exec(page) ?? [];
  return JSON.parse(text);
}

/** Starts one, and keeps to itself what it logs. */
async function start(
  path: string,
  vars: WorkerOptions["vars"],
  objects: WorkerOptions["objects"] = {},
): Promise<Worker> {
  return await startWorker(path, { vars, objects, onLog: () => {} });
}

/** How many have come by WebSocket and are there. */
async function sockets(server: WebSocketServer): Promise<number> {
  return (await server.connections()).filter(({ type }) => type === "websocket").length;
}

/** What the worker speaks to. A brew takes as long as it is held. */
async function serveCafe(bus: Bus, brewing: () => Promise<void>): Promise<Service> {
  const board = await bus.kv("board");
  const price = rpc("price", (params) => {
    const { drink } = params as { drink: string };
    if (drink === "mocha") return { drink, cents: 410 };
    throw new RpcError("NOT_ON_THE_MENU", `There is no ${drink} here`);
  });
  const brew = command("brew", async ({ payload }) => {
    const { drink, guest } = payload as { drink: string; guest: string };
    await brewing();
    await board.put(guest, { drink, state: "ready" });
    return { cup: `${drink} for ${guest}` };
  });
  const cafe = createService("cafe", { bus, handlers: [price, brew] });
  await cafe.start();
  return cafe;
}

test("a worker calls, publishes, sends and reads results and KV, and leaves no connection", {
  skip,
}, async () => {
  await using server = await startWebSocketServer();
  await using bus = await connect({ servers: server.server.url, logger });
  let brewing = deferred<void>();
  const cafe = await serveCafe(bus, () => brewing.promise);
  const ordered: unknown[] = [];
  const note = on("cafe.ordered", ({ payload }) => void ordered.push(payload));
  await using books = createService("books", { bus, handlers: [note] });
  await books.start();
  const { main, vars, compatibility_date: date } = await documented();
  strictEqual(date, COMPATIBILITY_DATE);
  const worker = await start(main, { ...vars, NATS: server.url });
  try {
    const answer = async (path: string, method = "GET") => {
      const response = await worker.fetch(path, { method });
      return [response.status, await response.json()];
    };
    deepStrictEqual(await answer("/price?drink=mocha"), [200, { drink: "mocha", cents: 410 }]);
    deepStrictEqual(await answer("/price?drink=tea"), [400, {
      code: "NOT_ON_THE_MENU",
      message: "There is no tea here",
    }]);
    const [status, { id }] = await answer("/orders?drink=mocha", "POST") as [
      number,
      { id: string },
    ];
    strictEqual(status, 202);
    await until("what has sent the command is gone", async () => await sockets(server) === 0);
    const result = answer(`/orders/${id}`);
    await until("the request that waits has a connection", async () => await sockets(server) === 1);
    brewing.resolve();
    deepStrictEqual(await result, [200, { cup: "mocha for the worker" }]);
    deepStrictEqual(await answer("/board"), [200, [
      { guest: "the worker", drink: "mocha", state: "ready" },
    ]]);
    await until("the event has come", () => ordered.length === 1);
    deepStrictEqual(ordered, [{ id, drink: "mocha" }]);
    strictEqual((await answer("/orders/nobody.1"))[0], 400);
    await until("no connection is left", async () => await sockets(server) === 0);
    brewing = deferred<void>();
    const [, order] = await answer("/orders?drink=mocha", "POST") as [number, { id: string }];
    await until("what has sent it is gone", async () => await sockets(server) === 0);
    const broken = answer(`/orders/${order.id}`);
    await until("the request waits", async () => await sockets(server) === 1);
    await server.server.kill();
    deepStrictEqual((await broken)[0], 503, "what broke in the middle is nobody's bad request");
    const [away, { message }] = await answer("/price") as [number, { message: string }];
    strictEqual(away, 503);
    match(message, /tried ws:\/\/127\.0\.0\.1:\d+\/: .*does a server listen there/);
  } finally {
    await worker[Symbol.asyncDispose]();
    brewing.resolve();
    await cafe.stop({ graceMs: 0 });
  }
});

test("a worker is told each time that its secrets are refused", { skip }, async () => {
  const config = `authorization { token: "right" }`;
  await using server = await startWebSocketServer({ config });
  const { main, vars } = await documented();
  const NATS = server.url.replace("//", "//wrong@");
  const worker = await start(main, { ...vars, NATS });
  try {
    for (let i = 0; i < 20; i++) {
      const { code } = await (await worker.fetch("/price")).json() as { code: string };
      strictEqual(code, "UNAUTHORIZED");
    }
  } finally {
    await worker[Symbol.asyncDispose]();
  }
});

test(
  "what one request of a worker has connected, no other can use, and each use says so",
  { skip },
  async () => {
    await using server = await startWebSocketServer();
    await using bus = await connect({ servers: server.server.url, logger });
    const handlers = [
      rpc("echo", (params) => params),
      command("step", async (_, ctx) => {
        await ctx.progress(50);
        await new Promise(() => {});
      }),
    ];
    const keeper = createService("keeper", { bus, handlers });
    await keeper.start();
    const worker = await start("test/runtime/workerd_kept.ts", { NATS: server.url });
    try {
      const ask = async (path: string) => await (await worker.fetch(`/${path}`)).json();
      const early = await ask("early") as string[];
      strictEqual(early.length, 2);
      for (const told of early) match(told, /^TypeError: .*called while modules are loaded/);
      const uses = await ask("") as string[];
      ok(uses.length > 15);
      const told = /This bus was connected in another request.*connect\(\{ perRequest: ctx \}\)/;
      for (const use of uses) match(JSON.stringify(await ask(use)), told, use);
      const health = await ask("health") as { ok: boolean; lastError: string };
      strictEqual(health.ok, false);
      match(health.lastError, told);
      strictEqual(await sockets(server), 1, "what nobody could close is still there");
      await server.server.kill();
      await until("the first request has missed its server", async () => {
        return (await ask("health") as { status: string }).status === "reconnecting";
      });
      match(JSON.stringify(await ask("call")), told, "nobody waits for that connection");
    } finally {
      await worker[Symbol.asyncDispose]();
      await keeper.stop({ graceMs: 0 });
    }
  },
);

test(
  "a service in a Durable Object needs no requests, and comes back by itself",
  { skip },
  async () => {
    await using server = await startWebSocketServer();
    await using bus = await connect({ servers: server.server.url, logger });
    const client = createClient({ bus });
    const visit = async (): Promise<{ visits: number; by: string }> => {
      const options = { timeoutMs: 1_000, idempotent: true };
      let found: { visits: number; by: string } | undefined;
      await until("the object answers", async () => {
        found = await client.call<typeof found>("visits", "visit", {}, options).catch(() =>
          undefined
        );
        return found !== undefined;
      }, 20_000);
      return found!;
    };
    const { durable_objects: { bindings }, migrations } = await documented();
    const objects = Object.fromEntries(bindings.map((one) => [one.name, one.class_name]));
    deepStrictEqual(migrations.flatMap((one) => one.new_sqlite_classes), Object.values(objects));
    const vars = { NATS: server.url, AWAKE_MS: 100 };
    const worker = await start("test/runtime/workerd_object.ts", vars, objects);
    try {
      const { instanceId } = await (await worker.fetch("/visits")).json() as { instanceId: string };
      deepStrictEqual(await visit(), { visits: 1, by: instanceId });
      const alarms = async () => Number(await (await worker.fetch("/visits?alarms")).text());
      const before = await alarms();
      await until("one alarm sets the next", async () => await alarms() > before + 2);
      deepStrictEqual(await visit(), { visits: 2, by: instanceId });

      strictEqual((await worker.fetch("/visits?abort")).status, 500);
      const second = await visit();
      notStrictEqual(second.by, instanceId, "it is another one after a crash");
      ok(second.visits > 2, "and goes on counting");

      await server.server.kill();
      await worker.redeploy();
      const away = await worker.fetch("/visits");
      strictEqual(away.status, 503);
      match(await away.text(), /no NATS server was reached/);
      await server.server.restart();
      const third = await visit();
      notStrictEqual(third.by, second.by, "it is another one after a deployment");
      ok(third.visits > second.visits);
      await until("it alone has a connection", async () => await sockets(server) === 1);
    } finally {
      await worker[Symbol.asyncDispose]();
    }
  },
);
