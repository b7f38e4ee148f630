// Leases: what a candidate does with what it learns, step by step.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { stepLease } from "../../src/domain/lease.ts";
import type { FailoverPolicy } from "../../src/domain/lease_policy.ts";
import type { LeaseRecord } from "../../src/domain/lease_record.ts";
import {
  leadsAt,
  type LeaseAction,
  type LeaseContent,
  type LeaseObservation,
  type LeaseState,
  newLease,
} from "../../src/domain/lease_state.ts";

const POLICY: FailoverPolicy = {
  electionTimeoutMs: 1_000,
  heartbeatIntervalMs: 200,
  retryIntervalMs: 50,
};
const OTHER: LeaseRecord = {
  holder: "b",
  writer: "b.1",
  write: 4,
  leaseMs: 2_000,
  base: 0,
  token: 3,
  released: false,
};

/** A candidate whose steps are made one after the other. */
class Candidate {
  state: LeaseState = newLease("a", "a.1", POLICY);
  dueAt: number | undefined;

  on(observation: LeaseObservation, now: number): readonly LeaseAction[] {
    const { state, actions, dueAt } = stepLease(this.state, observation, now);
    this.state = state;
    this.dueAt = dueAt;
    return actions;
  }

  timer(now: number): readonly LeaseAction[] {
    return this.on({ kind: "timer" }, now);
  }

  /** Something is read. */
  read(
    revision: number,
    content: LeaseContent,
    now: number,
    askedAt = now,
  ): readonly LeaseAction[] {
    return this.on({ kind: "seen", revision, content, askedAt }, now);
  }

  /** The watch tells something. */
  hear(revision: number, content: LeaseContent, now: number): readonly LeaseAction[] {
    return this.on({ kind: "seen", revision, content }, now);
  }
}

/** One that leads since 1,000 by its write 1 at revision 1. */
function leader(): Candidate {
  const candidate = new Candidate();
  candidate.timer(1_000);
  candidate.read(0, "absent", 1_000);
  candidate.on({ kind: "stored", write: 1, revision: 1 }, 1_004);
  return candidate;
}

/** One that read the record of another at 1,000. */
function waiting(content: LeaseContent = OTHER): Candidate {
  const candidate = new Candidate();
  candidate.timer(1_000);
  candidate.read(9, content, 1_000);
  return candidate;
}

const kinds = (actions: readonly LeaseAction[]) => actions.map(({ kind }) => kind);
const writeOf = (actions: readonly LeaseAction[]) =>
  actions.find((action) => action.kind === "write");

test("who finds that nobody ever led writes at once, and leads by the store's answer", () => {
  const candidate = new Candidate();
  deepStrictEqual(kinds(candidate.timer(1_000)), ["read"]);
  const write = writeOf(candidate.read(0, "absent", 1_002));
  strictEqual(write?.revision, 0);
  ok(!leadsAt(candidate.state, 1_002));
  deepStrictEqual(candidate.on({ kind: "stored", write: 1, revision: 12 }, 1_005), [
    { kind: "lead", token: 12 },
  ]);
});

test("the right runs from before the write, and ends by itself", () => {
  const { state, dueAt } = leader();
  strictEqual(dueAt, 1_200);
  ok(leadsAt(state, 1_899.9));
  ok(!leadsAt(state, 1_900));
});

test("a heartbeat renews it from before its own write, with the same token", () => {
  const candidate = leader();
  const write = writeOf(candidate.timer(1_200));
  deepStrictEqual([write?.revision, write?.record.token], [1, 1]);
  deepStrictEqual(candidate.on({ kind: "stored", write: 2, revision: 5 }, 1_380), []);
  ok(leadsAt(candidate.state, 2_099));
  ok(!leadsAt(candidate.state, 2_100));
  strictEqual(candidate.state.right?.token, 1);
});

test("a leader that stood still yields at the first thing that it hears, and stands again", () => {
  const candidate = leader();
  deepStrictEqual(kinds(candidate.timer(5_000)), ["yield", "write"]);
  deepStrictEqual(candidate.on({ kind: "stored", write: 2, revision: 2 }, 5_003), [
    { kind: "lead", token: 2 },
  ]);
});

test("an unanswered write gives no right until it is read back, and then from before it was sent", () => {
  const candidate = new Candidate();
  candidate.timer(1_000);
  const write = writeOf(candidate.read(0, "absent", 1_000))!;
  deepStrictEqual(kinds(candidate.on({ kind: "unknown", write: 1 }, 1_200)), ["read"]);
  ok(!leadsAt(candidate.state, 1_200));
  deepStrictEqual(candidate.read(7, write.record, 1_210), [{ kind: "lead", token: 7 }, {
    kind: "write",
    write: 2,
    revision: 7,
    record: { ...write.record, write: 2, token: 7 },
    withinMs: 200,
  }]);
  strictEqual(candidate.state.right?.until, 1_900);
});

test("an own write that is found when its right is over is written over without waiting", () => {
  const candidate = new Candidate();
  candidate.timer(1_000);
  const { record } = writeOf(candidate.read(0, "absent", 1_000))!;
  candidate.on({ kind: "unknown", write: 1 }, 1_200);
  const write = writeOf(candidate.read(7, record, 3_000));
  deepStrictEqual([write?.revision, write?.record.token], [7, undefined]);
  ok(!leadsAt(candidate.state, 3_000));
});

test("a refused renewal whose earlier twin was stored neither ends nor prolongs the right", () => {
  const candidate = leader();
  const { record } = writeOf(candidate.timer(1_200))!;
  candidate.on({ kind: "unknown", write: 2 }, 1_400);
  candidate.read(1, candidate.state.seen!.content, 1_410); // not stored yet
  deepStrictEqual(kinds(candidate.on({ kind: "conflict", write: 3 }, 1_420)), ["read"]);
  ok(leadsAt(candidate.state, 1_420));
  candidate.read(2, record, 1_430);
  strictEqual(candidate.state.right?.until, 2_100); // by write 2, which was sent at 1,200
});

test("a record is waited for as long as it says, and a tenth, since it was seen first", () => {
  const candidate = waiting();
  strictEqual(candidate.dueAt, 3_200);
  candidate.read(9, OTHER, 2_500); // the same again
  deepStrictEqual(candidate.timer(3_199), []);
  const write = writeOf(candidate.timer(3_200));
  deepStrictEqual([write?.revision, write?.record.leaseMs], [9, 1_000]);
});

test("each renewal that is seen begins the wait anew, and old news does not", () => {
  const candidate = waiting();
  candidate.hear(10, { ...OTHER, write: 5 }, 2_000);
  candidate.hear(8, { ...OTHER, write: 3 }, 2_900);
  strictEqual(candidate.dueAt, 4_200);
});

test("the same instance in an earlier life is waited for like any other", () => {
  const candidate = waiting({ ...OTHER, holder: "a", writer: "a.0" });
  strictEqual(candidate.dueAt, 3_200);
});

test("a released record is taken over at once", () => {
  const candidate = waiting();
  const write = writeOf(candidate.hear(10, { ...OTHER, write: 5, released: true }, 1_500));
  strictEqual(write?.revision, 10);
});

test("who was slower reads, and waits for the one who was faster", () => {
  const candidate = waiting({ ...OTHER, released: true });
  deepStrictEqual(kinds(candidate.on({ kind: "conflict", write: 1 }, 1_010)), ["read"]);
  candidate.read(10, { ...OTHER, holder: "c", writer: "c.1" }, 1_012);
  strictEqual(candidate.dueAt, 3_212);
});

test("a refusal at what seems to be the last revision is not repeated at once", () => {
  const candidate = waiting({ ...OTHER, released: true });
  candidate.on({ kind: "conflict", write: 1 }, 1_010);
  deepStrictEqual(candidate.read(9, { ...OTHER, released: true }, 1_012), []);
  strictEqual(candidate.dueAt, 1_060);
});

test("what somebody spoiled or removed is waited for: the own lease, and no less than what was there", () => {
  for (const content of ["garbage", "absent"] as const) {
    strictEqual(waiting(content).dueAt, 2_100);
    const candidate = waiting();
    candidate.hear(10, content, 1_500);
    strictEqual(candidate.dueAt, 3_700);
  }
});

test("a leader whose record was spoiled, removed or written over yields at once", () => {
  for (const content of ["garbage", "absent", OTHER] as const) {
    const candidate = leader();
    deepStrictEqual(kinds(candidate.hear(2, content, 1_100)), ["yield"]);
  }
});

test("a lapsed leadership is not revived by its own last renewal", () => {
  const candidate = leader();
  candidate.timer(1_200);
  candidate.timer(1_950);
  deepStrictEqual(kinds(candidate.on({ kind: "stored", write: 2, revision: 2 }, 1_960)), ["write"]);
  ok(!leadsAt(candidate.state, 1_960));
});

test("stop() yields before it gives the record to the next, and that is all", () => {
  const candidate = leader();
  const actions = candidate.on({ kind: "stop" }, 1_100);
  deepStrictEqual(kinds(actions), ["yield", "write"]);
  deepStrictEqual([writeOf(actions)?.record.released, writeOf(actions)?.record.token], [true, 1]);
  deepStrictEqual(candidate.on({ kind: "stored", write: 2, revision: 2 }, 1_105), [
    { kind: "over" },
  ]);
  deepStrictEqual(candidate.timer(9_000), []);
});

test("stop() gives back what was still on its way", () => {
  const candidate = new Candidate();
  candidate.timer(1_000);
  candidate.read(0, "absent", 1_000);
  deepStrictEqual(candidate.on({ kind: "stop" }, 1_001), []);
  const actions = candidate.on({ kind: "stored", write: 1, revision: 1 }, 1_004);
  deepStrictEqual(kinds(actions), ["write"]);
  ok(writeOf(actions)?.record.released);
  ok(!leadsAt(candidate.state, 1_004));
});

test("stop() of one that waits, or whose store is away, is over at once", () => {
  deepStrictEqual(waiting().on({ kind: "stop" }, 1_100), [{ kind: "over" }]);
  const candidate = leader();
  candidate.on({ kind: "link", up: false }, 1_050);
  deepStrictEqual(kinds(candidate.on({ kind: "stop" }, 1_100)), ["yield", "over"]);
});

test("a leader that is cut off leads to the end of its right, and renews as soon as it can", () => {
  const candidate = leader();
  candidate.on({ kind: "link", up: false }, 1_100);
  strictEqual(candidate.dueAt, 1_900);
  deepStrictEqual(kinds(candidate.on({ kind: "link", up: true }, 1_120)), ["write"]);
});

test("a sleep that the clock does not show takes as much of every right from before", () => {
  const candidate = leader();
  candidate.timer(1_200);
  deepStrictEqual(kinds(candidate.on({ kind: "slept", ms: 690 }, 1_210)), ["yield"]);
  deepStrictEqual(kinds(candidate.on({ kind: "stored", write: 2, revision: 2 }, 1_211)), ["write"]);
  ok(!leadsAt(candidate.state, 1_211));
  // A write that was under way is as old.
  for (const [ms, until] of [[500, 1_400], [900, 1_000]] as const) {
    const taking = new Candidate();
    taking.timer(1_000);
    taking.read(0, "absent", 1_000);
    deepStrictEqual(taking.on({ kind: "slept", ms }, 1_001), []);
    taking.on({ kind: "stored", write: 1, revision: 1 }, 1_002);
    strictEqual(leadsAt(taking.state, until - 1), until > 1_002);
    ok(!leadsAt(taking.state, until));
  }
});

test("a short sleep costs no leadership, and what is left is renewed sooner; several add up", () => {
  const candidate = leader();
  deepStrictEqual(kinds(candidate.on({ kind: "slept", ms: 150 }, 1_010)), []);
  strictEqual(candidate.dueAt, 1_050);
  deepStrictEqual(kinds(candidate.timer(1_050)), ["write"]);
  for (let slept = 150, now = 1_100; slept < 900 - 100; slept += 50, now++) {
    ok(leadsAt(candidate.state, now), `after ${slept} ms of sleep`);
    candidate.on({ kind: "slept", ms: 50 }, now);
  }
  ok(!leadsAt(candidate.state, 1_115));
});

test("one that waits has waited no longer because its machine slept", () => {
  const candidate = waiting();
  deepStrictEqual(kinds(candidate.on({ kind: "slept", ms: 600_000 }, 1_500)), []);
  strictEqual(candidate.dueAt, 3_200);
});

const endsOf = (...steps: (readonly LeaseAction[])[]) =>
  steps.flat().flatMap((action) => action.kind === "yield" ? [action.end] : []);

test("a leadership that a standstill of its process has cost says so", () => {
  deepStrictEqual(endsOf(leader().timer(5_000)), ["standstill"]);
  // Its heartbeat was sent as it began to stand still.
  const candidate = leader();
  candidate.timer(1_200);
  deepStrictEqual(endsOf(candidate.timer(1_900)), ["standstill"]);
  // However it finds it out.
  deepStrictEqual(endsOf(leader().hear(7, OTHER, 3_000)), ["standstill"]);
  deepStrictEqual(endsOf(leader().on({ kind: "link", up: false }, 3_000)), ["standstill"]);
  deepStrictEqual(endsOf(leader().on({ kind: "stop" }, 3_000)), ["standstill"]);
});

test("two standstills of which the second costs the leadership say so, however long each of them was", () => {
  for (let first = 20; first < 900; first += 20) {
    const candidate = leader();
    // What was sent before the first one is answered after it; what was sent between them never is.
    candidate.timer(1_200);
    const heard = candidate.on({ kind: "stored", write: 2, revision: 2 }, 1_200 + first);
    const ends = endsOf(heard, candidate.timer(1_200 + first), candidate.timer(2_101));
    deepStrictEqual(ends, ["standstill"], `after ${first} ms`);
  }
});

test("one that an outage has cost says so, and that it was let go of says one that stops", () => {
  const unanswered = leader();
  for (const [kind, at] of [["unknown", 1_400], ["unread", 1_600], ["unread", 1_850]] as const) {
    unanswered.timer(at - 200);
    unanswered.on(kind === "unknown" ? { kind, write: 2 } : { kind }, at);
  }
  deepStrictEqual(endsOf(unanswered.timer(1_900)), ["taken"]);
  const away = leader();
  away.on({ kind: "link", up: false }, 1_100);
  deepStrictEqual(endsOf(away.timer(1_900)), ["taken"]);
  deepStrictEqual(endsOf(leader().hear(2, OTHER, 1_100)), ["taken"]);
  deepStrictEqual(endsOf(leader().on({ kind: "slept", ms: 800 }, 1_100)), ["taken"]);
  deepStrictEqual(endsOf(leader().on({ kind: "stop" }, 1_100)), ["released"]);
});

test("tokens go on from the highest where a store has lost its revisions", () => {
  const candidate = waiting({ ...OTHER, token: 57 });
  candidate.on({ kind: "link", up: true }, 1_100);
  candidate.read(0, "absent", 1_110);
  const write = writeOf(candidate.timer(9_000));
  deepStrictEqual([write?.revision, write?.record.base], [0, 57]);
  deepStrictEqual(candidate.on({ kind: "stored", write: 1, revision: 1 }, 9_001), [
    { kind: "lead", token: 58 },
  ]);
});

test("failed reads are repeated at the interval of retries, and not faster", () => {
  const candidate = new Candidate();
  candidate.timer(1_000);
  deepStrictEqual(candidate.on({ kind: "unread" }, 1_200), []);
  strictEqual(candidate.dueAt, 1_250);
  deepStrictEqual(kinds(candidate.timer(1_250)), ["read"]);
});
