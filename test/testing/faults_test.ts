import { deepStrictEqual, ok, rejects, strictEqual, throws } from "node:assert/strict";
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
  type PublishedMessage,
  withFaults,
} from "../../testing.ts";
import type { Delivery } from "../../src/ports/stream.ts";

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

const STREAM = {
  name: "to",
  description: "",
  subjects: ["to.>"],
  retention: "limits",
  storage: "memory",
  replicas: 1,
  discard: "old",
  maxAgeMs: 0,
  maxMessages: 0,
  maxMessagesPerSubject: 0,
  maxBytes: 0,
  maxMessageBytes: 0,
  duplicateWindowMs: 0,
  bucket: false,
  schedules: false,
  messageTtl: false,
  direct: true,
} as const;

/** A stream of `to.>`, what publishes to it with faults, and the bodies that it has stored. */
async function stream(faults: Omit<Faults, "clock">) {
  const clock = new ManualClock();
  const inner = createMemoryTransport(new MemoryBroker(clock));
  const { admin, store } = withFaults(inner, { ...faults, clock }).streams!;
  await admin.createStream(STREAM);
  const stored = async (): Promise<string[]> => {
    const bodies: string[] = [];
    for (let at = 1;;) {
      const message = await inner.streams!.store.read("to", at, ">");
      if (message === undefined) return bodies;
      bodies.push(new TextDecoder().decode(message.data));
      at = message.sequence + 1;
    }
  };
  /** Publishes with an id; gives the sequence, or the code of the error. */
  const publish = (body: string | Uint8Array, id: string = String(body)) =>
    store.publish("to.a", body, { "Nats-Msg-Id": id }, 1_000).then(
      ({ sequence, duplicate }) => `${sequence}${duplicate ? " again" : ""}`,
      (error) => `${error.code} at ${clock.monotonic()}`,
    );
  return { clock, inner, admin, store, stored, publish };
}

/** A delivery of the first message of a stream with faults, and how often its working() was confirmed. */
async function delivered(faults: Omit<Faults, "clock">) {
  const { clock, inner, admin, store, publish } = await stream(faults);
  await publish("1");
  await admin.putConsumer("to", {
    name: "c",
    description: "",
    filter: ">",
    from: "all",
    ackWaitMs: 1_000,
    maxAckPending: 0,
    inactiveThresholdMs: 0,
  });
  const got: Delivery[] = [];
  const onDelivery = (delivery: Delivery): void => void got.push(delivery);
  const pull = store.pull("to", "c", { onDelivery, onGone() {}, onHealth() {} });
  pull.ask(5);
  await inner.ping();
  let heard = 0;
  const working = async (): Promise<number> => {
    got[0]!.working(() => void heard++);
    await inner.ping();
    return heard;
  };
  /** The attempts that have come, after some time. */
  const attempts = async (ms: number): Promise<number[]> => {
    clock.advance(ms);
    // What the broker does in a turn it may deliver in the next one.
    for (let i = 0; i < 3; i++) await inner.ping();
    return got.map(({ attempt }) => attempt);
  };
  return { inner, admin, got, working, attempts, heard: () => heard };
}

/** Whether a message says that a delivery is in work. */
const isWorking = ({ subject, body }: PublishedMessage): boolean =>
  subject.startsWith("$JS.ACK.to.c.") && body === "+WPI";

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

test("drop loses what is published to a stream, and the publisher times out", async () => {
  const { clock, stored, publish } = await stream({ drop: ({ body }) => body === "2" });
  const said = ["1", "2", "3"].map((body) => publish(body));
  strictEqual(await said[0], "1");
  clock.advance(999);
  strictEqual(await said[2], "2");
  clock.advance(1);
  strictEqual(await said[1], "TIMEOUT at 1000");
  deepStrictEqual(await stored(), ["1", "3"]);
  strictEqual(clock.pending, 0);
});

test("dropAck has it stored, and the publisher times out", async () => {
  let deaf = true;
  const { clock, stored, publish } = await stream({ dropAck: () => deaf });
  const said = publish("1");
  deepStrictEqual(await stored(), ["1"]);
  clock.advance(1_000);
  strictEqual(await said, "TIMEOUT at 1000");
  deaf = false;
  strictEqual(await publish("1"), "1 again");
  deepStrictEqual(await stored(), ["1"]);
});

test("dropAck keeps a refusal from the publisher too, but not an outage", async () => {
  const { clock, inner, publish } = await stream({ dropAck: () => true });
  await inner.streams!.admin.updateStream({ ...STREAM, discard: "new", maxMessages: 1 });
  const full = [publish("1"), publish("2")];
  await inner.ping();
  clock.advance(1_000);
  deepStrictEqual(await Promise.all(full), ["TIMEOUT at 1000", "TIMEOUT at 1000"]);
  inner.disconnect();
  strictEqual(await publish("3"), "SERVICE_UNAVAILABLE at 1000");
});

test("duplicate stores a message twice, and once where it has an id", async () => {
  const { store, stored, publish } = await stream({ duplicate: () => true });
  strictEqual(await publish("with"), "1");
  strictEqual((await store.publish("to.a", "without", {}, 1_000)).sequence, 2);
  deepStrictEqual(await stored(), ["with", "without", "without"]);
});

test("delayMs has it stored on the clock's time, with the bytes as they were", async () => {
  const { clock, stored, publish } = await stream({
    delayMs: ({ body }) => typeof body === "string" ? 0 : 100,
  });
  const bytes = new TextEncoder().encode("slow");
  const slow = publish(bytes, "slow");
  bytes.fill(0);
  strictEqual(await publish("fast"), "1");
  clock.advance(99);
  deepStrictEqual(await stored(), ["fast"]);
  clock.advance(1);
  strictEqual(await slow, "2");
  deepStrictEqual(await stored(), ["fast", "slow"]);
});

test("a delay over the time of the publisher is a time-out, and it is stored later", async () => {
  const { clock, stored, publish } = await stream({ delayMs: 1_500 });
  const said = publish("1");
  clock.advance(1_000);
  strictEqual(await said, "TIMEOUT at 1000");
  deepStrictEqual(await stored(), []);
  clock.advance(500);
  deepStrictEqual(await stored(), ["1"]);
});

test("what goes out late into an outage is lost", async () => {
  const { clock, inner, stored, publish } = await stream({ delayMs: 100 });
  const said = publish("1");
  inner.disconnect();
  clock.advance(100);
  inner.reconnect();
  await inner.ping();
  clock.advance(900);
  strictEqual(await said, "TIMEOUT at 1000");
  deepStrictEqual(await stored(), []);
});

test("a message for later has faults as any other has", async () => {
  const clock = new ManualClock();
  const inner = createMemoryTransport();
  const { admin, store } = inner.streams!;
  const calls: unknown[] = [];
  const later = {
    ...store,
    publishLater: (...call: unknown[]) => {
      calls.push(call);
      return Promise.resolve({ stream: "to", sequence: calls.length, duplicate: false });
    },
  };
  const { publishLater } = withFaults({ ...inner, streams: { admin, store: later } }, {
    clock,
    drop: ({ body }) => body === "lost",
    delayMs: ({ body }) => body === "late" ? 100 : 0,
  }).streams!.store;
  const lost = publishLater!("to.a", "to.b", 5_000, "lost", {}, 1_000).catch(({ code }) => code);
  const late = publishLater!("to.a", "to.b", 6_000, "late", { h: "1" }, 1_000);
  deepStrictEqual(calls, []);
  clock.advance(100);
  deepStrictEqual(calls, [["to.a", "to.b", 6_000, "late", { h: "1" }, 1_000]]);
  strictEqual((await late).sequence, 1);
  clock.advance(900);
  strictEqual(await lost, "TIMEOUT");
});

test("without a fault a delivery is in work, and that is confirmed", async () => {
  const { got, working, attempts } = await delivered({});
  deepStrictEqual([got[0]!.sequence, got[0]!.pending, got[0]!.storedAt > 0], [1, 0, true]);
  deepStrictEqual(await attempts(900), [1]);
  strictEqual(await working(), 1);
  deepStrictEqual(await attempts(999), [1]);
  deepStrictEqual(await attempts(1), [1, 2]);
});

test("drop loses that a delivery is in work, and it is not confirmed", async () => {
  const { got, working, attempts, admin } = await delivered({ drop: isWorking });
  deepStrictEqual(await attempts(900), [1]);
  strictEqual(await working(), 0);
  deepStrictEqual(await attempts(100), [1, 2]);
  got[0]!.ack();
  strictEqual((await admin.consumer("to", "c"))?.ackPending, 0);
});

test("dropAck has a delivery in work, and it is not confirmed", async () => {
  const { working, attempts } = await delivered({ dropAck: isWorking });
  deepStrictEqual(await attempts(900), [1]);
  strictEqual(await working(), 0);
  deepStrictEqual(await attempts(999), [1]);
});

test("delayMs says late that a delivery is in work, and so it is confirmed", async () => {
  const { working, attempts, heard } = await delivered({
    delayMs: (message) => isWorking(message) ? 200 : 0,
  });
  deepStrictEqual(await attempts(700), [1]);
  strictEqual(await working(), 0);
  deepStrictEqual(await attempts(199), [1]);
  strictEqual(heard(), 0);
  deepStrictEqual(await attempts(1), [1]);
  strictEqual(heard(), 1);
  deepStrictEqual(await attempts(999), [1]);
});

test("no other word of a delivery has faults", async () => {
  const { inner, got, admin, attempts } = await delivered({
    drop: ({ body }) => body !== "1",
    delayMs: ({ body }) => body === "1" ? 0 : 1_000,
  });
  got[0]!.nak(0);
  deepStrictEqual(await attempts(0), [1, 2]);
  got[1]!.term();
  strictEqual((await admin.consumer("to", "c"))?.ackPending, 0);
  await inner.close();
});

test("a transport with faults passes on what its streams do beside publishing", async () => {
  const { inner, admin, store, publish } = await stream({});
  await publish("1");
  await publish("2");
  await inner.streams!.admin.putConsumer("to", {
    name: "c",
    description: "",
    filter: ">",
    from: "all",
    ackWaitMs: 1_000,
    maxAckPending: 10,
    inactiveThresholdMs: 0,
  });
  strictEqual(await store.remove("to", 1), true);
  strictEqual((await store.read("to", 1, ">"))?.sequence, 2);
  strictEqual((await store.last("to", "to.a"))?.sequence, 2);
  deepStrictEqual(await admin.consumers("to"), ["c"]);
  const got: number[] = [];
  const onDelivery = ({ sequence }: { sequence: number }) => void got.push(sequence);
  const pull = store.pull("to", "c", { onDelivery, onGone() {}, onHealth() {} });
  pull.ask(5);
  await inner.ping();
  deepStrictEqual(got, [2]);
  ok(store.ingest === undefined);
  ok(store.publishLater === undefined);
  await inner.close();
});

test("withFaults() refuses a fault that it does not know, which would be none", () => {
  const drops = { drops: () => true } as Faults;
  throws(() => withFaults(createMemoryTransport(), drops), {
    name: "TypeError",
    message: /option "drops" of withFaults\(\): there is no such option; did you mean "drop"/,
  });
});
