// Acknowledgements: few are confirmed, and all of them are known to have arrived.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { after, test } from "node:test";
import { Acked } from "../../src/adapters/nats/acked.ts";
import { Acks } from "../../src/adapters/nats/acks.ts";
import { Due } from "../../src/adapters/nats/due.ts";
import { Requests, type Waiter } from "../../src/adapters/nats/requests.ts";
import { WHEEL_TICK_MS } from "../../src/domain/timer_wheel.ts";
import { UnavailableError } from "../../mod.ts";
import type { Message, Messaging, SubscribeOptions } from "../../src/ports/messaging.ts";

interface Sent {
  readonly subject: string;
  readonly body: string;
  readonly reply: string | undefined;
}

const made: { readonly acks: Acks; readonly requests: Requests }[] = [];
after(() => {
  for (const { acks, requests } of made) {
    acks.forget();
    requests.ended("closed");
  }
});

/** Acknowledgements over a wire that shows what is sent, and answers when it is told to. */
function wire() {
  const sent: Sent[] = [];
  let inbox: SubscribeOptions | undefined;
  const state = { connected: true, nobody: 0, outages: 0, pending: [] as boolean[] };
  const messaging = {
    get connected() {
      return state.connected;
    },
    publish(subject: string, body: string, reply?: string) {
      if (!state.connected) throw new UnavailableError("away");
      sent.push({ subject, body, reply });
    },
    subscribe(_: string, options: SubscribeOptions) {
      inbox = options;
      return { drain: () => Promise.resolve() };
    },
  } as unknown as Messaging;
  const requests = new Requests(messaging, "inbox.");
  const acks = new Acks({
    messaging,
    requests,
    outages: () => state.outages,
    onDoubt: () => void state.nobody++,
    onRefused() {},
    onPending: (pending) => void state.pending.push(pending),
  });
  made.push({ acks, requests });
  const answer = (reply: string, isNoResponders = false): void =>
    inbox!.onMessage({ subject: reply, isNoResponders } as unknown as Message);
  return {
    acks,
    requests,
    state,
    /** What was sent since this was asked for the last time. */
    taken: (): Sent[] => sent.splice(0),
    answer,
  };
}

async function until(met: () => boolean): Promise<void> {
  for (const end = performance.now() + 10_000; !met();) {
    ok(performance.now() < end, "not within 10 s");
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

const replies = (sent: readonly Sent[]): string[] =>
  sent.flatMap(({ reply }) => reply === undefined ? [] : [reply]);

test("one acknowledgement at a time is confirmed, with all before it", async () => {
  const { acks, state, taken, answer } = wire();
  for (let i = 1; i <= 100; i++) acks.ack(i, `ack.${i}`, "+ACK", 0);
  let sent = taken();
  deepStrictEqual(
    sent.map(({ subject }) => subject),
    Array.from({ length: 100 }, (_, i) => `ack.${i + 1}`),
  );
  deepStrictEqual(replies(sent), [sent[0]!.reply]);
  answer(sent[0]!.reply!);
  strictEqual(acks.size, 99);
  acks.ack(101, "ack.101", "+ACK", 0);
  sent = taken();
  deepStrictEqual(sent.map(({ subject }) => subject), ["ack.101"]);
  answer(sent[0]!.reply!);
  strictEqual(acks.size, 0);
  deepStrictEqual(state.pending, [true, false]);
  await acks.settled(1_000);
});

test("the last ones are confirmed a moment later, or as soon as somebody waits for that", async () => {
  const { acks, taken, answer } = wire();
  for (let i = 1; i <= 3; i++) acks.ack(i, `ack.${i}`, "+ACK", 0);
  answer(replies(taken())[0]!);
  const settled = acks.settled(10_000);
  const [tail] = taken();
  strictEqual(tail?.subject, "ack.3");
  answer(tail.reply!);
  await settled;
  for (let i = 4; i <= 6; i++) acks.ack(i, `ack.${i}`, "+ACK", 0);
  answer(replies(taken())[0]!);
  for (const end = performance.now() + 5_000; acks.size > 0 && performance.now() < end;) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    for (const { subject, reply } of taken()) {
      strictEqual(subject, "ack.6");
      answer(reply!);
    }
  }
  strictEqual(acks.size, 0);
});

test("after an outage all that is not confirmed is sent again, and the last one is confirmed", () => {
  const { acks, requests, state, taken, answer } = wire();
  for (let i = 1; i <= 5; i++) acks.ack(i, `ack.${i}`, i === 2 ? "+TERM" : "+ACK", 0);
  const [old] = replies(taken());
  state.connected = false;
  requests.ended("broken");
  state.outages++;
  acks.away();
  acks.ack(6, "ack.6", "+ACK", 0);
  deepStrictEqual(taken(), []);
  strictEqual(acks.size, 6);
  state.connected = true;
  // Not before it is known whom it is said to.
  acks.ack(7, "ack.7", "+ACK", 0);
  acks.repeat();
  deepStrictEqual(taken(), []);
  acks.trust();
  const sent = taken();
  deepStrictEqual(
    sent.map(({ subject, body }) => `${subject} ${body}`),
    [1, 2, 3, 4, 5, 6, 7].map((n) => `ack.${n} ${n === 2 ? "+TERM" : "+ACK"}`),
  );
  ok(replies(sent).length === 1 && sent.at(-1)?.reply !== undefined);
  // The answer to the one before confirms nothing.
  answer(old!);
  strictEqual(acks.size, 7);
  answer(sent.at(-1)!.reply!);
  strictEqual(acks.size, 0);
});

test("while some are lost the next one confirms none of them", () => {
  const { acks, state, taken, answer } = wire();
  acks.ack(1, "ack.1", "+ACK", 0);
  answer(replies(taken())[0]!, true);
  strictEqual(state.nobody, 1);
  acks.ack(2, "ack.2", "+ACK", 0);
  deepStrictEqual(taken(), []);
  acks.repeat();
  const sent = taken();
  deepStrictEqual(sent.map(({ subject }) => subject), ["ack.1", "ack.2"]);
  answer(sent[1]!.reply!);
  strictEqual(acks.size, 0);
});

test("each nak is confirmed by itself, with what is left of its delay when it is repeated, and what ends at once may be sent again", async () => {
  const { acks, requests, state, taken, answer } = wire();
  acks.nak({ sequence: 1, storedAt: 1 }, "ack.1", 0);
  acks.nak({ sequence: 2, storedAt: 1 }, "ack.2", 90 * 86_400_000 * 10);
  const sent = taken();
  deepStrictEqual(sent.map(({ body }) => body), ["-NAK", '-NAK {"delay":77760000000000000}']);
  answer(sent[0]!.reply!);
  strictEqual(acks.size, 1);
  state.connected = false;
  requests.ended("broken");
  state.outages++;
  acks.away();
  state.connected = true;
  acks.repeat();
  deepStrictEqual(taken(), []);
  acks.trust();
  const [again] = taken();
  const delay = Number(/"delay":(\d+)}/.exec(again!.body)?.[1]);
  ok(delay <= 77_760_000_000_000_000 && delay > 77_759_000_000_000_000, again!.body);

  // Two requests whose time is over at the same moment: the first one that is told of it sends all again that are not under way.
  const all: (Waiter & { underWay: boolean })[] = [];
  const ends: string[] = [];
  const at = Math.ceil(performance.now() / WHEEL_TICK_MS + 2) * WHEEL_TICK_MS; // as a tick begins, in which it is noticed
  for (const subject of ["a", "b"]) {
    all.push({
      subject,
      slot: 0,
      expiresAt: at,
      wheelPrevious: undefined,
      wheelNext: undefined,
      underWay: true,
      answered() {},
      failed(why) {
        ends.push(`${subject} ${why}`);
        this.underWay = false;
        for (const one of why === "timeout" ? all : []) {
          if (one.underWay) continue;
          one.expiresAt = at + 60_000;
          requests.send(one, "again");
          one.underWay = true;
        }
      },
    });
  }
  taken();
  for (const one of all) requests.send(one, "first");
  await until(() => ends.length === 2);
  requests.ended("broken");
  deepStrictEqual(ends, ["a timeout", "b timeout", "a broken", "b broken"]);
  deepStrictEqual(taken().map(({ subject, body }) => `${subject} ${body}`), [
    "a first",
    "b first",
    "a again",
    "b again",
  ]);
});

test("a message that comes again too early has its nak again, one that is due is delivered", () => {
  const { acks, taken, answer } = wire();
  acks.nak({ sequence: 1, storedAt: 1 }, "ack.1", 60_000);
  acks.nak({ sequence: 2, storedAt: 1 }, "ack.2", 0);
  taken();
  strictEqual(acks.isEarly({ sequence: 1, storedAt: 1 }, "ack.1.again"), true);
  const [again] = taken();
  strictEqual(again?.subject, "ack.1.again");
  strictEqual(acks.isEarly({ sequence: 2, storedAt: 1 }, "ack.2.again"), false);
  strictEqual(acks.isEarly({ sequence: 3, storedAt: 1 }, "ack.3"), false);
  answer(again.reply!);
  strictEqual(acks.size, 0);
});

test("a message that was in line to come again when its nak arrived is told again to come later", () => {
  const { acks, taken, answer } = wire();
  const confirm = (): void => taken().forEach(({ reply }) => answer(reply!));
  for (const [sequence, ms] of [[1, 60_000], [2, 60_000], [2, 0], [3, 20]] as const) {
    acks.nak({ sequence, storedAt: 1 }, `ack.${sequence}`, ms);
    confirm();
  }
  strictEqual(acks.size, 0);
  strictEqual(acks.isEarly({ sequence: 1, storedAt: 1 }, "ack.1.again"), true);
  const [again] = taken();
  const delay = Number(/"delay":(\d+)}/.exec(again!.body)?.[1]) / 1e6;
  ok(again!.subject === "ack.1.again" && delay > 59_000 && delay <= 60_000, again!.body);
  // Until that is confirmed it holds as any nak does, and afterwards too.
  answer(again!.reply!);
  strictEqual(acks.isEarly({ sequence: 1, storedAt: 1 }, "ack.1.third"), true);
  confirm();
  // The last word counts, and what comes in its time is delivered.
  strictEqual(acks.isEarly({ sequence: 2, storedAt: 1 }, "ack.2.again"), false);
  strictEqual(acks.isEarly({ sequence: 3, storedAt: 1 }, "ack.3.again"), false);
  strictEqual(acks.isEarly({ sequence: 1, storedAt: 2 }, "ack.1"), false, "of another stream");
  acks.forget();
  strictEqual(
    acks.isEarly({ sequence: 1, storedAt: 1 }, "ack.1.fourth"),
    false,
    "of another consumer",
  );
});

test("many messages may be due, and of the latest it is known", () => {
  const due = new Due();
  const at = performance.now() + 60_000;
  for (let sequence = 0; sequence < 100_000; sequence++) due.add(`${sequence}`, at);
  strictEqual(due.came("0"), 0);
  for (let sequence = 96_000; sequence < 100_000; sequence++) ok(due.came(`${sequence}`) > 50_000);
});

test("what was said before an outage is not said to another consumer of the name, which has an era of its own", () => {
  const { acks, requests, state, taken } = wire();
  acks.ack(1, "ack.1", "+ACK", 0);
  acks.nak({ sequence: 2, storedAt: 1 }, "ack.2", 0);
  const { era } = acks;
  state.connected = false;
  requests.ended("broken");
  state.outages++;
  acks.away();
  state.connected = true;
  taken();
  acks.forget();
  acks.trust();
  deepStrictEqual(taken(), []);
  ok(acks.era !== era);
  acks.ack(1, "ack.1", "+ACK", 0);
  strictEqual(taken().length, 1);
});

test("after an outage whatever is to be said has the consumer looked for, but for what is said now or never", () => {
  const { acks, state, taken } = wire();
  // Whoever is not enlisted is not told that the bus went away.
  state.outages++;
  acks.repeat();
  strictEqual(state.nobody, 0);
  acks.nak({ sequence: 1, storedAt: 1 }, "ack.1", 0, true);
  strictEqual(acks.size, 0);
  state.nobody = 0;
  acks.ack(2, "ack.2", "+ACK", 0);
  acks.nak({ sequence: 3, storedAt: 1 }, "ack.3", 0);
  strictEqual(state.nobody, 2);
  deepStrictEqual(taken(), []);
  acks.trust();
  deepStrictEqual(taken().map(({ subject }) => subject), ["ack.2", "ack.3"]);
});

test("of another consumer nothing is in hand where there was doubt, and some may be where there was none", () => {
  const { acks, state, taken, answer } = wire();
  acks.forget(!acks.isDoubtful);
  strictEqual(acks.era, 0);
  acks.doubt();
  acks.ack(1, "ack.1", "+ACK", 0);
  deepStrictEqual(taken(), []);
  acks.forget(!acks.isDoubtful);
  strictEqual(acks.era, 1);
  acks.ack(2, "ack.2", "+ACK", 0);
  answer(taken()[0]!.reply!, true);
  strictEqual(state.nobody, 2);
  ok(acks.isDoubtful);
  acks.trust();
  ok(!acks.isDoubtful);
});

test("what is forgotten is neither repeated nor waited for", async () => {
  const { acks, taken } = wire();
  acks.ack(1, "ack.1", "+ACK", 0);
  acks.nak({ sequence: 2, storedAt: 1 }, "ack.2", 0);
  const settled = acks.settled(10_000);
  acks.forget();
  await settled;
  taken();
  acks.repeat();
  deepStrictEqual(taken(), []);
  strictEqual(acks.has({ sequence: 1, storedAt: 0 }), false);
});

test("some thousands of acknowledged messages are remembered, and all that are not confirmed", () => {
  const acked = new Acked();
  for (let i = 1; i <= 20_000; i++) acked.add(i, 0);
  ok(acked.has(20_000) && acked.has(20_000 - 4_000) && !acked.has(1));
  for (let i = 1; i <= 20_000; i++) acked.add(100_000 + i, i - 1);
  ok(acked.has(100_001));
});

test("a message of an acknowledged sequence that was stored later than all of them is another one", () => {
  const { acks } = wire();
  const subject = (sequence: number, ms: number) =>
    `$JS.ACK.EVENTS.c1.1.${sequence}.${sequence}.${ms}000000.0`;
  for (let i = 1; i <= 10; i++) {
    acks.ack(i, subject(i, 1_700_000_000_000 + i), "+ACK", 1_700_000_000_000 + i);
  }
  // Again the same one, and one that was not acknowledged.
  strictEqual(acks.has({ sequence: 4, storedAt: 1_700_000_000_004 }), true);
  strictEqual(acks.has({ sequence: 11, storedAt: 1_700_000_000_011 }), false);
  // The stream was removed and made again: its fourth message has come now.
  strictEqual(acks.has({ sequence: 4, storedAt: 1_700_000_000_500 }), false);
  strictEqual(acks.has({ sequence: 5, storedAt: 1_700_000_000_005 }), false);
  strictEqual(acks.size, 0);
});
