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
  createService,
  ensureTopology,
  on,
  rpc,
} from "../../mod.ts";
import { kvContract, messagingContract, streamContract } from "../../testing.ts";
import { freePorts, type NatsServer, startNatsServer } from "../../tools/nats_server.ts";
import { logger } from "./outage_tools.ts";
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
