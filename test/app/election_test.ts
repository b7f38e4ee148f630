// Elections: candidates over one bucket, on clocks that the tests move.

import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { UnavailableError } from "../../src/domain/error.ts";
import { resolveFailover } from "../../src/domain/lease_policy.ts";
import { candidate, quiet, Shelf, StandingClock, type Stood } from "./election_tools.ts";

const tokens = (...stood: Stood[]) => stood.map(({ election }) => election.token);

/** A leader and one that stands by, on one clock. */
async function pair(): Promise<{ shelf: Shelf; clock: StandingClock; a: Stood; b: Stood }> {
  const [shelf, clock] = [new Shelf(), new StandingClock()];
  const [a, b] = [candidate(shelf, "a", { clock }), candidate(shelf, "b", { clock })];
  await a.election.start();
  await b.election.start();
  return { shelf, clock, a, b };
}

test("one that stands alone leads when its start is over, with the revision as its token", async () => {
  const { election, changes } = candidate(new Shelf(), "a");
  await election.start();
  strictEqual(election.token, 1);
  deepStrictEqual(changes, [1]);
});

test("the second stands by, knows who leads, and asks for nothing while the lease is renewed", async () => {
  const { shelf, clock, a, b } = await pair();
  deepStrictEqual(tokens(a, b), [1, undefined]);
  strictEqual(b.election.holder, "a");
  await clock.pass(20_000);
  deepStrictEqual(tokens(a, b), [1, undefined]);
  deepStrictEqual([a.changes, b.changes], [[1], []]);
  strictEqual(shelf.puts, 1 + 20_000 / 200);
});

test("stop() hands over without any time passing", async () => {
  const { a, b } = await pair();
  await a.election.stop();
  await quiet();
  deepStrictEqual(tokens(a, b), [undefined, 3]);
  deepStrictEqual(a.changes, [1, undefined]);
});

test("one that dies is followed when its lease and a tenth are over, and not before", async () => {
  const shelf = new Shelf();
  const [a, b] = [candidate(shelf, "a"), candidate(shelf, "b")];
  await a.election.start();
  await b.election.start();
  await b.clock.pass(1_095); // that of a stands still: it is dead
  strictEqual(b.election.token, undefined);
  await b.clock.pass(5);
  strictEqual(b.election.token, 2);
});

test("a process that stood still does not lead when it wakes up, before anything has told it so", async () => {
  const { election, clock, changes, ends } = candidate(new Shelf(), "a");
  await election.start();
  clock.freeze(900);
  strictEqual(election.token, undefined);
  deepStrictEqual([changes, ends], [[1, undefined], ["standstill"]]);
  await quiet();
  deepStrictEqual(changes, [1, undefined, 2]); // nobody has followed meanwhile
});

test("a machine that slept does not lead when it wakes up, though its clock shows nothing of it", async () => {
  const { election, clock, changes } = candidate(new Shelf(), "a");
  await election.start();
  clock.sleep(900);
  strictEqual(election.token, undefined);
  deepStrictEqual(changes, [1, undefined]);
});

for (const electionTimeoutMs of [100, 600]) {
  for (const ms of [6, 30, 100, 240]) {
    test(`of machines that sleep for ${ms} ms at a time none leads beside another, with a lease of ${electionTimeoutMs} ms`, async () => {
      const shelf = new Shelf();
      const policy = resolveFailover({ electionTimeoutMs }, "of the test");
      const [a, b] = [candidate(shelf, "a", { policy }), candidate(shelf, "b", { policy })];
      await a.election.start();
      await b.election.start();
      a.line.state = "cut";
      for (let at = 0; at < 2 * electionTimeoutMs; at += ms + 5) {
        a.clock.sleep(ms);
        for (let step = 0; step < ms; step++) await b.clock.pass(1);
        await Promise.all([a.clock.pass(5), b.clock.pass(5)]);
        ok(a.election.token === undefined || b.election.token === undefined, `after ${at} ms`);
      }
      deepStrictEqual(tokens(a, b), [undefined, 2]);
    });
  }
}

test("that the time of day is set back ends nothing, and neither does that it goes faster or slower", async () => {
  for (const share of [0.002, -0.002]) {
    const { election, clock, changes } = candidate(new Shelf(), "a");
    await election.start();
    clock.sleep(-3_600_000);
    for (let i = 0; i < 1_000; i++) {
      await clock.pass(50);
      clock.sleep(50 * share);
    }
    deepStrictEqual([election.token, changes], [1, [1]]);
  }
});

test("that the time of day is set forward costs nothing where it is little, and the lead once where it is much", async () => {
  const { election, clock, changes } = candidate(new Shelf(), "a");
  await election.start();
  for (let i = 0; i < 100; i++) {
    clock.sleep(3);
    await clock.pass(200);
    clock.sleep(-3);
    await clock.pass(200);
  }
  deepStrictEqual(changes, [1]);
  clock.sleep(3_600_000);
  await clock.pass(60_000);
  deepStrictEqual([election.token !== undefined, changes.length], [true, 3]);
});

test("a sleep is noticed though the time of day was set back before it, or went slower", async () => {
  for (const steps of [1, 1_000]) {
    const { election, clock } = candidate(new Shelf(), "a");
    await election.start();
    for (let i = 0; i < steps; i++) {
      clock.sleep(-600 / steps);
      await clock.pass(5);
    }
    strictEqual(election.token, 1);
    clock.sleep(900);
    strictEqual(election.token, undefined);
  }
});

test("a loop that is too busy for timers keeps the lease as it asks", async () => {
  const { election, clock, changes } = candidate(new Shelf(), "a");
  await election.start();
  for (let i = 0; i < 100; i++) {
    clock.freeze(100);
    ok(election.token !== undefined, `after ${clock.monotonic()} ms`);
    await quiet();
  }
  deepStrictEqual(changes, [1]);
});

test("one that is cut off leads to the end of its right, and the other follows after it", async () => {
  const { clock, a, b } = await pair();
  await clock.pass(100);
  a.line.state = "cut";
  await clock.pass(795);
  deepStrictEqual(tokens(a, b), [1, undefined]);
  await clock.pass(5);
  deepStrictEqual(tokens(a, b), [undefined, undefined]);
  await clock.pass(200);
  deepStrictEqual(tokens(a, b), [undefined, 2]);
  a.line.state = "open";
  await clock.pass(2_000);
  deepStrictEqual(tokens(a, b), [undefined, 2]);
  deepStrictEqual([a.changes, a.ends], [[1, undefined], ["taken"]]);
});

test("a process that is blocked and asks all the while is blamed for what that costs", async () => {
  for (const askEveryMs of [1, 50, 333]) {
    const { election, clock, ends } = candidate(new Shelf(), "a");
    await election.start();
    // Nothing that was sent is answered: not even what a promise could tell.
    for (let ms = 0; ms < 1_000; ms += askEveryMs) {
      clock.freeze(askEveryMs);
      void election.token;
    }
    deepStrictEqual(ends, ["standstill"], `every ${askEveryMs} ms`);
  }
});

test("one whose writes are stored and never answered leads by what its watch says", async () => {
  const { election, line, clock, changes } = candidate(new Shelf(), "a");
  await election.start();
  line.state = "deaf";
  await clock.pass(5_000);
  strictEqual(election.token, 1);
  line.watches = false;
  await clock.pass(1_000);
  strictEqual(election.token, undefined);
  line.state = "open";
  await clock.pass(300);
  ok(election.token! > 20);
  strictEqual(changes.length, 3);
});

test("an instance that is started anew under its name waits for its former life", async () => {
  const shelf = new Shelf();
  await candidate(shelf, "a").election.start();
  const again = candidate(shelf, "a");
  await again.election.start();
  strictEqual(again.election.token, undefined);
  await again.clock.pass(1_100);
  strictEqual(again.election.token, 2);
});

test("who waits waits for the lease of the holder, and not for its own", async () => {
  const shelf = new Shelf();
  const long = { electionTimeoutMs: 5_000, heartbeatIntervalMs: 1_000, retryIntervalMs: 100 };
  await candidate(shelf, "a", { policy: long }).election.start();
  const b = candidate(shelf, "b");
  await b.election.start();
  await b.clock.pass(5_495);
  strictEqual(b.election.token, undefined);
  await b.clock.pass(5);
  strictEqual(b.election.token, 2);
});

test("a value that is no record is waited for, and then written over", async () => {
  const shelf = new Shelf();
  shelf.write({ holder: 7 });
  const { election, clock } = candidate(shelf, "a");
  await election.start();
  await clock.pass(1_095);
  strictEqual(election.token, undefined);
  await clock.pass(5);
  strictEqual(election.token, 2);
});

test("a record that is removed under its leader ends the leadership at once, and is waited for", async () => {
  const { shelf, clock, a, b } = await pair();
  shelf.remove();
  await quiet();
  deepStrictEqual(tokens(a, b), [undefined, undefined]);
  await clock.pass(1_095);
  deepStrictEqual(tokens(a, b), [undefined, undefined]);
  await clock.pass(5);
  deepStrictEqual([a, b].map(({ election }) => election.holder).length, 2);
  strictEqual(tokens(a, b).filter((token) => token !== undefined).length, 1);
});

test("a record that was removed before the start is waited for too", async () => {
  const shelf = new Shelf();
  shelf.write({});
  shelf.remove();
  const { election, clock } = candidate(shelf, "a");
  await election.start();
  await clock.pass(1_095);
  strictEqual(election.token, undefined);
  await clock.pass(5);
  strictEqual(election.token, 3);
});

test("a start whose bucket does not answer fails, and says so", async () => {
  const { election, line, clock, logs } = candidate(new Shelf(), "a");
  line.state = "cut";
  const started = rejects(election.start(), (error) => {
    ok(UnavailableError.is(error));
    strictEqual(error.message, "Cannot stand for orders/default: its bucket does not answer");
    return true;
  });
  await clock.pass(5_000);
  await started;
  strictEqual(logs.filter(({ level }) => level === "warn").length, 1);
});

test("without a watch it works all the same, and says so", async () => {
  const shelf = new Shelf();
  const [a, b] = [candidate(shelf, "a"), candidate(shelf, "b")];
  b.line.mayWatch = false;
  await a.election.start();
  await b.election.start();
  await quiet();
  strictEqual(b.logs.filter(({ message }) => message.includes("without a watch")).length, 1);
  await b.clock.pass(1_100);
  strictEqual(b.election.token, 2);
});

test("a bus that is closed ends it at once", async () => {
  const stood = candidate(new Shelf(), "a");
  await stood.election.start();
  stood.status("closed");
  strictEqual(stood.election.token, undefined);
  await stood.election.stop();
});

test("one that was away renews its lease as soon as it is back", async () => {
  const { election, clock, status, line } = await candidateThatLeads();
  status("reconnecting");
  line.state = "cut";
  await clock.pass(890);
  strictEqual(election.token, 1);
  line.state = "open";
  status("connected");
  await quiet();
  await clock.pass(890);
  strictEqual(election.token, 1);
});

async function candidateThatLeads(): Promise<Stood> {
  const stood = candidate(new Shelf(), "a");
  await stood.election.start();
  return stood;
}

test("stop() of one that is cut off takes no longer than its requests may", async () => {
  const { election, clock, line } = await candidateThatLeads();
  line.state = "cut";
  let over = false;
  const stopped = election.stop().then(() => over = true);
  strictEqual(election.token, undefined);
  await clock.pass(195);
  strictEqual(over, false);
  await clock.pass(5);
  await stopped;
});

test("heartbeats may come faster than the bucket answers", async () => {
  const shelf = new Shelf();
  const policy = resolveFailover(
    { electionTimeoutMs: 1_000, heartbeatIntervalMs: 10 },
    "of the test",
  );
  const { election, clock, line, changes } = candidate(shelf, "a", { policy });
  line.watches = false; // it would tell of each write before that is answered
  line.delayMs = 150;
  const started = election.start();
  await clock.pass(1_000);
  await started;
  await clock.pass(10_000);
  strictEqual(election.token, 1);
  deepStrictEqual(changes, [1]);
  ok(shelf.puts > 60 && shelf.puts < 75, `${shelf.puts} renewals, as fast as they are answered`);
});
