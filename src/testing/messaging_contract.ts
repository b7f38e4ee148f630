// The contract of core messaging: what every transport does, as cases that any test runner can run.

import { type Case, collect, equal, holds, on, text, until } from "./contract_tools.ts";
import { messagingLife } from "./messaging_life.ts";

/**
 * What a transport must do, case by case. `open` makes a new connection to one and the same broker each time it is
 * called; each case closes those that it opened. A case that does not hold rejects.
 *
 * @example An adapter of one's own proves itself
 * ```ts
 * import type { Transport } from "@aegis/sdk";
 * import { messagingContract } from "@aegis/sdk/testing";
 * import { test } from "node:test";
 *
 * function prove(open: () => Promise<Transport>): void {
 *   for (const { name, run } of messagingContract) test(`mine: ${name}`, () => run(open));
 * }
 * ```
 */
export const messagingContract: readonly Case[] = [
  on("messages arrive in the order of their publishing", async ({ a, b, subject }) => {
    const got = collect(b, subject);
    await b.flush();
    const sent: string[] = [];
    for (let i = 0; i < 2_000; i++) {
      // Text and bytes, with and without headers, short and long, take different ways through a writer.
      const body = i % 50 === 0 ? `${i}:${"x".repeat(10_000)}` : String(i);
      const headers = i % 3 === 0 ? { n: String(i) } : undefined;
      a.publish(subject, i % 7 === 0 ? new TextEncoder().encode(body) : body, undefined, headers);
      sent.push(body);
    }
    await until(a, b, () => got.length === sent.length);
    equal(got.map((message) => text(message)), sent, "the bodies");
  }),

  on("delivery is no part of the publisher's own call", async ({ a, subject }) => {
    const got = collect(a, subject);
    await a.flush();
    a.publish(subject, "1");
    equal(got.length, 0, "how many arrived within publish()");
    await until(a, a, () => got.length === 1);
  }),

  on("every plain subscriber gets each message, the publisher too", async ({ a, b, subject }) => {
    const all = [collect(a, subject), collect(b, subject), collect(b, subject)];
    await a.flush();
    await b.flush();
    for (let i = 0; i < 10; i++) a.publish(subject, String(i));
    await until(a, b, () => all.every((got) => got.length === 10));
  }),

  on("of a queue group one member gets each message, and all have a share", async (wire) => {
    const { a, b, subject } = wire;
    const one = collect(a, subject, "workers");
    const other = collect(b, subject, "workers");
    const plain = collect(b, subject);
    const second = collect(b, subject, "auditors");
    await a.flush();
    await b.flush();
    for (let i = 0; i < 200; i++) a.publish(subject, String(i));
    await until(a, b, () => plain.length === 200 && second.length === 200);
    equal(one.length + other.length, 200, "what the group got");
    holds(one.length > 0 && other.length > 0, "one member of the group got nothing");
    const bodies = new Set([...one, ...other].map((message) => text(message)));
    equal(bodies.size, 200, "different messages that the group got");
  }),

  on("a queue group is one, also where its members listen by different patterns", async (wire) => {
    const { a, b, subject } = wire;
    const one = collect(a, `${subject}.x`, "workers");
    const other = collect(b, `${subject}.*`, "workers");
    const plain = collect(b, `${subject}.x`);
    await a.flush();
    await b.flush();
    for (let i = 0; i < 50; i++) a.publish(`${subject}.x`, String(i));
    await until(a, b, () => plain.length === 50);
    equal(one.length + other.length, 50, "what the group got");
  }),

  on("* stands for one token, and for no more", async ({ a, b, subject }) => {
    const got = collect(b, `${subject}.*.end`);
    await b.flush();
    for (const tail of ["x.end", "x.y.end", "end", "x.end.more", "y.end", "x", "*.end"]) {
      a.publish(`${subject}.${tail}`, tail);
    }
    await until(a, b, () => got.length >= 3);
    equal(got.map((message) => text(message)), ["x.end", "y.end", "*.end"], "what fitted");
    equal(got[0]?.subject, `${subject}.x.end`, "the subject of a message");
  }),

  on("a last > stands for one or more tokens", async ({ a, b, subject }) => {
    const got = collect(b, `${subject}.>`);
    await b.flush();
    for (const tail of ["", ".x", ".x.y.z", "x.y"]) a.publish(`${subject}${tail}`, tail);
    await until(a, b, () => got.length >= 2);
    equal(got.map((message) => text(message)), [".x", ".x.y.z"], "what fitted");
  }),

  on("headers arrive by their exact names", async ({ a, b, subject }) => {
    const got = collect(b, subject);
    await b.flush();
    const headers = {
      "x-plain": "value",
      "X-Case": "kept",
      "x-colon": "a: b, c:d",
      "x-text": "Grüße, 世界 🌍",
      "x-long": "v".repeat(5_000),
    };
    a.publish(subject, "body", undefined, headers);
    a.publish(subject, "üñí", undefined, headers);
    a.publish(subject, new Uint8Array([0, 255]), undefined, headers);
    a.publish(subject, "", undefined, headers);
    a.publish(subject, "none");
    await until(a, b, () => got.length === 5);
    for (const message of got.slice(0, 4)) {
      for (const [name, value] of Object.entries(headers)) {
        equal(b.header(message, name), value, `header ${name}`);
      }
      for (const name of ["x-case", "x-plai", "plain", "value", "toString"]) {
        holds(b.header(message, name) === undefined, `it has a header ${name}`);
      }
    }
    equal(got.slice(0, 2).map((message) => text(message)), ["body", "üñí"], "the bodies");
    equal([...got[2]!.data], [0, 255], "the bytes");
    equal(got[3]!.data.length, 0, "the length of the empty body");
    equal(b.header(got[4]!, "x-plain"), undefined, "a header where there are none");
  }),

  on("space around a header's value is not kept, an empty value is", async ({ a, b, subject }) => {
    const got = collect(b, subject);
    await b.flush();
    a.publish(subject, "", undefined, {
      "x-space": "  in between  ",
      "x-empty": "",
      "x-last": "z",
    });
    await until(a, b, () => got.length === 1);
    equal(b.header(got[0]!, "x-space"), "in between", "a value with space around it");
    equal(b.header(got[0]!, "x-empty"), "", "an empty value");
    equal(b.header(got[0]!, "x-last"), "z", "the value after it");
  }),

  on("bodies arrive to the byte", async ({ a, b, subject }) => {
    const got = collect(b, subject);
    await b.flush();
    const every = Uint8Array.from({ length: 256 }, (_, i) => i);
    const texts = ["", "ascii", "é", "世界", "🌍", "PING\r\nPUB other 1\r\n1\r\n", "\0\x7f\x80"];
    for (const body of texts) a.publish(subject, body);
    a.publish(subject, every);
    a.publish(subject, every.subarray(100, 110));
    a.publish(subject, new Uint8Array(500_000).fill(7));
    await until(a, b, () => got.length === texts.length + 3);
    equal(got.slice(0, texts.length).map((message) => text(message)), texts, "the texts");
    const [whole, view, large] = got.slice(texts.length);
    equal([...whole!.data], [...every], "all 256 bytes");
    equal([...view!.data], [100, 101, 102, 103, 104, 105, 106, 107, 108, 109], "a view");
    holds(large!.data.length === 500_000 && large!.data.every((byte) => byte === 7), "500,000");
  }),

  on(
    "a request gets its answer at the asker's inbox, and nobody else's",
    async ({ a, b, subject }) => {
      holds(a.inbox !== b.inbox, "two connections have one inbox");
      const answers = collect(a, `${a.inbox}.*`);
      const others = collect(b, `${b.inbox}.*`);
      b.subscribe(subject, {
        onMessage: (message) => b.publish(message.reply ?? "", `re: ${text(message)}`),
      });
      await a.flush();
      await b.flush();
      a.publish(subject, "q1", `${a.inbox}.1`);
      a.publish(subject, "q2", `${a.inbox}.2`, { h: "1" });
      await until(a, b, () => answers.length === 2);
      await until(a, b, () => true);
      equal(answers.map((message) => text(message)), ["re: q1", "re: q2"], "the answers");
      equal(answers[1]?.subject, `${a.inbox}.2`, "the subject of the second");
      equal(answers.some((message) => a.isNoResponders(message)), false, "no responders");
      equal(others.length, 0, "what the other inbox got");
      holds(!answers[0]!.reply, "an answer asks for an answer");
    },
  ),

  on("a request that nobody listens to is told so at once", async ({ a, b, subject }) => {
    const answers = collect(a, `${a.inbox}.*`);
    const plain = collect(b, `${subject}.plain`);
    await a.flush();
    await b.flush();
    a.publish(`${subject}.nobody`, "q", `${a.inbox}.7`);
    a.publish(`${subject}.nobody`, "no answer wanted");
    a.publish(`${subject}.plain`, "", `${a.inbox}.8`);
    await until(a, b, () => answers.length >= 1 && plain.length === 1);
    equal(answers.map((message) => message.subject), [`${a.inbox}.7`], "the answers");
    equal(a.isNoResponders(answers[0]!), true, "no responders");
    equal(answers[0]!.data.length, 0, "the length of its body");
    equal(b.isNoResponders(plain[0]!), false, "no responders of an empty message");
  }),

  ...messagingLife,
];
