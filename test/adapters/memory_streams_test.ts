// Streams of the embedded broker: outages, its own clock, and what it holds. The rest is in the contract.

import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { spawn } from "node:child_process";
import process from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import {
  createMemoryTransport,
  ManualClock,
  MemoryBroker,
  type MemoryTransport,
} from "../../testing.ts";
import { memoryBroker } from "../../src/adapters/memory/transport.ts";
import type { ConsumerConfig, Delivery, StreamConfig, Streams } from "../../src/ports/stream.ts";
import { workTime } from "../work_time.ts";

const STREAM: StreamConfig = {
  name: "s",
  description: "",
  subjects: ["s.>"],
  retention: "limits",
  storage: "memory",
  replicas: 1,
  discard: "old",
  maxAgeMs: 0,
  maxMessages: 0,
  maxMessagesPerSubject: 0,
  maxBytes: 0,
  maxMessageBytes: 0,
  duplicateWindowMs: 60_000,
  bucket: false,
  schedules: false,
  messageTtl: false,
  direct: true,
};
const CONSUMER: ConsumerConfig = {
  name: "c",
  description: "",
  filter: "s.>",
  from: "all",
  ackWaitMs: 1_000,
  maxAckPending: 1_000,
  inactiveThresholdMs: 0,
};

/** A broker with a clock that is moved by hand, a stream, a consumer, and two connections. */
async function broker(stream: Partial<StreamConfig> = {}, consumer: Partial<ConsumerConfig> = {}) {
  const clock = new ManualClock();
  const broker = new MemoryBroker(clock);
  const logger = { error() {} };
  const here = createMemoryTransport(broker, logger);
  const there = createMemoryTransport(broker, logger);
  const { admin } = there.streams!;
  await admin.createStream({ ...STREAM, ...stream });
  await admin.putConsumer("s", { ...CONSUMER, ...consumer });
  const put = (body: string) => there.streams!.store.publish(`s.${body}`, body, {}, 1_000);
  const place = async () => (await admin.consumer("s", "c"))!;
  return { clock, broker, here, there, admin, put, place };
}

/** Takes deliveries; `bodies()` gives those that have come since it was called last. */
function take({ streams, messaging }: MemoryTransport, ask: number, consumer = "c") {
  const got: Delivery[] = [];
  const said: string[] = [];
  let read = 0;
  const pull = (streams as Streams).store.pull("s", consumer, {
    onDelivery: (delivery) => got.push(delivery),
    onGone: () => said.push("gone"),
    onHealth: (error) => said.push(error === undefined ? "well" : "unwell"),
  });
  pull.ask(ask);
  const bodies = async (): Promise<string> => {
    if (messaging.connected) { for (let i = 0; i < 3; i++) await messaging.flush(); }
    const fresh = got.slice(read);
    read = got.length;
    return fresh.map(({ message, attempt }) =>
      new TextDecoder().decode(message.data) + (attempt > 1 ? `×${attempt}` : "")
    ).join(" ");
  };
  return { pull, got, said, bodies };
}

test("memory: streams are out of reach in an outage, and nothing was sent", async () => {
  const { here, there, admin } = await broker();
  here.disconnect();
  const { store, admin: away } = here.streams!;
  const unavailable = { code: "SERVICE_UNAVAILABLE", details: { sent: false } };
  await rejects(store.publish("s.a", "", {}, 1_000), unavailable);
  await rejects(store.read("s", 1, ">"), unavailable);
  await rejects(away.stream("s"), unavailable);
  await rejects(away.putConsumer("s", CONSUMER), unavailable);
  strictEqual((await admin.stream("s"))?.messages, 0);
  here.reconnect();
  strictEqual((await store.publish("s.a", "", {}, 1_000)).sequence, 1);
  await Promise.all([here.close(), there.close()]);
});

test("memory: a publish whose answer an outage has cut off may be stored", async () => {
  const { here, admin } = await broker();
  const sent = here.streams!.store.publish("s.a", "", { "Nats-Msg-Id": "1" }, 1_000);
  here.disconnect();
  here.reconnect();
  await rejects(sent, { code: "SERVICE_UNAVAILABLE", details: { sent: true } });
  strictEqual((await admin.stream("s"))?.messages, 1);
  const again = await here.streams!.store.publish("s.a", "", { "Nats-Msg-Id": "1" }, 1_000);
  deepStrictEqual(again, { stream: "s", sequence: 1, duplicate: true });
});

test("memory: acknowledgements made in an outage are given after it, and nothing is handed over again", async () => {
  const { clock, here, put, place } = await broker();
  for (const body of ["a", "b", "c", "d"]) await put(body);
  const { pull, got, bodies } = take(here, 10);
  strictEqual(await bodies(), "a b c d");
  here.disconnect();
  got[0]!.ack();
  got[1]!.term();
  got[2]!.nak(0);
  got[2]!.ack();
  strictEqual((await place()).ackPending, 4);
  // Their ack wait passes in the outage: all but `d` have their word when deliveries begin again.
  clock.advance(5_000);
  here.reconnect();
  strictEqual((await place()).ackPending, 2);
  strictEqual(await bodies(), "c×2 d×2");
  strictEqual(pull.asked, 4);
});

test("memory: what is delivered elsewhere in an outage is done by the acknowledgement after it", async () => {
  const { clock, here, there, put, place } = await broker();
  await put("a");
  const first = take(here, 5);
  strictEqual(await first.bodies(), "a");
  here.disconnect();
  first.got[0]!.ack();
  const second = take(there, 5);
  clock.advance(1_000);
  strictEqual(await second.bodies(), "a×2");
  here.reconnect();
  deepStrictEqual([(await place()).ackPending, (await place()).ackFloor], [0, 1]);
  clock.advance(5_000);
  strictEqual(await second.bodies() + await first.bodies(), "");
});

test("memory: what was asked for before or in an outage is asked for after it, once", async () => {
  const { here, put } = await broker();
  await put("a");
  const { pull, bodies } = take(here, 3);
  strictEqual(await bodies(), "a");
  here.disconnect();
  for (const body of ["b", "c", "d", "e", "f"]) await put(body);
  pull.ask(1);
  strictEqual(await bodies(), "");
  strictEqual(pull.asked, 3);
  here.reconnect();
  strictEqual(await bodies(), "b c d");
  strictEqual(pull.asked, 0);
  here.disconnect();
  here.reconnect();
  strictEqual(await bodies(), "");
  pull.ask(1);
  strictEqual(await bodies(), "e");
});

test("memory: a pull says that an outage keeps it from what was asked for, and when it ends", async () => {
  const { here } = await broker();
  const { said, pull } = take(here, 0);
  here.disconnect();
  here.reconnect();
  deepStrictEqual(said, []);
  pull.ask(1);
  here.disconnect();
  deepStrictEqual(said, ["unwell"]);
  here.reconnect();
  deepStrictEqual(said, ["unwell", "well"]);
});

test("memory: a consumer that was deleted in an outage is gone after it", async () => {
  const { here, admin, put } = await broker();
  const { said, pull, bodies } = take(here, 5);
  here.disconnect();
  await admin.deleteConsumer("s", "c");
  await put("a");
  deepStrictEqual(said, ["unwell"]);
  here.reconnect();
  strictEqual(await bodies(), "");
  deepStrictEqual([said, pull.asked], [["unwell", "well", "gone"], 0]);
  await admin.putConsumer("s", CONSUMER);
  pull.ask(1);
  strictEqual(await bodies(), "a");
});

test("memory: a consumer that is asked more than once and is not there is gone once", async () => {
  const { here } = await broker();
  const { said, pull, bodies } = take(here, 1, "other");
  pull.ask(1);
  await bodies();
  deepStrictEqual([said, pull.asked], [["gone"], 0]);
});

test("memory: settled() waits for the end of an outage, and no longer than it was told to", async () => {
  const { clock, here, put, place } = await broker();
  await put("a");
  const { pull, got, bodies } = take(here, 5);
  await bodies();
  here.disconnect();
  got[0]!.ack();
  const told: string[] = [];
  const late = pull.settled(300).then(() => told.push("late"));
  const settled = pull.settled(2_000).then(() => told.push("settled"));
  clock.advance(300);
  await late;
  deepStrictEqual(told, ["late"]);
  here.reconnect();
  await settled;
  strictEqual((await place()).ackPending, 0);
});

test("memory: an acknowledgement after close() of the transport does nothing, and settled() resolves", async () => {
  const { here, put, place } = await broker();
  await put("a");
  await put("b");
  const { pull, got, bodies } = take(here, 5);
  await bodies();
  here.disconnect();
  got[0]!.ack();
  const settled = pull.settled(1_000);
  await here.close();
  await settled;
  got[1]!.ack();
  pull.ask(1);
  strictEqual((await place()).ackPending, 2);
  await pull.settled(1_000);
});

test("memory: a transport that closes leaves what it has not acknowledged to others", async () => {
  const { clock, here, there, put } = await broker();
  await put("a");
  const first = take(here, 5);
  strictEqual(await first.bodies(), "a");
  await here.close();
  const second = take(there, 5);
  clock.advance(999);
  strictEqual(await second.bodies(), "");
  clock.advance(1);
  strictEqual(await second.bodies(), "a×2");
});

test("memory: ack waits and delays go by the broker's clock, to the millisecond", async () => {
  const { clock, here, put } = await broker();
  await put("a");
  await put("b");
  const { got, bodies } = take(here, 20);
  strictEqual(await bodies(), "a b");
  got[0]!.nak(1_500);
  clock.advance(600);
  got[1]!.working();
  clock.advance(899);
  strictEqual(await bodies(), "");
  clock.advance(1);
  strictEqual(await bodies(), "a×2");
  clock.advance(99);
  strictEqual(await bodies(), "");
  clock.advance(1);
  strictEqual(await bodies(), "b×2");
});

test("memory: a longer ack wait counts for what is delivered from then on", async () => {
  const { clock, here, admin, put } = await broker();
  await put("a");
  const { bodies } = take(here, 20);
  strictEqual(await bodies(), "a");
  await admin.putConsumer("s", { ...CONSUMER, ackWaitMs: 5_000 });
  clock.advance(1_000);
  strictEqual(await bodies(), "a×2");
  clock.advance(4_999);
  strictEqual(await bodies(), "");
  clock.advance(1);
  strictEqual(await bodies(), "a×3");
});

test("memory: nothing waits on the clock while nothing is to come, nor without a connection", async () => {
  const { clock, here, there, admin, put } = await broker({ maxAgeMs: 60_000 });
  strictEqual(clock.pending, 0);
  await put("a");
  strictEqual(clock.pending, 1);
  const { got, bodies } = take(here, 5);
  await bodies();
  strictEqual(clock.pending, 2);
  got[0]!.ack();
  strictEqual(clock.pending, 1);
  clock.advance(60_000);
  strictEqual(clock.pending, 0);
  await put("b");
  await bodies();
  await here.close();
  await here.close();
  strictEqual(clock.pending, 2);
  await admin.deleteConsumer("s", "c");
  strictEqual(clock.pending, 1);
  await there.close();
  strictEqual(clock.pending, 0);
});

test("memory: time that passes without a connection counts", async () => {
  const { clock, broker: shared, here, there, put } = await broker({ maxAgeMs: 60_000 });
  await put("old");
  clock.advance(59_000);
  await put("a");
  const first = take(here, 5);
  strictEqual(await first.bodies(), "old a");
  await Promise.all([here.close(), there.close()]);
  clock.advance(2_000);
  const again = createMemoryTransport(shared);
  strictEqual(await take(again, 5).bodies(), "a×2");
  strictEqual((await again.streams!.admin.stream("s"))?.messages, 1);
  await again.close();
});

test("memory: a bus that names a broker again finds its streams", async () => {
  const url = "memory:streams-test";
  const first = createMemoryTransport(memoryBroker(url));
  await first.streams!.admin.createStream(STREAM);
  await first.streams!.store.publish("s.a", "", {}, 1_000);
  await first.close();
  const second = createMemoryTransport(memoryBroker(url));
  strictEqual((await second.streams!.admin.stream("s"))?.messages, 1);
  const other = createMemoryTransport(memoryBroker("memory:"));
  strictEqual(await other.streams!.admin.stream("s"), undefined);
  await Promise.all([second.close(), other.close()]);
});

test("memory: a consumer in whose hands something still is goes after the ack wait and its threshold", async () => {
  const { clock, here, admin, put } = await broker({}, { inactiveThresholdMs: 500 });
  await put("a");
  const { bodies } = take(here, 1);
  clock.advance(10_000);
  strictEqual(await bodies(), "a");
  clock.advance(1_499);
  ok(await admin.consumer("s", "c") !== undefined);
  clock.advance(1);
  strictEqual(await admin.consumer("s", "c"), undefined);
});

test("memory: an id is known for its window, by the broker's clock", async () => {
  const { clock, there } = await broker();
  const put = async (id: string) =>
    (await there.streams!.store.publish("s.a", "", { "Nats-Msg-Id": id }, 1_000)).duplicate;
  for (let i = 0; i < 3_000; i++) strictEqual(await put(`early ${i}`), false);
  clock.advance(59_999);
  strictEqual(await put("late"), false);
  strictEqual(await put("early 0"), true);
  clock.advance(1);
  strictEqual(await put("early 0"), false);
  strictEqual(await put("late"), true);
});

test("memory: a stream finds what it holds, whatever was removed before and in between", async () => {
  const { there, admin } = await broker();
  const { store } = there.streams!;
  const held = new Set<number>();
  for (let i = 1; i <= 4_000; i++) {
    await store.publish(`s.${i % 7}`, String(i), {}, 1_000);
    held.add(i);
    // Many at the beginning, so that places are given back, and some anywhere.
    const removed = i % 3 === 0 ? [Math.ceil(i / 2), (i * 7_919) % i + 1] : [];
    for (const sequence of removed) {
      strictEqual(await store.remove("s", sequence), held.delete(sequence), `remove ${sequence}`);
    }
    if (i > 1_000 && i % 3 === 1) await store.remove("s", i - 1_000) && held.delete(i - 1_000);
  }
  const state = await admin.stream("s");
  deepStrictEqual([state?.messages, state?.firstSequence], [held.size, Math.min(...held)]);
  for (const filter of [">", "s.3"]) {
    const expected = [...held].filter((i) => filter === ">" || i % 7 === 3);
    const found: number[] = [];
    for (let at = 1;;) {
      const message = await store.read("s", at, filter);
      if (message === undefined) break;
      strictEqual(new TextDecoder().decode(message.data), String(message.sequence));
      found.push(message.sequence);
      at = message.sequence + 1;
    }
    deepStrictEqual(found, expected, filter);
  }
});

test("memory: what becomes of delivered bytes changes nothing that is stored", async () => {
  const { here, put } = await broker();
  await put("abc");
  const { got, bodies } = take(here, 5);
  strictEqual(await bodies(), "abc");
  got[0]!.message.data.fill(0);
  (await here.streams!.store.read("s", 1, ">"))!.data.fill(0);
  got[0]!.nak(0);
  strictEqual(await bodies(), "abc×2");
});

test("memory: a request on a subject that is stored gets no answer, not even that nobody listens", async () => {
  const { here, admin } = await broker();
  const got: string[] = [];
  here.messaging.subscribe("answer", { onMessage: ({ subject }) => got.push(subject) });
  here.messaging.publish("s.a", "", "answer");
  await here.messaging.flush();
  deepStrictEqual([got, (await admin.stream("s"))?.messages], [[], 1]);
  here.messaging.publish("t.a", "", "answer");
  await here.messaging.flush();
  await here.messaging.flush();
  deepStrictEqual(got, ["answer"]);
});

test("memory: timers have their turn while one delivery follows another", async () => {
  const transport = createMemoryTransport();
  const { admin, store } = transport.streams!;
  await admin.createStream(STREAM);
  await admin.putConsumer("s", CONSUMER);
  await store.publish("s.a", "", {}, 1_000);
  let done = false;
  setTimeout(() => done = true, 20);
  const started = performance.now();
  let count = 0;
  await new Promise<void>((resolve) => {
    const pull = store.pull("s", "c", {
      onDelivery(delivery) {
        count++;
        if (done || performance.now() - started > 5_000) return resolve();
        pull.ask(1);
        delivery.nak(0);
      },
      onGone() {},
      onHealth() {},
    });
    pull.ask(1);
  });
  const ms = performance.now() - started;
  await transport.close();
  ok(ms < 2_000, `the timer of 20 ms fired after ${ms} ms`);
  // One a turn of the timers would be 20.
  ok(count > 50, `${count} deliveries in ${ms} ms`);
});

test("memory: 100,000 messages are stored, delivered and acknowledged in a few seconds", async () => {
  const transport = createMemoryTransport();
  const { admin, store } = transport.streams!;
  await admin.createStream({ ...STREAM, retention: "workqueue" });
  await admin.putConsumer("s", CONSUMER);
  const worked = workTime();
  let count = 0;
  const all = new Promise<void>((resolve) => {
    const pull = store.pull("s", "c", {
      onDelivery(delivery) {
        delivery.ack();
        pull.ask(1);
        if (++count === 100_000) resolve();
      },
      onGone() {},
      onHealth() {},
    });
    pull.ask(100);
  });
  for (let i = 0; i < 100; i++) {
    await Promise.all(
      Array.from(
        { length: 1_000 },
        (_, n) => store.publish("s.a", "body", { "Nats-Msg-Id": `${i} ${n}` }, 10_000),
      ),
    );
  }
  await all;
  const ms = worked();
  strictEqual((await admin.stream("s"))?.messages, 0);
  await transport.close();
  ok(ms < 20_000, `it took ${ms} ms of work`);
});

const PROGRAM = `
import { createMemoryTransport } from ${
  JSON.stringify(new URL("../../testing.ts", import.meta.url).href)
};
const { admin, store } = createMemoryTransport().streams;
await admin.createStream(${JSON.stringify({ ...STREAM, maxAgeMs: 3_600_000 })});
await admin.putConsumer("s", ${JSON.stringify({ ...CONSUMER, inactiveThresholdMs: 3_600_000 })});
await store.publish("s.a", "", {}, 1000);
const pull = store.pull("s", "c", { onDelivery: (one) => one.ack(), onGone() {}, onHealth() {} });
pull.ask(1);
console.log("stored");
`;

test("memory: a process whose streams have nothing to do ends, though it closed nothing", async () => {
  const node = "Bun" in globalThis || "Deno" in globalThis ? [] : ["--input-type=module"];
  const config = fileURLToPath(new URL("../../deno.json", import.meta.url));
  const flags = "Deno" in globalThis ? ["eval", "--config", config] : [...node, "--eval"];
  const child = spawn(
    process.execPath,
    "Bun" in globalThis ? ["-e", PROGRAM] : [...flags, PROGRAM],
    {
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  let output = "";
  child.stdout.on("data", (data) => output += data);
  const timer = setTimeout(() => child.kill("SIGKILL"), 15_000);
  const code = await new Promise((resolve) => child.once("close", resolve));
  clearTimeout(timer);
  deepStrictEqual([code, output], [0, "stored\n"]);
});
