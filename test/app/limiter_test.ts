// The limiter: how many run, who waits, and who is turned away.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Limiter, type Waiter } from "../../src/app/limiter.ts";

class Job implements Waiter {
  ended = false;
  begun = 0;
  onBegin: (() => void) | undefined;
  begin(): void {
    this.begun++;
    this.onBegin?.();
  }
}

test("as many run as the limit, as many wait as may, and no more", () => {
  const limiter = new Limiter(2, 3);
  const entered = Array.from({ length: 7 }, () => limiter.enter(new Job()));
  deepStrictEqual(entered, ["run", "run", "wait", "wait", "wait", "busy", "busy"]);
});

test("whoever waits begins in the order of coming, one for each turn given back", () => {
  const limiter = new Limiter(1, 10);
  const begun: number[] = [];
  limiter.enter(new Job());
  for (let n = 0; n < 5; n++) {
    limiter.enter({ ended: false, begin: () => void begun.push(n) });
  }
  for (let n = 0; n < 5; n++) {
    limiter.leave();
    deepStrictEqual(begun, Array.from({ length: n + 1 }, (_, i) => i));
  }
  limiter.leave();
  strictEqual(limiter.enter(new Job()), "run");
});

test("a limiter without a queue runs or refuses", () => {
  const limiter = new Limiter(1, 0);
  deepStrictEqual([limiter.enter(new Job()), limiter.enter(new Job())], ["run", "busy"]);
  limiter.leave();
  strictEqual(limiter.enter(new Job()), "run");
});

test("whoever has ended is passed over", () => {
  const limiter = new Limiter(1, 10);
  const jobs = Array.from({ length: 4 }, () => new Job());
  for (const job of jobs) limiter.enter(job);
  jobs[1]!.ended = jobs[2]!.ended = true;
  limiter.leave();
  deepStrictEqual(jobs.map(({ begun }) => begun), [0, 0, 0, 1]);
});

test("whoever has ended makes room in a full queue", () => {
  const limiter = new Limiter(1, 2);
  const jobs = Array.from({ length: 4 }, () => new Job());
  for (const job of jobs.slice(0, 3)) limiter.enter(job);
  jobs[1]!.ended = true;
  strictEqual(limiter.enter(jobs[3]!), "wait");
  limiter.leave();
  limiter.leave();
  deepStrictEqual(jobs.map(({ begun }) => begun), [0, 0, 1, 1]);
});

test("whoever begins may end at once, and bring others in", () => {
  const limiter = new Limiter(1, 3);
  const jobs = Array.from({ length: 4 }, () => new Job());
  const brought = Array.from({ length: 4 }, () => new Job());
  for (const job of jobs) limiter.enter(job);
  const entered: string[] = [];
  for (const [n, job] of jobs.entries()) {
    job.onBegin = () => {
      entered.push(limiter.enter(brought[n]!));
      limiter.leave();
    };
  }
  limiter.leave();
  deepStrictEqual(jobs.map(({ begun }) => begun), [0, 1, 1, 1]);
  deepStrictEqual(entered, ["wait", "wait", "wait"]);
  for (let i = 0; i < 3; i++) limiter.leave();
  deepStrictEqual(brought.map(({ begun }) => begun), [0, 1, 1, 1]);
  strictEqual(limiter.enter(new Job()), "run");
});

test("of ten thousand that wait each begins once, in order", () => {
  const limiter = new Limiter(3, 10_000);
  const order: number[] = [];
  for (let n = 0; n < 10_003; n++) {
    limiter.enter({ ended: n % 7 === 0, begin: () => void order.push(n) });
  }
  for (let n = 0; n < 10_003; n++) limiter.leave();
  const expected = Array.from({ length: 10_000 }, (_, i) => i + 3).filter((n) => n % 7 !== 0);
  deepStrictEqual(order, expected);
});

test("it does what a plain queue does", () => {
  const step = fc.oneof(
    fc.constant({ kind: "enter" as const }),
    fc.constant({ kind: "leave" as const }),
    fc.record({ kind: fc.constant("end" as const), which: fc.nat() }),
  );
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 3 }),
      fc.integer({ min: 0, max: 4 }),
      fc.array(step, { maxLength: 60 }),
      (limit, maxWaiting, steps) => {
        const limiter = new Limiter(limit, maxWaiting);
        const jobs: Job[] = [];
        let running = 0;
        let queue: Job[] = [];
        for (const next of steps) {
          if (next.kind === "enter") {
            const job = new Job();
            jobs.push(job);
            if (queue.length >= maxWaiting) queue = queue.filter(({ ended }) => !ended);
            const expected = running < limit ? "run" : queue.length < maxWaiting ? "wait" : "busy";
            strictEqual(limiter.enter(job), expected);
            if (expected === "run") running++;
            if (expected === "wait") queue.push(job);
          } else if (next.kind === "end") {
            const job = queue[next.which % Math.max(1, queue.length)];
            if (job !== undefined) job.ended = true;
          } else if (running > 0) {
            const before = queue.find(({ ended }) => !ended);
            limiter.leave();
            queue = before === undefined ? [] : queue.slice(queue.indexOf(before) + 1);
            if (before === undefined) running--;
            else strictEqual(before.begun, 1);
          }
        }
        ok(jobs.every(({ begun }) => begun <= 1));
      },
    ),
    { numRuns: 500 },
  );
});
