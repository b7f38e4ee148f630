// The keeper of leases: when something was sent that comes in now, and when the server hears of what is in work.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { ackWaitAt, LeaseKeeper, leaseOf, serverAckWaitOf } from "../../src/app/command_lease.ts";
import type { CommandRun } from "../../src/app/command_run.ts";
import type { Clock } from "../../src/ports/clock.ts";

/** A clock whose process can stand still: then its timers are late. */
function clock() {
  let now = 0;
  const timers = new Set<{ at: number; callback: () => void }>();
  const fire = () => {
    for (const timer of [...timers]) {
      if (timer.at <= now && timers.delete(timer)) timer.callback();
    }
  };
  const it: Clock = {
    now: () => now,
    timestamp: () => "",
    monotonic: () => now,
    setTimer(delayMs, callback) {
      const timer = { at: now + delayMs, callback };
      timers.add(timer);
      return { cancel: () => void timers.delete(timer) };
    },
  };
  return {
    clock: it,
    pass(ms: number) {
      for (const end = now + ms; now < end;) {
        now++;
        fire();
      }
    },
    freeze: (ms: number) => void (now += ms),
    fire,
  };
}

test("what comes in was sent a moment ago at most, while its process is awake", () => {
  const time = clock();
  const keeper = new LeaseKeeper(time.clock, () => 1_000, new Set());
  keeper.start();
  for (let i = 0; i < 500; i++) {
    time.pass(7);
    const sentAt = keeper.sentAfter(time.clock.monotonic());
    ok(time.clock.monotonic() - sentAt <= 375, `${time.clock.monotonic() - sentAt}`);
  }
});

test("what comes in after a standstill may have been sent before it, whoever looks first", () => {
  for (const timersFirst of [true, false]) {
    const time = clock();
    const keeper = new LeaseKeeper(time.clock, () => 1_000, new Set());
    keeper.start();
    time.pass(3_000);
    time.freeze(950);
    if (timersFirst) time.fire();
    // All that lies in the socket is read one after another.
    for (let i = 0; i < 20; i++) {
      const now = time.clock.monotonic();
      ok(keeper.sentAfter(now) <= 3_000, `${keeper.sentAfter(now)}`);
      ok(now >= keeper.sentAfter(now) + leaseOf(1_000));
      time.freeze(1);
      if (timersFirst) time.fire();
    }
    time.pass(500);
    ok(keeper.sentAfter(time.clock.monotonic()) > 3_950);
  }
});

test("the server hears of what is in work soon and at each third of the ack wait, and a late word brings nothing back", () => {
  const time = clock();
  const heard: [number, () => void][] = [];
  let lost = 0;
  const run = {
    stage: "running",
    ackWaitMs: 3_000,
    told: false,
    wordAt: 0,
    heardAt: -Infinity,
    lentBefore: -Infinity,
    lentAt: 0,
    get leaseEnd() {
      return this.lentAt + leaseOf(this.ackWaitMs);
    },
    delivery: { working: (on: () => void) => heard.push([time.clock.monotonic(), on]) },
    checkLease() {
      if (time.clock.monotonic() >= this.leaseEnd) lost++;
    },
  };
  const keeper = new LeaseKeeper(
    time.clock,
    () => run.ackWaitMs,
    new Set([run as unknown as CommandRun]),
  );
  keeper.start();
  // A first one soon, and the next when it is due.
  time.pass(1_000);
  strictEqual(heard.length, 1);
  time.pass(100);
  strictEqual(heard.length, 2);
  const [at, answer] = heard[1]!;
  answer();
  // From the moment at which it was said, not from that of the answer.
  strictEqual(run.leaseEnd, at + 2_700);
  time.pass(2_600);
  strictEqual(lost, 0);
  time.pass(200);
  ok(lost > 0);
  const end = run.leaseEnd;
  heard.at(-1)![1]();
  strictEqual(run.leaseEnd, end);
});

test("no lease is left when a server delivers again, also one that was restarted", () => {
  for (const ackWaitMs of [100, 1_000, 5_000, 10_999, 11_001, 30_000, 86_400_000]) {
    const server = serverAckWaitOf(ackWaitMs);
    ok(Number.isInteger(server) && server >= ackWaitMs);
    ok(server - 1_200 >= leaseOf(ackWaitMs), `${ackWaitMs}`);
  }
  deepStrictEqual([serverAckWaitOf(30_000), serverAckWaitOf(1_000)], [30_000, 2_100]);
});

test("the ack wait of leases follows from that of the server, whoever has set it", () => {
  for (const ackWaitMs of [100, 1_000, 5_000, 10_999, 11_001, 30_000, 86_400_000]) {
    const server = serverAckWaitOf(ackWaitMs);
    ok(ackWaitAt(server) > ackWaitMs - 0.001, `${ackWaitMs}: ${ackWaitAt(server)}`);
    ok(leaseOf(ackWaitAt(server)) <= server - 1_200 + 0.001, `${ackWaitMs}`);
  }
  // No service of this SDK sets less than 1,290.
  strictEqual(ackWaitAt(500), 100);
});

test("an ack wait that becomes shorter holds for what is in hand too", () => {
  const time = clock();
  const told: number[] = [];
  const run = {
    stage: "running",
    ackWaitMs: 30_000,
    told: true,
    wordAt: 0,
    delivery: { working: () => told.push(time.clock.monotonic()) },
    checkLease() {},
  };
  const held = new Set([run as unknown as CommandRun]);
  const keeper = new LeaseKeeper(time.clock, () => run.ackWaitMs, held);
  keeper.start();
  time.pass(2_000);
  deepStrictEqual(told, []);
  run.ackWaitMs = 900;
  time.pass(1_000);
  ok(told.length >= 3 && told[0]! <= 2_050, `${told}`);
});
