import { deepStrictEqual, rejects, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import {
  connect,
  createClient,
  createService,
  type Message,
  rpc,
  type Transport,
} from "../../mod.ts";
import {
  captureLogs,
  createMemoryTransport,
  type Faults,
  ManualClock,
  MemoryBroker,
  messagingContract,
  withFaults,
} from "../../testing.ts";

/** A connection with faults, and what arrives at another one on `to`. */
function wire(faults: Faults) {
  const broker = new MemoryBroker();
  const inner = createMemoryTransport(broker);
  const { messaging } = withFaults(inner, faults);
  const other = createMemoryTransport(broker).messaging;
  const got: string[] = [];
  const onMessage = ({ subject, data }: Message): void =>
    void got.push(`${subject}=${new TextDecoder().decode(data)}`);
  other.subscribe("to.>", { onMessage });
  const arrived = async (): Promise<string[]> => {
    await other.flush();
    return got.splice(0);
  };
  return { inner, messaging, arrived };
}

const shared = new MemoryBroker();
const open = (): Promise<Transport> =>
  Promise.resolve(withFaults(createMemoryTransport(shared, { error() {} }), {}));
for (const { name, run } of messagingContract) test(`without faults: ${name}`, () => run(open));

test("drop loses the messages that it picks, and the publisher is not told", async () => {
  const { messaging, arrived } = wire({ drop: ({ subject }) => subject === "to.b" });
  for (const subject of ["to.a", "to.b", "to.c"]) messaging.publish(subject, "x");
  deepStrictEqual(await arrived(), ["to.a=x", "to.c=x"]);
});

test("drop sees the body, the reply and the headers", () => {
  const seen: unknown[] = [];
  const { messaging } = wire({ drop: (message) => seen.push(message) > 0 });
  messaging.publish("to.a", "text", "back.1", { h: "1" });
  messaging.publish("to.a", "text", "");
  deepStrictEqual(seen, [
    { subject: "to.a", body: "text", reply: "back.1", headers: { h: "1" } },
    { subject: "to.a", body: "text", reply: undefined, headers: {} },
  ]);
});

test("duplicate sends the messages that it picks twice", async () => {
  const { messaging, arrived } = wire({ duplicate: ({ body }) => body === "2" });
  for (const body of ["1", "2", "3"]) messaging.publish("to.a", body);
  deepStrictEqual(await arrived(), ["to.a=1", "to.a=2", "to.a=2", "to.a=3"]);
});

test("delayMs sends on the clock's time, and others overtake", async () => {
  const clock = new ManualClock();
  const { messaging, arrived } = wire({
    clock,
    delayMs: ({ subject }) => subject === "to.slow" ? 100 : 0,
    duplicate: ({ subject }) => subject === "to.slow",
  });
  messaging.publish("to.slow", "1");
  messaging.publish("to.fast", "2");
  deepStrictEqual(await arrived(), ["to.fast=2"]);
  clock.advance(99);
  deepStrictEqual(await arrived(), []);
  clock.advance(1);
  deepStrictEqual(await arrived(), ["to.slow=1", "to.slow=1"]);
});

test("a delayed message keeps its bytes as they were", async () => {
  const clock = new ManualClock();
  const { messaging, arrived } = wire({ clock, delayMs: 10 });
  const body = new TextEncoder().encode("before");
  messaging.publish("to.a", body);
  body.fill(0);
  clock.advance(10);
  deepStrictEqual(await arrived(), ["to.a=before"]);
});

test("a delayed message is lost when the connection is gone by then", async () => {
  const clock = new ManualClock();
  const { inner, messaging, arrived } = wire({ clock, delayMs: 10 });
  messaging.publish("to.a", "away");
  inner.disconnect();
  clock.advance(10);
  inner.reconnect();
  messaging.publish("to.a", "closed");
  await inner.close();
  clock.advance(10);
  deepStrictEqual(await arrived(), []);
});

test("a transport with faults shows what becomes of the one inside", async () => {
  const inner = createMemoryTransport();
  const outer = withFaults(inner, {});
  const seen: string[] = [];
  outer.onStatus((status) => seen.push(`${status} ${outer.status} ${outer.messaging.connected}`));
  inner.disconnect();
  inner.reconnect();
  await outer.close();
  deepStrictEqual(seen, [
    "reconnecting reconnecting false",
    "connected connected true",
    "closed closed false",
  ]);
  strictEqual(inner.status, "closed");
});

test("a lost request is a time-out, and a slow one is in time", async () => {
  const { logger } = captureLogs();
  const broker = new MemoryBroker();
  let lose = true;
  const transport = withFaults(createMemoryTransport(broker), {
    drop: ({ subject }) => lose && subject.startsWith("rpc."),
    delayMs: ({ subject }) => subject.startsWith("rpc.") ? 5 : 0,
  });
  await using here = await connect({ transport, logger });
  await using there = await connect({ transport: createMemoryTransport(broker), logger });
  await using service = createService("echo", { bus: there, handlers: [rpc("hi", () => "hi")] });
  await service.start();
  const client = createClient({ bus: here });
  await rejects(client.call("echo", "hi", {}, { timeoutMs: 30 }), { code: "TIMEOUT" });
  lose = false;
  strictEqual(await client.call("echo", "hi"), "hi");
});
