// Following a stream over NATS, by what a server sends: each delivery has its number, and none may be missing.

import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { CatchUp } from "../../src/adapters/nats/catch_up.ts";
import { NatsFollow } from "../../src/adapters/nats/follow.ts";
import type { FollowParts } from "../../src/adapters/nats/follow_parts.ts";
import { Gate } from "../../src/adapters/nats/gate.ts";
import type { NatsMessage } from "../../src/adapters/nats/message.ts";
import { Skips } from "../../src/adapters/nats/skips.ts";
import { Vigil } from "../../src/adapters/nats/vigil.ts";
import type { StoredMessage } from "../../src/ports/stream.ts";

/** Lets what was promised happen. */
async function turns(): Promise<void> {
  for (let i = 0; i < 20; i++) await undefined;
}

/** Something that is followed, and the server's side of it. */
async function begun({ last = 0, skips = false, silenceMs = 60_000 } = {}) {
  const told: string[] = [];
  const lost: Error[] = [];
  const sent: string[] = [];
  const state = { last };
  let receive: (message: NatsMessage) => void = () => {};
  const created = {
    created: "2026-01-01T00:00:00.123999Z",
    delivered: { consumer_seq: 0, stream_seq: 0 },
  };
  const manager = {
    streams: { info: () => Promise.resolve({ state: { last_seq: last } }) },
    consumers: { add: () => Promise.resolve(created) },
  };
  const parts = {
    messaging: {
      connected: true,
      subscribe(_subject: string, options: { onMessage: typeof receive }) {
        receive = options.onMessage;
        return { drain: () => Promise.resolve() };
      },
      publish: (subject: string) => void sent.push(subject),
    },
    api: { prefix: "$JS.API", run: (_what: string, ask: (of: unknown) => unknown) => ask(manager) },
    ask: { ask: (_what: string, subject: string) => Promise.resolve(sent.push(subject)) },
    reader: {
      lastSequence: () => Promise.resolve(state.last),
      read: () => Promise.resolve(undefined),
    },
    skips: () => skips,
    enlisted: new Set(),
    vigil: new Vigil(silenceMs),
    gate: new Gate(1_000),
    place: () => ({ name: "c", inbox: "_INBOX.c" }),
    failed() {},
  } as unknown as FollowParts;
  const follow = new NatsFollow(parts, "S", {
    filter: ">",
    from: "lastPerSubject",
    onMessage: ({ sequence }) => void told.push(String(sequence)),
    onCaughtUp: () => void told.push("|"),
    onLost: (error) => void lost.push(error),
  });
  await turns();
  const message = (reply: string, code = 0, headers: Readonly<Record<string, string>> = {}) =>
    receive({
      subject: "s",
      reply,
      status: { code, description: "said" },
      header: (name: string) => headers[name],
    } as unknown as NatsMessage);
  return {
    follow,
    told,
    lost,
    sent,
    state,
    parts,
    /** The server delivers a message. */
    deliver(delivery: number, sequence: number, pending = 0) {
      message(`$JS.ACK.S.c.1.${sequence}.${delivery}.1767225600123456789.${pending}`);
    },
    /** It says that it is there, and how many deliveries it has made. */
    beat(delivery: number, sequence: number, more: Readonly<Record<string, string>> = {}) {
      const headers = { "Nats-Last-Consumer": `${delivery}`, "Nats-Last-Stream": `${sequence}` };
      message("", 100, { ...headers, ...more });
    },
    /** It says something else. */
    say: message,
  };
}

test("all has come when what was last has, and nothing came meanwhile", async () => {
  const { follow, told, deliver, state } = await begun({ last: 7 });
  strictEqual(await follow.began, 1_767_225_600_123);
  deliver(1, 3, 0);
  state.last = 9;
  deliver(2, 7, 0);
  await turns();
  deepStrictEqual(told, ["3", "7"]);
  deliver(3, 9, 5);
  await turns();
  deepStrictEqual(told, ["3", "7", "9", "|"]);
  deliver(4, 10);
  deepStrictEqual(told.slice(4), ["10"]);
  follow.stop();
});

test("what was last and is removed before it comes is not waited for beyond a heartbeat", async () => {
  const { follow, told, deliver, beat } = await begun({ last: 7 });
  deliver(1, 3);
  beat(1, 6);
  await turns();
  deepStrictEqual(told, ["3"]);
  beat(1, 7);
  await turns();
  deepStrictEqual(told, ["3", "|"]);
  follow.stop();
});

test("a delivery that did not come is noticed by the number of the next", async () => {
  const { follow, told, lost, deliver, sent } = await begun();
  deliver(1, 3);
  deliver(3, 5);
  deliver(4, 6);
  deepStrictEqual(told, ["|", "3"]);
  strictEqual(lost.length, 1);
  match(lost[0]!.message, /number 3/);
  deepStrictEqual(sent, ["$JS.API.CONSUMER.DELETE.S.c"]);
  strictEqual(await follow.began, 1_767_225_600_123);
});

test("one that did not come is noticed by a heartbeat too, however early that is", async () => {
  for (const count of [2, 0]) {
    const { lost, deliver, beat } = await begun();
    deliver(1, 3);
    beat(1, 3);
    strictEqual(lost.length, 0);
    beat(count, 5);
    strictEqual(lost.length, 1);
  }
});

test("a message that comes again in place of one that was replaced is told once", async () => {
  const { follow, told, lost, deliver } = await begun({ last: 9 });
  for (const [index, sequence] of [3, 9, 9, 4, 9, 12].entries()) deliver(index + 1, sequence);
  deepStrictEqual(told, ["3", "9", "12"]);
  strictEqual(lost.length, 0);
  follow.stop();
});

test("a server that asks whether all was taken is told so, and again where it waits for that", async () => {
  const { follow, lost, say, beat, sent, parts } = await begun();
  say("$JS.FC.S.c.1", 100);
  beat(0, 0, { "Nats-Consumer-Stalled": "$JS.FC.S.c.2" });
  deepStrictEqual(sent, ["$JS.FC.S.c.1", "$JS.FC.S.c.2"]);
  const [one] = parts.enlisted;
  one!.refused("$JS.FC.S.c.1", new Error("of another"));
  strictEqual(lost.length, 0);
  one!.refused("$JS.FC.S.c.2", new Error("not permitted"));
  deepStrictEqual(lost.map(({ message }) => message), ["not permitted"]);
  follow.stop();
  strictEqual(parts.enlisted.size, 0);
});

test("whatever else the server says in place of a message is the end", async () => {
  const { lost, say, told, deliver } = await begun();
  say("", 0);
  strictEqual(lost.length, 0);
  say("", 409);
  match(lost[0]!.message, /409 said/);
  deliver(1, 1);
  deepStrictEqual([told, lost.length], [["|"], 1]);
});

test("who hears nothing of the server for too long has lost what was followed", async () => {
  const { lost, told } = await begun({ silenceMs: 600 });
  for (const end = performance.now() + 5_000; lost.length === 0 && performance.now() < end;) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  match(lost[0]!.message, /nothing was heard/);
  deepStrictEqual(told, ["|"]);
});

test("after a look that takes too long nothing that was replaced is waited for", async () => {
  let last = 0;
  const asked: number[] = [];
  const catchUp = new CatchUp(() => {
    asked.push(++last);
    return Promise.resolve(last);
  });
  let done = false;
  const ended = catchUp.done().then(() => done = true);
  await turns();
  deepStrictEqual([asked, done], [[1], false]);
  // As much comes as is stored, and never more.
  for (; !done; await new Promise((resolve) => setTimeout(resolve, 5))) catchUp.reach(last);
  await ended;
  ok(asked.length > 5, `${asked.length}`);
});

test("a gap in which nothing is left is none, and one with a message that did not come is", async () => {
  const there = new Map<number, string>();
  const asked: number[] = [];
  const message = (sequence: number | undefined): StoredMessage | undefined => {
    if (sequence === undefined) return undefined;
    const subject = there.get(sequence)!;
    return { subject, sequence, storedAt: 0, data: new Uint8Array(), headers: {} };
  };
  const found: string[] = [];
  const parts = {
    next(sequence: number) {
      asked.push(sequence);
      return Promise.resolve(message([...there.keys()].find((one) => one >= sequence)));
    },
    onSkipped: () => void found.push("skipped"),
    onUnknown: ({ message }: Error) => void found.push(message),
  };
  const last = (subject: string) =>
    Promise.resolve(message([...there.keys()].findLast((one) => there.get(one) === subject)));
  const exact = new Skips({ ...parts, last: undefined }, 5);
  const newest = new Skips({ ...parts, last }, 5);
  for (const [sequence, subject] of [[4, "a"], [7, "b"], [9, "b"], [12, "c"]] as const) {
    there.set(sequence, subject);
  }
  for (const skips of [exact, newest]) {
    skips.came(3);
    skips.came(6);
    strictEqual(asked.length, 0, "what is before the beginning, or follows at once, is no gap");
    skips.came(7);
    skips.came(9);
    await turns();
    deepStrictEqual([asked.splice(0), found], [[8], []]);
  }
  // What was replaced by another of its subject need not come.
  there.set(10, "c");
  there.delete(12);
  there.set(12, "c");
  newest.reached(11);
  await turns();
  deepStrictEqual([asked.splice(0), found], [[10, 11], []]);
  exact.reached(11);
  await turns();
  deepStrictEqual([asked.splice(0), found.splice(0)], [[10], ["skipped"]]);
  newest.came(13);
  await turns();
  deepStrictEqual(found.splice(0), ["skipped"]);
  newest.end();
  newest.came(20);
  await turns();
  deepStrictEqual([asked.at(-1), found], [12, []]);
});

test("that it is not known whether something was skipped is told as well", async () => {
  const found: unknown[] = [];
  const skips = new Skips({
    next: () => Promise.reject(new Error("no answer")),
    last: undefined,
    onSkipped: () => void found.push("skipped"),
    onUnknown: ({ message }) => void found.push(message),
  }, 0);
  skips.came(5);
  await turns();
  deepStrictEqual(found, ["no answer"]);
});

test("one goes through a gate at a time, in their order, and is not waited for too long", async () => {
  const gate = new Gate(50);
  const through: string[] = [];
  const leaving = ["a", "b", "c"].map(async (name) => {
    const leave = await gate.enter();
    through.push(name);
    return leave;
  });
  await turns();
  deepStrictEqual(through, ["a"]);
  (await leaving[0]!)();
  (await leaving[0]!)();
  await turns();
  deepStrictEqual(through, ["a", "b"]);
  const started = performance.now();
  const leave = await leaving[2]!;
  ok(performance.now() - started < 5_000);
  deepStrictEqual(through, ["a", "b", "c"]);
  leave();
  const again = await gate.enter();
  again();
});

test("what is stopped before it began is nothing to a server", async () => {
  const { follow, parts, sent, told, lost } = await begun();
  follow.stop();
  strictEqual(sent.length, 1);
  const early = new NatsFollow(parts, "S", {
    filter: ">",
    from: "new",
    onMessage() {},
    onCaughtUp: () => void told.push("early"),
    onLost: (error) => void lost.push(error),
  });
  early.stop();
  await rejects(early.began, /stopped/);
  await turns();
  deepStrictEqual([sent.length, told, lost, parts.enlisted.size], [1, ["|"], [], 0]);
});
