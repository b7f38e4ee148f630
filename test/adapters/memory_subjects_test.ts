// Streams of the embedded broker: many messages of many subjects, and what an outage leaves unheard. The rest is in the contract.

import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { createMemoryTransport, ManualClock, MemoryBroker } from "../../testing.ts";
import type { ConsumerConfig, Delivery, StreamConfig } from "../../src/ports/stream.ts";
import { workTime } from "../work_time.ts";

const BUCKET: StreamConfig = {
  name: "KV",
  description: "",
  subjects: ["kv.>"],
  retention: "limits",
  storage: "memory",
  replicas: 1,
  discard: "new",
  maxAgeMs: 0,
  maxMessages: 0,
  maxMessagesPerSubject: 1,
  maxBytes: 0,
  maxMessageBytes: 0,
  duplicateWindowMs: 60_000,
  bucket: true,
  schedules: false,
  messageTtl: false,
  direct: true,
};
const CONSUMER: ConsumerConfig = {
  name: "c",
  description: "",
  filter: "kv.>",
  from: "all",
  ackWaitMs: 1_000,
  maxAckPending: 0,
  inactiveThresholdMs: 0,
};

/** A bucket on a clock that is moved by hand, and what writes to it. */
async function bucket(settings: Partial<StreamConfig> = {}) {
  const clock = new ManualClock();
  const transport = createMemoryTransport(new MemoryBroker(clock));
  const { admin, store } = transport.streams!;
  await admin.createStream({ ...BUCKET, ...settings });
  const put = async (key: string, expected?: number | string) =>
    (await store.publish(
      `kv.${key}`,
      key,
      expected === undefined ? {} : { "Nats-Expected-Last-Subject-Sequence": String(expected) },
      1_000,
    )).sequence;
  const state = async () => {
    const { messages, firstSequence, lastSequence } = (await admin.stream("KV"))!;
    return [messages, firstSequence, lastSequence];
  };
  return { clock, transport, admin, store, put, state };
}

/** Takes deliveries. */
async function take({ transport, store }: Awaited<ReturnType<typeof bucket>>, ask: number) {
  const got: Delivery[] = [];
  const onDelivery = (delivery: Delivery): void => void got.push(delivery);
  const pull = store.pull("KV", "c", { onDelivery, onGone() {}, onHealth() {} });
  pull.ask(ask);
  for (let i = 0; i < 3; i++) await transport.ping();
  return got;
}

test("memory: 100,000 keys are written, found and written again in a few seconds", async () => {
  const { transport, store, put, state } = await bucket();
  const worked = workTime();
  const keys = 100_000;
  for (let round = 0; round < 2; round++) {
    for (let i = 0; i < keys; i += 1_000) {
      // The second time backwards: what gives way is anywhere.
      const all = Array.from({ length: 1_000 }, (_, n) => round === 0 ? i + n : keys - 1 - i - n);
      await Promise.all(all.map((key) => put(`key${key}`, round === 0 ? 0 : key + 1)));
    }
  }
  deepStrictEqual(await state(), [keys, keys + 1, 2 * keys]);
  for (let key = 0; key < keys; key += 997) {
    const last = await store.last("KV", `kv.key${key}`);
    strictEqual(last?.sequence, 2 * keys - key);
  }
  const ms = worked();
  await transport.close();
  ok(ms < 20_000, `it took ${ms} ms of work`);
});

test("memory: a key that stays does not make the writes of another slow", async () => {
  const { transport, store, put, state } = await bucket();
  await put("stays");
  const started = performance.now();
  for (let i = 0; i < 200; i++) {
    await Promise.all(Array.from({ length: 1_000 }, () => put("changes")));
    // It is found behind everything that gave way.
    strictEqual((await store.read("KV", 2, ">"))?.sequence, i * 1_000 + 1_001);
  }
  const ms = performance.now() - started;
  deepStrictEqual(await state(), [2, 1, 200_001]);
  strictEqual((await store.last("KV", "kv.stays"))?.sequence, 1);
  await transport.close();
  ok(ms < 20_000, `it took ${ms} ms`);
});

test("memory: of each subject the newest are kept, whatever else is removed", async () => {
  const { admin, store, put, transport } = await bucket({
    bucket: false,
    maxMessagesPerSubject: 3,
  });
  await admin.putConsumer("KV", CONSUMER);
  const kept = new Map<string, number[]>();
  for (let i = 1; i <= 6_000; i++) {
    const key = `${(i * 7_919) % 13}`;
    const of = kept.get(key) ?? [];
    kept.set(key, of);
    strictEqual(await put(key, of.at(-1) ?? 0), i);
    of.push(i);
    if (of.length > 3) of.shift();
    if (i % 5 > 0) continue;
    // The oldest, the newest, or the one in between.
    const removed = kept.get(`${i % 13}`)?.splice(i % 3, 1)[0];
    if (removed !== undefined) strictEqual(await store.remove("KV", removed), true);
  }
  for (const [key, of] of kept) {
    strictEqual((await store.last("KV", `kv.${key}`))?.sequence, of.at(-1), key);
  }
  const all = [...kept.values()].flat().sort((a, b) => a - b);
  const found: number[] = [];
  for (let at = 1;;) {
    const message = await store.read("KV", at, ">");
    if (message === undefined) break;
    found.push(message.sequence);
    at = message.sequence + 1;
  }
  deepStrictEqual(found, all);
  strictEqual((await admin.consumer("KV", "c"))?.pending, all.length);
  await transport.close();
});

test("memory: what is still to come is counted through expiry, removal and another filter", async () => {
  const it = await bucket({ bucket: false, maxMessagesPerSubject: 0, maxAgeMs: 10_000 });
  const { clock, admin, store, put } = it;
  await admin.putConsumer("KV", { ...CONSUMER, ackWaitMs: 60_000 });
  const pending = async () => (await admin.consumer("KV", "c"))!.pending;
  await put("a");
  await put("b");
  clock.advance(6_000);
  for (const key of ["a", "b", "b", "b"]) await put(key);
  strictEqual(await pending(), 6);
  const got = await take(it, 1);
  strictEqual(got[0]!.pending, 5);
  await store.remove("KV", 3);
  strictEqual(await pending(), 4);
  // One that was delivered, and one that was not, are too old.
  clock.advance(4_000);
  strictEqual(await pending(), 3);
  await admin.putConsumer("KV", { ...CONSUMER, filter: "kv.a" });
  strictEqual(await pending(), 0);
  await put("a");
  await put("b");
  strictEqual(await pending(), 1);
  await admin.putConsumer("KV", CONSUMER);
  strictEqual(await pending(), 5);
});

test("memory: a consumer waits for the sequence at which it begins", async () => {
  const it = await bucket({ maxMessagesPerSubject: 0 });
  const { admin, put, transport } = it;
  await put("a");
  await admin.putConsumer("KV", { ...CONSUMER, from: { sequence: 4 } });
  const got = await take(it, 5);
  for (const key of ["b", "c", "d", "e"]) await put(key);
  for (let i = 0; i < 3; i++) await transport.ping();
  deepStrictEqual(got.map(({ sequence, pending }) => [sequence, pending]), [[4, 0], [5, 0]]);
});

test("memory: an expected sequence is a whole number, and space around it is none of it", async () => {
  const { put } = await bucket();
  strictEqual(await put("a", " 0 "), 1);
  strictEqual(await put("a", "001"), 2);
  strictEqual(await put("a", ""), 3);
  for (const wrong of ["3.0", "-1", "three", "0x3", "99999999999999999999999"]) {
    await rejects(put("a", wrong), { code: "CONFLICT", details: { stream: "KV", sequence: 3 } });
  }
  strictEqual(await put("a", 3), 4);
});

test("memory: an outage leaves unheard that a delivery is in work", async () => {
  const it = await bucket();
  const { transport, admin, put } = it;
  await admin.putConsumer("KV", CONSUMER);
  await put("a");
  const [delivery] = await take(it, 1);
  const heard: string[] = [];
  delivery!.working(() => heard.push("before"));
  transport.disconnect();
  delivery!.working(() => heard.push("meanwhile"));
  transport.reconnect();
  delivery!.working(() => heard.push("after"));
  await transport.ping();
  deepStrictEqual(heard, ["after"]);
  delivery!.working(() => heard.push("closed"));
  await transport.close();
  delivery!.working(() => heard.push("later"));
  await new Promise((resolve) => setTimeout(resolve, 0));
  deepStrictEqual(heard, ["after", "closed"]);
});
