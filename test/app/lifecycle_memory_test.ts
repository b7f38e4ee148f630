import { ok, rejects, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import {
  type BusStatus,
  ClosedError,
  connect,
  createClient,
  createLogger,
  createService,
  rpc,
  UnavailableError,
} from "../../mod.ts";
import { MemoryBroker } from "../../src/adapters/memory/broker.ts";
import { createMemoryTransport } from "../../src/adapters/memory/transport.ts";

const logger = createLogger({ level: "silent" });

async function within<T>(ms: number, what: string, work: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${ms} ms: ${what}`)), ms);
  });
  return await Promise.race([work, late]).finally(() => clearTimeout(timer));
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** A service and a client, each with a connection of its own that can be cut. */
async function pair() {
  const broker = new MemoryBroker();
  const here = createMemoryTransport(broker);
  const there = createMemoryTransport(broker);
  const bus = await connect({ transport: here, logger });
  const serviceBus = await connect({ transport: there, logger });
  const { promise: arrived, resolve: arrive } = Promise.withResolvers<void>();
  const { promise: opened, resolve: open } = Promise.withResolvers<void>();
  let runs = 0;
  const service = createService("memory", {
    bus: serviceBus,
    handlers: [
      rpc("echo", (params) => params),
      rpc("slow", async (_, ctx) => {
        runs++;
        arrive();
        await Promise.race([
          opened,
          new Promise((_, reject) =>
            ctx.signal.addEventListener("abort", () => reject(ctx.signal.reason))
          ),
        ]);
        return runs;
      }),
    ],
  });
  await service.start();
  const client = createClient({ bus });
  return {
    here,
    there,
    bus,
    serviceBus,
    service,
    client,
    arrived,
    open,
    runs: () => runs,
    async [Symbol.asyncDispose]() {
      open();
      here.reconnect();
      there.reconnect();
      await service.stop({ graceMs: 0 });
      await bus.close();
      await serviceBus.close();
    },
  };
}

test("status, onStatus and health() follow the connection", async () => {
  await using it = await pair();
  const { bus, here } = it;
  const seen: BusStatus[] = [];
  bus.onStatus((status) => seen.push(status));
  strictEqual((await bus.health()).ok, true);
  here.disconnect();
  strictEqual(bus.status, "reconnecting");
  const away = await bus.health();
  strictEqual(away.ok, false);
  strictEqual(away.roundTripMs, undefined);
  here.reconnect();
  const back = await bus.health();
  strictEqual(back.ok, true);
  strictEqual(back.reconnects, 1);
  await bus.close();
  strictEqual(seen.join(), "reconnecting,connected,closed");
});

test("a call that waits for the bus is sent when it is back, within the time that is left", async () => {
  await using it = await pair();
  it.here.disconnect();
  const call = it.client.call("memory", "echo", { n: 1 }, { timeoutMs: 5_000 });
  await pause(20);
  it.here.reconnect();
  strictEqual(JSON.stringify(await within(1_000, "the call", call)), `{"n":1}`);
});

test("a handler of a call that waited for the bus is given the time that is left, not all of it", async () => {
  await using it = await pair();
  it.here.disconnect();
  const { promise: budget, resolve } = Promise.withResolvers<number>();
  await using late = createService("late", {
    bus: it.serviceBus,
    handlers: [rpc("left", (_, ctx) => resolve(ctx.deadline - Date.now()))],
  });
  await late.start();
  const call = it.client.call("late", "left", {}, { timeoutMs: 1_000 });
  await pause(300);
  it.here.reconnect();
  await call;
  const left = await budget;
  ok(left > 300 && left <= 710, `${left}`);
});

test("a call whose time is over while it waits for the bus says that it was not sent", async () => {
  await using it = await pair();
  it.here.disconnect();
  await rejects(it.client.call("memory", "echo", {}, { timeoutMs: 50 }), (error) => {
    ok(error instanceof UnavailableError, `${error}`);
    strictEqual(error.details.sent, false);
    return true;
  });
});

test("a signal takes back a call that waits for the bus", async () => {
  await using it = await pair();
  it.here.disconnect();
  const abort = new AbortController();
  const call = it.client.call("memory", "echo", {}, { signal: abort.signal });
  const reason = new Error("enough");
  const ended = rejects(call, (error) => error === reason);
  abort.abort(reason);
  await within(1_000, "the call ends", ended);
});

test("a call that is taken back in the moment of the bus's return is not sent", async () => {
  await using it = await pair();
  it.here.disconnect();
  const abort = new AbortController();
  const call = it.client.call("memory", "slow", {}, { signal: abort.signal });
  const reason = new Error("enough");
  const ended = rejects(call, (error) => error === reason);
  await pause(5);
  it.here.reconnect();
  abort.abort(reason);
  await within(1_000, "the call ends", ended);
  await pause(20);
  strictEqual(it.runs(), 0);
});

test("without an outage nobody means nobody, at once", async () => {
  await using it = await pair();
  const start = performance.now();
  await rejects(it.client.call("nowhere", "echo"), UnavailableError);
  ok(performance.now() - start < 100);
});

for (const first of ["service", "client"] as const) {
  test(`an answer given in an outage arrives when the ${first} is back first`, async () => {
    await using it = await pair();
    const call = it.client.call("memory", "slow", {}, { timeoutMs: 5_000 });
    await it.arrived;
    it.here.disconnect();
    it.there.disconnect();
    it.open();
    await pause(20);
    const [one, other] = first === "service" ? [it.there, it.here] : [it.here, it.there];
    one.reconnect();
    await pause(300);
    other.reconnect();
    strictEqual(await within(2_000, "the answer", call), 1);
  });
}

test("an answer that the connection lost is sent again when the service is back", async () => {
  await using it = await pair();
  const call = it.client.call("memory", "slow", {}, { timeoutMs: 5_000 });
  await it.arrived;
  it.here.disconnect();
  it.open();
  await pause(20); // the answer went out, and met nobody
  it.there.disconnect();
  it.here.reconnect();
  it.there.reconnect();
  strictEqual(await within(2_000, "the answer", call), 1);
});

test("a call that may run twice is sent again when its connection breaks", async () => {
  await using it = await pair();
  const options = { idempotent: true, timeoutMs: 5_000 };
  const call = it.client.call("memory", "slow", {}, options);
  await it.arrived;
  it.here.disconnect();
  it.here.reconnect();
  await pause(50);
  it.open();
  strictEqual(await within(2_000, "the answer", call), 2);
});

test("close() while the bus is away ends calls that wait with a ClosedError", async () => {
  await using it = await pair();
  const sent = rejects(it.client.call("memory", "slow", {}, { timeoutMs: 5_000 }), ClosedError);
  await it.arrived;
  it.here.disconnect();
  const parked = rejects(it.client.call("memory", "echo"), ClosedError);
  await pause(5);
  await within(1_000, "close()", it.bus.close());
  await within(1_000, "the calls end", Promise.all([sent, parked]));
  await rejects(it.client.call("memory", "echo"), ClosedError);
});

test("stop() while the bus is away lets handlers finish and returns", async () => {
  await using it = await pair();
  const call = rejects(it.client.call("memory", "slow", {}, { timeoutMs: 200 }));
  await it.arrived;
  it.there.disconnect();
  const stopped = it.service.stop();
  await pause(5);
  strictEqual(it.service.status, "stopping");
  it.open();
  await within(2_000, "stop()", stopped);
  strictEqual(it.service.status, "stopped");
  await call;
});

test("a second stop() that will not wait counts also while a hook of the first one runs", async () => {
  await using bus = await connect({ servers: "memory:", logger });
  const { promise: arrived, resolve: arrive } = Promise.withResolvers<void>();
  const service = createService("hooked", {
    bus,
    handlers: [
      rpc("endless", (_, ctx) => {
        arrive();
        return new Promise((_, reject) => {
          ctx.signal.addEventListener("abort", () => reject(ctx.signal.reason));
        });
      }),
    ],
    hooks: { onStop: () => pause(50) },
  });
  await service.start();
  const call = rejects(createClient({ bus }).call("hooked", "endless"), UnavailableError);
  await arrived;
  const first = service.stop();
  const second = service.stop({ graceMs: 0 });
  await within(1_000, "both", Promise.all([first, second]));
  await call;
});

test("a service that was never started stops, and does not start any more", async () => {
  await using bus = await connect({ servers: "memory:", logger });
  const service = createService("never", { bus, handlers: [] });
  await service.stop();
  strictEqual(service.status, "stopped");
  await rejects(service.start(), ClosedError);
});

test("a start while the bus is away fails and leaves nothing behind", async () => {
  await using it = await pair();
  it.there.disconnect();
  const service = createService("late", { bus: it.serviceBus, handlers: [rpc("x", () => 1)] });
  await rejects(service.start(), UnavailableError);
  strictEqual(service.status, "failed");
  it.there.reconnect();
  await rejects(it.client.call("late", "x"), UnavailableError);
});

test("a handler that ran and failed for want of another service is not run again", async () => {
  await using it = await pair();
  let runs = 0;
  await using front = createService("front", {
    bus: it.serviceBus,
    handlers: [
      rpc("order", (_, ctx) => {
        runs++;
        return ctx.call("nowhere", "x");
      }),
    ],
  });
  await front.start();
  await rejects(it.client.call("front", "order"));
  strictEqual(runs, 1);
});
