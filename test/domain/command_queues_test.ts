// Command queues: which queue is asked for how many, rule by rule.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { COLD_MS, LOOK_AGAIN_MS } from "../../src/domain/command_queue.ts";
import { AGEING_MS, CommandQueues } from "../../src/domain/command_queues.ts";

/** The four queues of one command, by their index, which is the level. */
const [LOW, NORMAL, HIGH, CRITICAL] = [0, 1, 2, 3] as const;
const LEVELS = [0, 1, 2, 3].map((level) => ({ command: 0, level }));
/** Two commands of the same priority. */
const PAIR = [{ command: 0, level: NORMAL }, { command: 1, level: NORMAL }];

function ofOneCommand(slots: number, serviceConcurrency = Infinity): CommandQueues {
  return new CommandQueues({ queues: LEVELS, concurrency: [slots], serviceConcurrency }, 0);
}

function ofTwoCommands(slots: readonly [number, number], serviceConcurrency: number) {
  return new CommandQueues({ queues: PAIR, concurrency: slots, serviceConcurrency }, 0);
}

function asksOf(queues: CommandQueues, now: number): [queue: number, count: number][] {
  return queues.plan(now).asks.map(({ queue, count }) => [queue, count]);
}

/** A command comes and begins, or is handed back. */
function comes(queues: CommandQueues, queue: number, storedAt: number, pending: number, now = 0) {
  const begins = queues.delivered(queue, { storedAt, pending }, now);
  if (begins) queues.began(queue);
  else queues.handedBack(queue, storedAt, now);
  return begins;
}

/** One slot, which a command has just given back; all queues have had a command, and are as `backlogs` says. */
function afterOne(backlogs: Partial<Record<number, [storedAt: number, pending: number]>>) {
  const queues = ofOneCommand(1);
  queues.plan(0);
  strictEqual(queues.delivered(NORMAL, { storedAt: 0, pending: 0 }, 0), true);
  queues.began(NORMAL);
  for (const queue of [LOW, HIGH, CRITICAL]) {
    queues.delivered(queue, { storedAt: 0, pending: 0 }, 0);
  }
  for (const [queue, seen] of Object.entries(backlogs)) {
    queues.delivered(Number(queue), { storedAt: seen![0], pending: seen![1] }, 0);
  }
  deepStrictEqual(asksOf(queues, 0), []);
  queues.ended(NORMAL);
  return queues;
}

test("at first every queue is asked for one command, and one more for each 16 free slots, critical first", () => {
  const small = (slots: number) => asksOf(ofOneCommand(slots), 0);
  deepStrictEqual(small(15), [[CRITICAL, 1], [HIGH, 1], [NORMAL, 1], [LOW, 1]]);
  deepStrictEqual(small(256), [[CRITICAL, 17], [HIGH, 17], [NORMAL, 17], [LOW, 17]]);
  deepStrictEqual(small(Infinity), [[CRITICAL, 65], [HIGH, 65], [NORMAL, 65], [LOW, 65]]);
});

test("a standing request stands: there is nothing to do and nothing to wait for", () => {
  const queues = ofOneCommand(16);
  const first = queues.plan(0);
  for (const now of [0, 25, 1_000, 1e9]) {
    const next = queues.plan(now);
    strictEqual(next, first);
    deepStrictEqual(next, { asks: [], looks: [], againInMs: undefined });
  }
});

test("a queue is asked again when half of what was asked for has come", () => {
  const queues = ofOneCommand(256);
  queues.plan(0);
  for (let i = 0; i < 8; i++) {
    comes(queues, NORMAL, 100, 0, 100);
    queues.ended(NORMAL);
    deepStrictEqual(asksOf(queues, 100), []);
  }
  comes(queues, NORMAL, 100, 0, 100);
  queues.ended(NORMAL);
  deepStrictEqual(asksOf(queues, 100), [[NORMAL, 9]]);
});

test("a hot queue is asked for all free slots, and those of lower order for nothing", () => {
  const queues = ofOneCommand(8);
  queues.plan(0);
  comes(queues, HIGH, 0, 1_000);
  comes(queues, LOW, 0, 1_000);
  deepStrictEqual(asksOf(queues, 0), [[HIGH, 6]]);
  deepStrictEqual([queues.view(LOW).asked, queues.view(LOW).backlog], [0, 1_000]);
});

test("a cold queue of higher order than a hot one gets its standing request too", () => {
  const queues = afterOne({ [NORMAL]: [0, 50] });
  deepStrictEqual(asksOf(queues, 0), [[CRITICAL, 1], [HIGH, 1], [NORMAL, 1]]);
});

test("a hot queue takes only as many slots as commands wait in it", () => {
  const queues = ofOneCommand(8);
  queues.plan(0);
  comes(queues, HIGH, 0, 2);
  comes(queues, LOW, 0, 1_000);
  deepStrictEqual(asksOf(queues, 0), [[HIGH, 2], [LOW, 4]]);
});

test("what is on its way from hot queues never is more than the free slots", () => {
  const queues = ofOneCommand(8);
  queues.plan(0);
  comes(queues, LOW, 0, 1_000);
  deepStrictEqual(asksOf(queues, 0), [[LOW, 7]]);
  // Seven are on their way when critical becomes hot: it waits for the first of them to end.
  comes(queues, CRITICAL, 0, 1_000);
  deepStrictEqual(asksOf(queues, 0), []);
  queues.ended(LOW);
  deepStrictEqual(asksOf(queues, 0), []);
  queues.ended(CRITICAL);
  deepStrictEqual(asksOf(queues, 0), [[CRITICAL, 1]]);
});

test("what comes from a queue of lower order does not take the slot that a hot one was asked for", () => {
  const queues = ofOneCommand(2);
  queues.plan(0);
  comes(queues, CRITICAL, 0, 5);
  deepStrictEqual(asksOf(queues, 0), [[CRITICAL, 1]]);
  strictEqual(comes(queues, LOW, 0, 0), false);
  deepStrictEqual(asksOf(queues, 0), []);
  strictEqual(comes(queues, CRITICAL, 1, 4), true);
});

test("a slot that was kept for a hot queue is for others when nothing has come for 25 ms", () => {
  strictEqual(COLD_MS, 25);
  for (const [now, begins] of [[24.9, false], [25, true]] as const) {
    const queues = ofOneCommand(2);
    queues.plan(0);
    comes(queues, CRITICAL, 0, 5);
    queues.plan(0);
    strictEqual(comes(queues, LOW, 0, 0, now), begins);
  }
});

test("a queue that was asked and gives nothing for 25 ms is cold, and others get its slots", () => {
  const queues = afterOne({ [CRITICAL]: [0, 50], [LOW]: [0, 50] });
  deepStrictEqual(asksOf(queues, 0), [[CRITICAL, 1]]);
  strictEqual(queues.plan(0).againInMs, 25);
  deepStrictEqual(asksOf(queues, 24), []);
  strictEqual(queues.plan(24).againInMs, 1);
  // High and normal have nothing known in them and are before low, whose head is as old.
  deepStrictEqual(asksOf(queues, 25), [[HIGH, 1], [NORMAL, 1], [LOW, 1]]);
  deepStrictEqual([queues.view(CRITICAL).asked, queues.view(CRITICAL).backlog], [1, 0]);
});

test("each delivery gives a hot queue another 25 ms", () => {
  const queues = ofOneCommand(4);
  queues.plan(0);
  comes(queues, CRITICAL, 0, 50);
  comes(queues, LOW, 0, 50);
  deepStrictEqual(asksOf(queues, 0), [[CRITICAL, 2]]);
  comes(queues, CRITICAL, 0, 49, 20);
  strictEqual(queues.plan(20).againInMs, 25);
  strictEqual(queues.view(CRITICAL).backlog, 49);
  deepStrictEqual(asksOf(queues, 45).at(-1), [LOW, 1]);
});

test("a queue is cold when a delivery says that nothing is left", () => {
  const queues = ofOneCommand(4);
  queues.plan(0);
  comes(queues, HIGH, 0, 1);
  strictEqual(queues.view(HIGH).backlog, 1);
  queues.plan(0);
  comes(queues, HIGH, 0, 0);
  strictEqual(queues.view(HIGH).backlog, 0);
});

test("what is handed back makes its queue hot, though the broker does not count it as pending", () => {
  const queues = ofOneCommand(1);
  queues.plan(0);
  strictEqual(comes(queues, NORMAL, 0, 0), true);
  strictEqual(comes(queues, LOW, 0, 0), false);
  strictEqual(queues.view(LOW).backlog, 1);
  queues.ended(NORMAL);
  deepStrictEqual(asksOf(queues, 0), [[NORMAL, 1], [LOW, 1]]);
  strictEqual(comes(queues, LOW, 0, 0), true);
  strictEqual(queues.view(LOW).backlog, 0);
});

test("a level of priority is worth 30 s of waiting", () => {
  strictEqual(AGEING_MS, 30_000);
  const first = (critical: number) => {
    const queues = afterOne({ [LOW]: [0, 5], [CRITICAL]: [critical, 5] });
    return asksOf(queues, 0).find(([queue]) => queue === LOW || queue === CRITICAL)![0];
  };
  strictEqual(first(3 * AGEING_MS - 1), CRITICAL);
  strictEqual(first(3 * AGEING_MS + 1), LOW);
});

test("between equals the one whose head is oldest is first", () => {
  for (const [older, younger] of [[0, 1], [1, 0]] as const) {
    const queues = ofTwoCommands([4, 4], 4);
    queues.plan(0);
    comes(queues, younger, 20, 100);
    comes(queues, older, 10, 100);
    deepStrictEqual(asksOf(queues, 0), [[older, 2]]);
  }
});

test("a command that is delivered again, and much older, does not make its whole queue old", () => {
  const queues = ofTwoCommands([8, 8], 8);
  queues.plan(0);
  comes(queues, 0, 500, 100);
  queues.plan(0);
  comes(queues, 0, 1, 100);
  comes(queues, 1, 400, 100);
  queues.ended(0);
  queues.ended(0);
  queues.gone(0, 0);
  deepStrictEqual(asksOf(queues, 0), [[1, 7]]);
});

test("a queue of which nothing is known grows old as well, so it is asked in time though nobody looks", () => {
  const queues = ofOneCommand(1);
  queues.plan(0);
  for (const queue of LEVELS.keys()) queues.delivered(queue, { storedAt: 0, pending: 0 }, 0);
  // Critical commands come and wait for a second each.
  let askedAt: number | undefined;
  for (let now = 1_000; askedAt === undefined; now += 1_000) {
    queues.delivered(CRITICAL, { storedAt: now - 1_000, pending: 100 }, now);
    queues.began(CRITICAL);
    queues.plan(now);
    queues.ended(CRITICAL);
    if (asksOf(queues, now).some(([queue]) => queue === LOW)) askedAt = now;
  }
  ok(Math.abs(askedAt - 3 * AGEING_MS) <= 2_000, `low was asked after ${askedAt} ms`);
});

test("a command's own slots limit its queues and no others", () => {
  const queues = ofTwoCommands([2, 100], 8);
  queues.plan(0);
  comes(queues, 0, 0, 1_000);
  comes(queues, 1, 5, 1_000);
  deepStrictEqual(asksOf(queues, 0), [[0, 1], [1, 5]]);
  strictEqual(comes(queues, 0, 0, 999), true);
  queues.plan(0);
  strictEqual(queues.delivered(0, { storedAt: 0, pending: 998 }, 0), false);
});

test("the slots of the service limit all of its commands together", () => {
  const queues = ofTwoCommands([100, 100], 2);
  queues.plan(0);
  deepStrictEqual([comes(queues, 0, 0, 0), comes(queues, 1, 0, 0)], [true, true]);
  deepStrictEqual(asksOf(queues, 0), []);
  strictEqual(queues.delivered(0, { storedAt: 0, pending: 0 }, 0), false);
  queues.ended(1);
  strictEqual(queues.delivered(0, { storedAt: 0, pending: 0 }, 0), true);
});

/** One slot, which runs for long; nothing is known of any queue. */
function allTaken(): CommandQueues {
  const queues = ofOneCommand(1);
  queues.plan(0);
  comes(queues, NORMAL, 0, 0);
  for (const queue of [LOW, HIGH, CRITICAL]) {
    queues.delivered(queue, { storedAt: 0, pending: 0 }, 0);
  }
  return queues;
}

test("queues that wait for slots are looked at, not more often than each second", () => {
  strictEqual(LOOK_AGAIN_MS, 1_000);
  const queues = allTaken();
  deepStrictEqual([...queues.plan(0).looks], []);
  strictEqual(queues.plan(0).againInMs, 1_000);
  deepStrictEqual([...queues.plan(1_000).looks].sort(), [LOW, NORMAL, HIGH, CRITICAL]);
  deepStrictEqual([...queues.plan(1_999).looks], []);
  // Not one was answered.
  deepStrictEqual([...queues.plan(2_000).looks].sort(), [LOW, NORMAL, HIGH, CRITICAL]);
});

test("what a look finds makes a queue hot, and puts it in its place", () => {
  const queues = allTaken();
  queues.plan(1_000);
  for (const [queue, head] of [[LOW, 200], [NORMAL, 800], [HIGH, undefined]] as const) {
    queues.looked(queue, head, 1_010);
  }
  queues.looked(CRITICAL, undefined, 1_010);
  queues.plan(1_010);
  queues.ended(NORMAL);
  deepStrictEqual(asksOf(queues, 1_020), [[CRITICAL, 1], [HIGH, 1], [NORMAL, 1]]);
});

test("a look that finds nothing makes a hot queue cold", () => {
  const queues = afterOne({ [LOW]: [0, 50] });
  strictEqual(queues.view(LOW).backlog, 50);
  queues.looked(LOW, undefined, 10);
  strictEqual(queues.view(LOW).backlog, 0);
});

test("a look counts for nothing where a request stands", () => {
  const queues = ofOneCommand(4);
  queues.plan(0);
  queues.looked(LOW, 0, 10);
  strictEqual(queues.view(LOW).backlog, 0);
});

test("queues that could not be the next, whatever were found there, are not looked at", () => {
  const queues = allTaken();
  queues.plan(1_000);
  queues.looked(HIGH, 900, 1_500);
  deepStrictEqual([...queues.plan(2_000).looks], [CRITICAL]);
});

test("a queue that nobody competes with is not looked at", () => {
  const queues = new CommandQueues({
    queues: [{ command: 0, level: NORMAL }],
    concurrency: [1],
    serviceConcurrency: Infinity,
  }, 0);
  queues.plan(0);
  comes(queues, 0, 0, 50);
  deepStrictEqual(queues.plan(5_000), { asks: [], looks: [], againInMs: undefined });
});

test("what was asked of a lost consumer is asked again", () => {
  const queues = ofOneCommand(16);
  queues.plan(0);
  queues.gone(HIGH, 10);
  strictEqual(queues.view(HIGH).asked, 0);
  deepStrictEqual(asksOf(queues, 10), [[HIGH, 2]]);
});

test("a hot queue not heard of for a second is asked for little at first: others may have emptied it", () => {
  for (const [now, count] of [[999, 64], [1_000, 5]] as const) {
    const queues = new CommandQueues({
      queues: [{ command: 0, level: NORMAL }],
      concurrency: [64],
      serviceConcurrency: Infinity,
    }, 0);
    queues.plan(0);
    for (let i = 0; i < 5; i++) queues.delivered(0, { storedAt: 0, pending: 500 }, 0);
    deepStrictEqual(asksOf(queues, now), [[0, count]]);
  }
});

test("more is asked for at a time while half of it comes within 2 ms, and less when it is idle", () => {
  const queues = ofOneCommand(256);
  queues.plan(0);
  let now = 0;
  const next = (everyMs: number): number => {
    for (;;) {
      now += everyMs;
      comes(queues, NORMAL, now, 0, now);
      queues.ended(NORMAL);
      const asks = asksOf(queues, now);
      if (asks.length > 0) return asks[0]![1];
    }
  };
  const fast = [next(0.01), next(0.01), next(0.01), next(0.01), next(0.01)];
  deepStrictEqual(fast, [9, 18, 35, 69, 128]);
  for (let i = 0; i < 6; i++) next(1);
  const idle = [next(100), next(100)];
  deepStrictEqual(idle, [9, 9]);
});

test("slots that become free one by one are gathered for 2 ms, and no longer", () => {
  const queues = new CommandQueues({
    queues: [{ command: 0, level: NORMAL }],
    concurrency: [256],
    serviceConcurrency: Infinity,
  }, 0);
  queues.plan(0);
  comes(queues, 0, 0, 10_000);
  for (let i = 0; i < 16; i++) comes(queues, 0, 0, 10_000);
  deepStrictEqual(asksOf(queues, 0), [[0, 239]]);
  for (let i = 0; i < 239; i++) comes(queues, 0, 0, 10_000, 1);
  queues.ended(0);
  deepStrictEqual(queues.plan(1), { asks: [], looks: [], againInMs: 1 });
  for (let i = 0; i < 14; i++) queues.ended(0);
  deepStrictEqual(asksOf(queues, 1.5), []);
  deepStrictEqual(asksOf(queues, 2), [[0, 15]]);
  for (let i = 0; i < 16; i++) queues.ended(0);
  deepStrictEqual(asksOf(queues, 2), [[0, 16]]);
});

test("nothing is gathered while there are more free slots than commands to ask for", () => {
  const queues = ofOneCommand(256);
  queues.plan(0);
  for (let i = 0; i < 17; i++) comes(queues, NORMAL, 0, 0);
  deepStrictEqual(asksOf(queues, 0).length, 1);
  for (let i = 0; i < 14; i++) comes(queues, HIGH, 0, 9, 1);
  deepStrictEqual(asksOf(queues, 1), [[HIGH, 12]]);
});

test("what is handed back halves what is asked for at a time", () => {
  const queues = ofOneCommand(64);
  queues.plan(0);
  let now = 0;
  const next = (): number => {
    for (;;) {
      now += 0.01;
      strictEqual(comes(queues, NORMAL, now, 0, now), true);
      queues.ended(NORMAL);
      const asks = asksOf(queues, now);
      if (asks.length > 0) return queues.view(NORMAL).asked;
    }
  };
  for (let i = 0; i < 6; i++) next();
  strictEqual(next(), 64);
  for (let i = 0; i < 3; i++) queues.handedBack(NORMAL, now, now);
  // One that comes for each that was handed back, and the queue is cold again.
  for (let i = 0; i < 3; i++) queues.delivered(NORMAL, { storedAt: now, pending: 0 }, now);
  now += 10;
  const asked = next();
  ok(asked < 64, `${asked} were asked for`);
});

test("what comes for the second time is one less of those that were handed back", () => {
  const queues = ofOneCommand(8);
  queues.plan(0);
  queues.handedBack(LOW, 0, 0);
  queues.handedBack(LOW, 0, 0);
  queues.delivered(LOW, { storedAt: 0, pending: 0 }, 0);
  strictEqual(queues.view(LOW).backlog, 1);
});

test("a queue is as old as what was handed back to it", () => {
  const queues = ofTwoCommands([4, 4], 4);
  queues.plan(0);
  comes(queues, 0, 500, 100);
  comes(queues, 1, 300, 100);
  queues.handedBack(0, 100, 0);
  deepStrictEqual(asksOf(queues, 0), [[0, 2]]);
});

test("a look says nothing of how many wait where that is known", () => {
  const queues = afterOne({ [LOW]: [0, 50] });
  queues.looked(LOW, 5, 10);
  strictEqual(queues.view(LOW).backlog, 50);
});

test("a queue is as old as the moment when it was empty at the most, be it lost or not", () => {
  for (const lost of [true, false]) {
    const queues = ofTwoCommands([1, 1], 1);
    queues.plan(0);
    if (lost) queues.gone(0, 5_000);
    else queues.delivered(0, { storedAt: 5_000, pending: 0 }, 5_000);
    queues.delivered(1, { storedAt: 5_000, pending: 0 }, 5_000);
    queues.handedBack(1, 3_000, 5_000);
    deepStrictEqual(asksOf(queues, 5_000), [[1, 1]]);
  }
});

test("a backlog that is worked off quickly leaves a small standing request", () => {
  const queues = ofTwoCommands([64, 64], 64);
  queues.plan(0);
  let now = 0;
  for (let i = 0; i < 500; i++) {
    now += 0.01;
    comes(queues, 0, 0, 1_000, now);
    queues.ended(0);
    queues.plan(now);
  }
  while (queues.view(0).asked > 0) queues.delivered(0, { storedAt: 0, pending: 0 }, now);
  deepStrictEqual(asksOf(queues, now), [[0, 5]]);
});

test("a slot of the service is kept for a hot queue of another command", () => {
  const queues = ofTwoCommands([2, 2], 2);
  queues.plan(0);
  comes(queues, 0, 0, 50);
  deepStrictEqual(asksOf(queues, 0), [[0, 1]]);
  strictEqual(comes(queues, 1, 10, 0), false);
});

test("a slot of another command is kept for nobody", () => {
  const queues = ofTwoCommands([2, 2], 4);
  queues.plan(0);
  comes(queues, 0, 0, 50);
  deepStrictEqual(asksOf(queues, 0), [[0, 1]]);
  deepStrictEqual([comes(queues, 1, 10, 0), comes(queues, 1, 10, 0)], [true, true]);
});

test("the only queue of a command that waits for the command's own slots is not looked at", () => {
  const queues = ofTwoCommands([1, 8], 16);
  queues.plan(0);
  comes(queues, 0, 0, 0);
  comes(queues, 1, 0, 0);
  queues.plan(0);
  queues.handedBack(1, 0, 5_000);
  deepStrictEqual([...queues.plan(5_000).looks], []);
});

test("a hot queue whose handler has no slot keeps nobody from being looked at", () => {
  const queues = ofTwoCommands([1, 8], 2);
  queues.plan(0);
  comes(queues, 0, 0, 50);
  comes(queues, 1, 0, 0);
  queues.handedBack(0, 0, 1_000);
  deepStrictEqual([...queues.plan(1_000).looks], [1]);
});

test("while all queues are asked nobody waits for one to become cold", () => {
  const queues = ofOneCommand(64);
  queues.plan(0);
  comes(queues, HIGH, 0, 20);
  comes(queues, LOW, 0, 20);
  strictEqual(asksOf(queues, 0).length, 2);
  strictEqual(queues.plan(1).againInMs, undefined);
});

test("two queues of which half has come are both asked again", () => {
  const queues = ofOneCommand(64);
  queues.plan(0);
  for (const queue of [LOW, HIGH]) {
    for (let i = 0; i < 3; i++) queues.delivered(queue, { storedAt: 0, pending: 0 }, 100);
  }
  deepStrictEqual(asksOf(queues, 100), [[HIGH, 3], [LOW, 3]]);
});

test("a queue that has become cold is not asked for more when slots become free", () => {
  for (const [now, asks] of [[24, [[0, 60]]], [25, []]] as const) {
    const queues = new CommandQueues({
      queues: [{ command: 0, level: NORMAL }],
      concurrency: [64],
      serviceConcurrency: Infinity,
    }, 0);
    queues.plan(0);
    for (let i = 0; i < 60; i++) comes(queues, 0, 0, 1_000);
    deepStrictEqual(asksOf(queues, 0), [[0, 4]]);
    for (let i = 0; i < 60; i++) queues.ended(0);
    deepStrictEqual(asksOf(queues, now), asks);
  }
});

test("the broker's clock is told from the youngest command, for others may have waited", () => {
  const queues = ofTwoCommands([1, 1], 1);
  queues.plan(0);
  queues.delivered(1, { storedAt: 1_000_000, pending: 0 }, 0);
  queues.delivered(0, { storedAt: 10, pending: 0 }, 0);
  queues.handedBack(0, 999_990, 10);
  deepStrictEqual(asksOf(queues, 10), [[0, 1]]);
});

test("over a long way a queue that was asked is taken for empty later, and never sooner", () => {
  for (const [roundTripMs, coldMs] of [[1, COLD_MS], [100, 300]] as const) {
    const queues = new CommandQueues({
      concurrency: [1],
      serviceConcurrency: Infinity,
      queues: [{ command: 0, level: 1 }, { command: 0, level: 0 }],
    }, 0);
    queues.adapt(roundTripMs);
    asksOf(queues, 0);
    queues.delivered(1, { storedAt: 0, pending: 0 }, 0);
    queues.delivered(0, { storedAt: 0, pending: 5 }, 0);
    deepStrictEqual(asksOf(queues, 0), [[0, 1]]);
    deepStrictEqual(asksOf(queues, coldMs - 1), []);
    deepStrictEqual(asksOf(queues, coldMs), [[1, 1]]);
  }
});

test("a worker that begins gives its slots to what goes first, as far as it is known how much that is", () => {
  const queues = ofOneCommand(16);
  for (const queue of [CRITICAL, HIGH, NORMAL, LOW]) queues.looked(queue, 0, 0, 1_000);
  deepStrictEqual(asksOf(queues, 0), [[CRITICAL, 16]]);

  const few = ofOneCommand(16);
  few.looked(CRITICAL, 0, 0, 3);
  few.looked(HIGH, 0, 0, 1_000);
  few.looked(LOW, 0, 0, 1_000);
  deepStrictEqual(asksOf(few, 0).filter(([queue]) => queue !== NORMAL), [
    [CRITICAL, 3],
    [HIGH, 13],
  ]);
});

test("a queue that was not heard of for a while is asked for a few, and none behind it before it has answered", () => {
  const queues = ofOneCommand(16);
  for (const queue of [HIGH, NORMAL, LOW]) queues.looked(queue, 0, 0, 1_000);
  const now = LOOK_AGAIN_MS + 1;
  const asks = asksOf(queues, now).filter(([queue]) => queue !== CRITICAL);
  deepStrictEqual(asks, [[HIGH, 2]]);
  // It has nothing any more: others have taken it.
  ok(asksOf(queues, now + 1).every(([queue]) => queue === HIGH));
  ok(asksOf(queues, now + 1 + COLD_MS).some(([queue]) => queue === NORMAL));
});
