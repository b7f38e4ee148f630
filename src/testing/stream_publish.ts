// The contract of streams, first part: what is stored, and what is refused.

import { collect, equal, holds, rejects, text } from "./contract_tools.ts";
import { includes, staged, type TimedCase } from "./stream_tools.ts";

const HEADERS = {
  "x-plain": "value",
  "X-Case": "Kept",
  "x-utf8": "grün 世界 🌍",
  "x-empty": "",
  "x-long": "v".repeat(3_000),
  "Nats-Msg-Id": "bytes-1",
};

/** Cases of publishing. */
export const streamPublish: readonly TimedCase[] = [
  staged("publish() resolves with the stream and a sequence that grows", async (stage) => {
    await stage.stream();
    for (let sequence = 1; sequence <= 3; sequence++) {
      const ack = await stage.put("a");
      includes(ack, { stream: stage.name, sequence, duplicate: false }, "the answer");
    }
    const { messages, firstSequence, lastSequence, bytes } = await stage.state();
    equal([messages, firstSequence, lastSequence], [3, 1, 3], "messages, first and last");
    holds(bytes > 0, "three messages take no bytes");
  }),

  staged("messages of one tick are stored in their order", async (stage) => {
    await stage.stream();
    const acks = await Promise.all(
      Array.from({ length: 500 }, (_, i) =>
        // Text and bytes, with and without headers, short and long, take different ways through a writer.
        stage.put(
          String(i),
          i % 3 === 0 ? new Uint8Array(i % 50 === 0 ? 5_000 : 3) : "body",
          i % 2 === 0 ? { n: String(i) } : {},
        )),
    );
    equal(acks.map(({ sequence }) => sequence), acks.map((_, i) => i + 1), "the sequences");
    const { a, name, subject } = stage;
    const stored = await a.store.read(name, 400, ">");
    equal(stored?.subject, `${subject}.399`, "the subject of number 400");
  }),

  staged("a second message with an id is a duplicate, and not stored", async (stage) => {
    await stage.stream();
    const id = (value: string): Record<string, string> => ({ "Nats-Msg-Id": value });
    await stage.put("a", "first", id("1"));
    await stage.put("a", "other", id("2"));
    const [again, together, no] = await Promise.all([
      stage.put("a", "second", id("1")),
      stage.put("b", "third", id("2")),
      stage.put("a", "first"),
    ]);
    includes(again, { stream: stage.name, sequence: 1, duplicate: true }, "the second of id 1");
    includes(together, { sequence: 2, duplicate: true }, "the second of id 2");
    includes(no, { sequence: 3, duplicate: false }, "one without an id");
    equal((await stage.state()).messages, 3, "messages");
    const stored = await stage.a.store.read(stage.name, 1, ">");
    equal(new TextDecoder().decode(stored?.data), "first", "what is stored under id 1");
    // It is the id that is known, whatever has become of the message.
    await stage.a.store.remove(stage.name, 1);
    includes(await stage.put("a", "", id("1")), { sequence: 1, duplicate: true }, "when removed");
  }),

  staged("an id is forgotten after the duplicate window", async (stage) => {
    await stage.stream({ duplicateWindowMs: 1_500 });
    const put = () => stage.put("a", "", { "Nats-Msg-Id": "1" });
    await put();
    equal((await put()).duplicate, true, "at once");
    await stage.until("it is stored again", async () => !(await put()).duplicate);
    equal((await stage.state()).messages, 2, "messages");
  }),

  staged("bodies and headers are stored and delivered to the byte", async (stage) => {
    await stage.stream();
    await stage.consumer();
    const every = Uint8Array.from({ length: 256 }, (_, i) => i);
    const texts = ["", "ascii", "é 世界 🌍", "PING\r\nPUB other 1\r\n1\r\n", "\0\x7f\x80"];
    const large = new Uint8Array(300_000).fill(7);
    const reused = every.slice();
    for (const body of texts) await stage.put("text", body);
    const sent = stage.put("bytes", reused, HEADERS);
    const view = stage.put("bytes", every.subarray(100, 103));
    const big = stage.put("bytes", large);
    await Promise.all([sent, view, big]);
    reused.fill(0);

    const { a, first, name, subject } = stage;
    const read = await a.store.read(name, texts.length + 1, ">");
    includes(read!, { subject: `${subject}.bytes`, sequence: texts.length + 1 }, "what is stored");
    equal([...read!.data], [...every], "all 256 bytes, read");
    for (const [header, value] of Object.entries(HEADERS)) {
      equal(read!.headers[header], value, `header ${header}, read`);
    }
    equal((await a.store.read(name, 1, ">"))?.data.length, 0, "the length of an empty body");
    equal(Object.keys((await a.store.read(name, 1, ">"))!.headers), [], "headers of one without");

    const datas: number[][] = [];
    const { got } = stage.take(20, ({ message }) => void datas.push([...message.data]));
    await stage.until("all are delivered", () => got.length === texts.length + 3);
    const bodies = datas.map((data) => new TextDecoder().decode(new Uint8Array(data)));
    equal(bodies.slice(0, texts.length), texts, "the texts");
    equal(datas[texts.length], [...every], "all 256 bytes, delivered");
    equal(datas[texts.length + 1], [100, 101, 102], "a view");
    const last = datas[texts.length + 2]!;
    holds(last.length === large.length && last.every((byte) => byte === 7), "the large body");
    const { message } = got[texts.length]!;
    equal(message.subject, `${subject}.bytes`, "the subject of what is delivered");
    for (const [header, value] of Object.entries(HEADERS)) {
      equal(first.messaging.header(message, header), value, `header ${header}, delivered`);
    }
    equal(first.messaging.header(got[0]!.message, "x-plain"), undefined, "a header of one without");
  }),

  staged("what no stream stores is refused with STREAM_NOT_FOUND", async (stage) => {
    await stage.stream({ subjects: [`${stage.subject}.a.*`] });
    await rejects("STREAM_NOT_FOUND", () => stage.put("b.1"));
    await rejects("STREAM_NOT_FOUND", () => stage.put("a.1.2"));
    includes(await stage.put("a.1"), { sequence: 1 }, "one that fits");
  }),

  staged("a message over maxPayload is refused, and the next is not", async (stage) => {
    await stage.stream();
    const { maxPayload } = stage.first.messaging;
    const large = await rejects(
      "PAYLOAD_TOO_LARGE",
      () => stage.put("a", "x".repeat(maxPayload + 1)),
    );
    equal(large.name, "SerializationError", "the error");
    // Headers count too.
    await rejects(
      "PAYLOAD_TOO_LARGE",
      () => stage.put("a", new Uint8Array(maxPayload), { a: "b" }),
    );
    includes(await stage.put("a", "small"), { sequence: 1 }, "the next");
  }),

  staged("a message over the stream's maxMessageBytes is refused", async (stage) => {
    await stage.stream({ maxMessageBytes: 1_000 });
    const error = await rejects("PAYLOAD_TOO_LARGE", () => stage.put("a", "x".repeat(1_001)));
    equal(error.name, "SerializationError", "the error");
    await rejects("PAYLOAD_TOO_LARGE", () => stage.put("a", "x".repeat(990), { name: "value" }));
    includes(await stage.put("a", "x".repeat(1_000)), { sequence: 1 }, "one that just fits");
  }),

  staged("a full stream that discards what is new refuses it, and loses nothing", async (stage) => {
    await stage.stream({ discard: "new", maxMessages: 3 });
    await stage.putNumbers(3);
    const error = await rejects("QUEUE_FULL", () => stage.put("n", "3"));
    equal(error.name, "QueueFullError", "the error");
    const { messages, firstSequence, lastSequence } = await stage.state();
    equal([messages, firstSequence, lastSequence], [3, 1, 3], "messages, first and last");
    await stage.a.store.remove(stage.name, 2);
    includes(await stage.put("n", "4"), { sequence: 4 }, "one for which there is room");
  }),

  staged("a stream that is full by its bytes refuses what is new", async (stage) => {
    await stage.stream({ discard: "new", maxBytes: 5_000 });
    for (let i = 0; i < 4; i++) await stage.put("a", "x".repeat(1_000));
    await rejects("QUEUE_FULL", () => stage.put("a", "x".repeat(1_000)));
    equal((await stage.state()).messages, 4, "messages");
  }),

  staged("a full stream that discards what is old drops the oldest", async (stage) => {
    await stage.stream({ discard: "old", maxMessages: 3 });
    await stage.putNumbers(10);
    const { messages, firstSequence, lastSequence } = await stage.state();
    equal([messages, firstSequence, lastSequence], [3, 8, 10], "messages, first and last");
    await stage.consumer();
    const taken = stage.take(10);
    equal(await stage.bodies(taken, 3), ["7", "8", "9"], "what is delivered");
  }),

  staged("messages over the bytes of a stream are dropped, the oldest first", async (stage) => {
    await stage.stream({ discard: "old", maxBytes: 5_000 });
    for (let i = 0; i < 10; i++) await stage.put("a", "x".repeat(1_000));
    const { messages, firstSequence, lastSequence, bytes } = await stage.state();
    equal([messages, firstSequence, lastSequence], [4, 7, 10], "messages, first and last");
    holds(bytes <= 5_000, `${bytes} bytes`);
  }),

  staged("messages older than maxAge go", async (stage) => {
    await stage.stream({ maxAgeMs: 1_500, duplicateWindowMs: 1_500 });
    await stage.consumer();
    await stage.putNumbers(3);
    equal((await stage.state()).messages, 3, "messages at once");
    await stage.until("there are none", async () => (await stage.state()).messages === 0);
    const { firstSequence, lastSequence, bytes } = await stage.state();
    equal([firstSequence, lastSequence, bytes], [4, 3, 0], "first, last and bytes");
    await stage.put("n", "3");
    equal(await stage.bodies(stage.take(5), 1), ["3"], "what is delivered");
  }),

  staged("a plain publish to a subject of a stream is stored too", async (stage) => {
    await stage.stream();
    const { a, second, name, subject } = stage;
    second.messaging.publish(`${subject}.plain`, "body", undefined, { h: "1" });
    await stage.until("it is stored", async () => (await stage.state()).messages === 1);
    const stored = await a.store.read(name, 1, ">");
    equal([stored?.subject, stored?.headers.h], [`${subject}.plain`, "1"], "what is stored");
    includes(await stage.put("a"), { sequence: 2 }, "the next");
  }),

  staged("plain subscribers get what is stored", async (stage) => {
    await stage.stream();
    const { second, subject } = stage;
    const got = collect(second.messaging, `${subject}.*`);
    await second.messaging.flush();
    await stage.put("a", "body", { h: "1" });
    await stage.until("it arrives", () => got.length > 0);
    await stage.quiet();
    equal(got.map((message) => text(message)), ["body"], "what arrives");
    equal(second.messaging.header(got[0]!, "h"), "1", "its header");
  }),

  staged("a subject that cannot be is refused with a TypeError", async (stage) => {
    await stage.stream();
    for (const wrong of ["", "a b", "a\r\nPUB b 0", "a..b", ".a", "a."]) {
      await rejects("TypeError", async () => await stage.a.store.publish(wrong, "", {}, 1_000));
    }
    includes(await stage.put("a"), { sequence: 1 }, "the next");
  }),

  staged("after close() publishing is refused with a ClosedError", async (stage) => {
    await stage.stream();
    await stage.first.close();
    await rejects("CLOSED", () => stage.put("a"));
    await rejects("CLOSED", async () => await stage.a.admin.stream(stage.name));
  }),
];
