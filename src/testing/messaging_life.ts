// The contract of core messaging, second part: what becomes of messages as things begin, end and go wrong.

import { AegisError } from "../domain/error.ts";
import type { Message } from "../ports/messaging.ts";
import { type Case, collect, equal, fails, holds, on, text, until } from "./contract_tools.ts";

/** Cases of subscriptions that drain, connections that close, and messages that are refused. */
export const messagingLife: readonly Case[] = [
  on("flush() makes a subscription stand", async ({ a, b, subject }) => {
    for (let i = 0; i < 20; i++) {
      const got = collect(b, `${subject}.${i}`);
      await b.flush();
      a.publish(`${subject}.${i}`, "");
      await until(a, b, () => got.length === 1);
    }
  }),

  on("drain() hands over what was routed, and nothing after it", async ({ a, b, subject }) => {
    const got: Message[] = [];
    const subscription = b.subscribe(subject, { onMessage: (message) => got.push(message) });
    await b.flush();
    for (let i = 0; i < 500; i++) a.publish(subject, String(i));
    await a.flush();
    await subscription.drain();
    equal(got.length, 500, "what was handed over");
    a.publish(subject, "late");
    await until(a, b, () => true);
    await subscription.drain();
    equal(got.length, 500, "what was handed over after the drain");
  }),

  on("a queue group loses nothing while a member drains", async ({ a, b, subject }) => {
    const got: string[] = [];
    const take = { queue: "q", onMessage: (message: Message) => void got.push(text(message)) };
    a.subscribe(subject, take);
    const leaving = b.subscribe(subject, take);
    await a.flush();
    await b.flush();
    let drained: Promise<void> | undefined;
    for (let i = 0; i < 1_000; i++) {
      a.publish(subject, String(i));
      if (i === 300) drained = leaving.drain();
      if (i % 100 === 0) await a.flush();
    }
    await drained;
    await until(a, b, () => got.length >= 1_000);
    equal(new Set(got).size, 1_000, "different messages");
    equal(got.length, 1_000, "messages");
  }),

  on("a message over maxPayload is refused, and one just under it is not", async (wire) => {
    const { a, b, subject } = wire;
    const got = collect(b, subject);
    await b.flush();
    const most = a.maxPayload;
    for (
      const body of ["x".repeat(most + 1), new Uint8Array(most + 1), "é".repeat(most / 2 + 1)]
    ) {
      fails("PAYLOAD_TOO_LARGE", () => a.publish(subject, body));
    }
    // Headers count too.
    fails("PAYLOAD_TOO_LARGE", () => a.publish(subject, "x".repeat(most), undefined, { a: "b" }));
    a.publish(subject, "x".repeat(most));
    await until(a, b, () => got.length === 1);
    equal(got[0]!.data.length, most, "the length of what arrived");
  }),

  on("close() sends what is still to be sent", async ({ a, b, first, subject }) => {
    const got = collect(b, subject);
    await b.flush();
    for (let i = 0; i < 100; i++) a.publish(subject, String(i));
    await Promise.all([first.close(), first.close()]);
    await until(b, b, () => got.length === 100);
  }),

  on("what a listener throws keeps nothing from anybody", async ({ a, b, first, subject }) => {
    const told: string[] = [];
    const fail = (): void => {
      throw new Error("a listener threw this on purpose");
    };
    b.subscribe(subject, { onMessage: fail });
    first.onStatus(fail);
    first.onStatus((status) => told.push(status));
    const got = collect(b, subject);
    await b.flush();
    for (let i = 0; i < 3; i++) a.publish(subject, String(i));
    await until(a, b, () => got.length === 3);
    await first.close();
    equal(told, ["closed"], "what the next listener was told");
  }),

  on("after close() everything is refused with a ClosedError", async ({ a, first, subject }) => {
    const told: string[] = [];
    first.onStatus((status) => told.push(status));
    equal([first.status, a.connected], ["connected", true], "before");
    await first.close();
    equal([first.status, a.connected], ["closed", false], "after");
    equal(told, ["closed"], "what listeners were told");
    fails("CLOSED", () => a.publish(subject, ""));
    fails("CLOSED", () => void a.subscribe(subject, { onMessage() {} }));
    const error = await a.flush().then(() => undefined, (error: unknown) => error);
    holds(AegisError.is(error, "CLOSED"), `flush() rejected with ${error}`);
  }),

  on("a subject that cannot be is refused with a TypeError", async ({ a, b, subject }) => {
    for (const wrong of ["", " ", "a b", "a\tb", "a\r\nPUB b 0", "a..b", ".a", "a."]) {
      fails("TypeError", () => a.publish(wrong, ""));
      fails("TypeError", () => void a.subscribe(wrong, { onMessage() {} }));
    }
    const got = collect(b, subject);
    await b.flush();
    a.publish(subject, "still here");
    await until(a, b, () => got.length === 1);
  }),

  on("ping() gives the time of a round trip", async ({ first }) => {
    const ms = await first.ping();
    holds(ms >= 0 && ms < 5_000, `a round trip of ${ms} ms`);
  }),
];
