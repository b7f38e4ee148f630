// A connection of another copy of nats-core: nothing is different, errors least of all.

import { deepStrictEqual, notStrictEqual, ok, strictEqual } from "node:assert/strict";
import { after, test } from "node:test";
import { errors } from "@nats-io/nats-core";
import { connectNats, type Dial } from "../../src/adapters/nats/connect.ts";
import { dialTcp } from "../../src/adapters/nats/tcp.ts";
import { createNatsTransport } from "../../src/adapters/nats/transport.ts";
import { deferred } from "../../src/domain/deferred.ts";
import { parseConnectOptions } from "../../src/domain/options.ts";
import {
  AegisError,
  type Bus,
  command,
  connect,
  createClient,
  createDiscovery,
  createService,
  ensureTopology,
  failover,
  on,
  rpc,
} from "../../mod.ts";
import { kvContract, messagingContract, streamContract } from "../../testing.ts";
import { freePorts, type NatsServer, startNatsServer } from "../../tools/nats_server.ts";
import { logger, slowWayTo, until } from "./outage_tools.ts";
import { secondCopy } from "./second_copy.ts";

const copy = await secondCopy();
const server = await startNatsServer();
after(async () => {
  await server.stop();
  await copy[Symbol.asyncDispose]();
});

async function transportOf(dial: Dial, options: object) {
  const connection = await connectNats(parseConnectOptions(options, {}), { dial });
  return createNatsTransport(connection, "deno", true, logger);
}

async function busOf(dial: Dial, options: object): Promise<Bus> {
  return await connect({ transport: await transportOf(dial, options), logger });
}

const PERMISSIONS = `authorization { users: [
  { user: "all", password: "p" }
  { user: "few", password: "p", permissions: {
    publish: { deny: ["rpc.s.echo", "events.>", "$JS.API.STREAM.CREATE.KV_mine"] }
    subscribe: { deny: ["rpc.s.mute"] } } }
] }`;
const all = { user: "all", pass: "p" };
const few = { user: "few", pass: "p" };

interface World {
  readonly dial: Dial;
  /** A server with {@linkcode PERMISSIONS}. */
  readonly strict: NatsServer;
  /** One without JetStream. */
  readonly plain: NatsServer;
  /** A port where nobody listens. */
  readonly nobody: number;
}

const echo = rpc("echo", (params) => params);
const SOON = { timeoutMs: 1_000 };

/** What goes wrong, which each copy has to tell in the same words. */
const FAULTS: Readonly<Record<string, (world: World) => Promise<unknown>>> = {
  "a server that is not there": ({ dial, nobody }) =>
    busOf(dial, { servers: `nats://127.0.0.1:${nobody}` }),
  "secrets that are refused": ({ dial, strict }) =>
    busOf(dial, { servers: strict.url, user: "all", pass: "wrong" }),
  async "a call that nobody serves"({ dial, plain }) {
    await using bus = await busOf(dial, { servers: plain.url });
    await createClient({ bus }).call("s", "echo");
  },
  async "a call that is not permitted"({ dial, strict }) {
    await using bus = await busOf(dial, { servers: strict.url, ...few });
    await createClient({ bus }).call("s", "echo");
  },
  async "a subscription that is not permitted"({ dial, strict }) {
    await using bus = await busOf(dial, { servers: strict.url, ...few });
    await createService("s", { bus, handlers: [rpc("mute", () => {})], registry: false }).start();
  },
  async "an event that is not permitted"({ dial, strict }) {
    await using bus = await busOf(dial, { servers: strict.url, ...few });
    await createClient({ bus }).publish("a.b", {});
  },
  async "a bucket that is not permitted"({ dial, strict }) {
    await using bus = await busOf(dial, { servers: strict.url, ...few });
    await bus.kv("mine");
  },
  async "an event where there is no JetStream"({ dial, plain }) {
    await using bus = await busOf(dial, { servers: plain.url });
    await createClient({ bus }).publish("a.b", {});
  },
  async "a bucket where there is no JetStream"({ dial, plain }) {
    await using bus = await busOf(dial, { servers: plain.url });
    await bus.kv("mine");
  },
  async "a write that somebody was faster with"({ dial, strict }) {
    await using bus = await busOf(dial, { servers: strict.url, ...all });
    await (await bus.kv("fast")).put("k", 1, { revision: 7 });
  },
  async "a message larger than the server takes"({ dial, plain }) {
    await using bus = await busOf(dial, { servers: plain.url });
    await createClient({ bus }).call("s", "echo", { text: "x".repeat(2 ** 20) });
  },
  async "a call on a bus that is closed"({ dial, plain }) {
    const bus = await busOf(dial, { servers: plain.url });
    const client = createClient({ bus });
    await bus.close();
    await client.call("s", "echo");
  },
  async "a connection that is closed under it"({ dial, plain }) {
    const options = parseConnectOptions({ servers: plain.url }, {});
    const connection = await connectNats(options, { dial });
    const bus = await connect({ connection, logger });
    const asked = deferred<void>();
    const never = rpc("never", () => {
      asked.resolve();
      return new Promise(() => {});
    });
    const service = createService("s", { bus, handlers: [never] });
    await service.start();
    const call = createClient({ bus }).call("s", "never");
    void asked.promise.then(() => connection.close());
    await call;
  },
};

/** What somebody sees of an error. */
function seen(error: unknown): unknown {
  ok(error instanceof Error, `${error}`);
  const { name } = error;
  // The time that is left is part of a message, in as many digits as it happens to have.
  const message = error.message.replace(/has \d+ bytes/, "has many bytes");
  return { name, message, code: AegisError.is(error) ? error.code : undefined };
}

test("the second copy of nats-core is another one", () => {
  for (const [name, own] of Object.entries(errors)) notStrictEqual(copy.errors[name], own, name);
});

for (const [what, run] of Object.entries(FAULTS)) {
  test(`${what} is told alike by the errors of another copy of nats-core`, async () => {
    await using strict = await startNatsServer({ config: PERMISSIONS });
    await using plain = await startNatsServer({ jetstream: false });
    const [nobody = 0] = await freePorts(1);
    const told = [];
    for (const dial of [dialTcp, copy.dial]) {
      told.push(
        await run({ dial, strict, plain, nobody }).then(
          () => ok(false, "nothing went wrong"),
          seen,
        ),
      );
    }
    deepStrictEqual(told[1], told[0]);
  });
}

test("calls, events, commands and the plan of a service run over another copy of nats-core", async () => {
  await using bus = await busOf(copy.dial, { servers: server.url });
  const client = createClient({ bus });
  const heard = deferred<unknown>();
  const handlers = [
    echo,
    on("thing.made", (event) => heard.resolve(event.payload)),
    command("double", async ({ payload }, ctx) => {
      await ctx.progress(50);
      return (payload as { n: number }).n * 2;
    }),
  ];
  await using service = createService("copied", { bus, handlers });
  await ensureTopology({ bus, services: [service] });
  await service.start();
  deepStrictEqual(await client.call("copied", "echo", { n: 1 }), { n: 1 });
  await client.publish("thing.made", { n: 2 });
  deepStrictEqual(await heard.promise, { n: 2 });
  const job = await client.send("copied", "double", { n: 21 });
  strictEqual(await job.result(), 42);
});

test("instances are found, selected and watched over another copy of nats-core", async () => {
  await using bus = await busOf(copy.dial, { servers: server.url });
  await using asking = await busOf(copy.dial, { servers: server.url });
  const who = rpc("who", (_, { instanceId }) => instanceId);
  const [one, two] = ["one", "two"].map((instanceId) =>
    createService("found", { bus, instanceId, handlers: [who] })
  );
  await using discovery = createDiscovery({ bus: asking });
  const changes: string[] = [];
  const watching = (async () => {
    for await (const { type, instance } of discovery.watch("found")) {
      changes.push(`${instance.instanceId} ${type}`);
    }
  })();
  await one!.start();
  await until("the first has joined", () => changes.includes("one joined"));
  await two!.start();
  await until("the second has joined", () => changes.includes("two joined"));
  const { call } = createClient({ bus: asking });
  const turns = [];
  for (let n = 0; n < 4; n++) turns.push(await call("found", "who", {}, { select: "round_robin" }));
  deepStrictEqual(turns.sort(), ["one", "one", "two", "two"]);
  strictEqual(await call("found", "who", {}, { instance: "two" }), "two");
  ok((await call<{ ready: boolean }>("found", "health", {}, { instance: "two" })).ready);
  await two!.stop();
  await until("the second has left", () => changes.includes("two left"));
  strictEqual((await discovery.select("found")).instanceId, "one");
  await discovery.close();
  await watching;
  await one!.stop();
});

test("one instance leads over another copy of nats-core, and the next one follows it", async () => {
  await using first = await busOf(copy.dial, { servers: server.url });
  await using second = await busOf(copy.dial, { servers: server.url });
  const lead = rpc("lead", { exclusive: true }, (_, { instanceId, fencingToken }) => {
    return { instanceId, fencingToken };
  });
  const candidate = (bus: Bus, instanceId: string) =>
    createService("led", {
      bus,
      instanceId,
      handlers: [lead],
      singleActive: failover.balanced,
    });
  await using one = candidate(first, "one");
  await using two = candidate(second, "two");
  await one.start();
  await two.start();
  deepStrictEqual([one.isLeader(), two.isLeader()], [true, false]);
  const { call } = createClient({ bus: second });
  interface Led {
    readonly instanceId: string;
    readonly fencingToken: number;
  }
  const before = await call<Led>("led", "lead");
  strictEqual(before.instanceId, "one");
  await one.stop();
  const after = await call<Led>("led", "lead");
  strictEqual(after.instanceId, "two");
  ok(after.fencingToken > before.fencingToken);
});

test("events, commands, watches and a leader outlast a server that is killed, over another copy of nats-core", async () => {
  await using own = await startNatsServer();
  await using bus = await busOf(copy.dial, { servers: own.url });
  await using asking = await busOf(copy.dial, { servers: own.url });
  const heard: unknown[] = [];
  const handlers = [
    on("thing.made", ({ payload }) => void heard.push((payload as { n: number }).n)),
    command("double", ({ payload }) => (payload as { n: number }).n * 2),
    rpc("lead", { exclusive: true }, () => "led"),
  ];
  await using service = createService("kept", {
    bus,
    handlers,
    singleActive: failover.aggressive,
  });
  await service.start();
  const client = createClient({ bus: asking });
  const seen: unknown[] = [];
  const board = await asking.kv("board");
  const watch = board.watch();
  const watching = (async () => {
    for await (const { entry } of watch) seen.push(entry?.value);
  })();
  await board.put("k", 1);
  await client.publish("thing.made", { n: 1 });
  await until("what was before is seen", () => heard.length === 1 && seen.includes(1));
  await own.kill();
  const waiting = [
    client.publish("thing.made", { n: 2 }, { timeoutMs: 30_000 }),
    client.send("kept", "double", { n: 21 }, { timeoutMs: 30_000 }),
    board.put("k", 2, { timeoutMs: 30_000 }),
  ] as const;
  await own.restart();
  const [, job] = await Promise.all(waiting);
  strictEqual(await job.result(), 42);
  strictEqual(await client.call("kept", "lead", {}, { timeoutMs: 30_000 }), "led");
  await until("what came after is seen", () => heard.includes(2) && seen.includes(2));
  await asking.close();
  await watching.catch(() => {}); // it ends with its bus
});

test("a server that stands still is noticed over another copy of nats-core, whatever is still to be written", async () => {
  await using own = await startNatsServer({ jetstream: false });
  const connection = await copy.dial({
    servers: [own.url],
    maxReconnectAttempts: -1,
    pingInterval: 200,
    maxPingOut: 2,
  }, new AbortController().signal);
  await using bus = await connect({
    transport: createNatsTransport(connection, "deno", true, logger),
    logger,
  });
  await using other = await busOf(dialTcp, { servers: own.url });
  await using service = createService("copied", { bus: other, handlers: [echo], registry: false });
  await service.start();
  const { call } = createClient({ bus });
  await call("copied", "echo");
  await own.suspend();
  // More than the sockets hold.
  const text = "x".repeat(900_000);
  const lost = Array.from({ length: 20 }, () => call("copied", "echo", { text }, SOON));
  await Promise.allSettled(lost);
  await until("it is noticed", () => bus.status === "reconnecting");
  own.resume();
  deepStrictEqual(await call("copied", "echo", { n: 1 }, { timeoutMs: 20_000 }), { n: 1 });
});

test("a bus comes back over a way that is slower than its time for connecting, over either copy", async () => {
  await using own = await startNatsServer({ jetstream: false });
  for (const dial of [dialTcp, copy.dial]) {
    await using way = await slowWayTo(own.port);
    await using bus = await busOf(dial, { servers: `127.0.0.1:${way.port}`, timeoutMs: 1_500 });
    const statuses: string[] = [];
    bus.onStatus((status) => statuses.push(status));
    way.slow(600); // and connecting takes three of them
    await until("it is back", () => statuses.length === 2);
    deepStrictEqual(statuses, ["reconnecting", "connected"]);
  }
});

test("a bus comes back over another copy of nats-core, and its calls wait for it", async () => {
  await using own = await startNatsServer({ jetstream: false });
  await using bus = await busOf(copy.dial, { servers: own.url });
  await using service = createService("copied", { bus, handlers: [echo], registry: false });
  await service.start();
  const statuses: string[] = [];
  bus.onStatus((status) => statuses.push(status));
  await own.restart();
  deepStrictEqual(
    await createClient({ bus }).call("copied", "echo", { n: 1 }, { timeoutMs: 20_000 }),
    { n: 1 },
  );
  deepStrictEqual(statuses, ["reconnecting", "connected"]);
});

/** How many cases run side by side. They disturb one another as little as they do others, and wait most of the time. */
const LANES = 8;

function contract<T>(
  name: string,
  cases: readonly { readonly name: string; run(open: () => Promise<T>): Promise<void> }[],
  open: () => Promise<T>,
): void {
  test(`${name} holds over another copy of nats-core`, async () => {
    const failed: string[] = [];
    const left = cases.values();
    await Promise.all(Array.from({ length: LANES }, async () => {
      for (const one of left) {
        await one.run(open).catch((error: Error) => failed.push(`${one.name}: ${error.stack}`));
      }
    }));
    ok(cases.length > 0);
    strictEqual(failed.join("\n"), "");
  });
}

const here = { servers: server.url };
contract("the contract of messaging", messagingContract, () => transportOf(copy.dial, here));
contract("the contract of streams", streamContract, () => transportOf(copy.dial, here));
contract("the contract of the KV store", kvContract, () => busOf(copy.dial, here));
