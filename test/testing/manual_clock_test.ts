import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import { test } from "node:test";
import { ManualClock } from "../../testing.ts";

test("a ManualClock stands still until it is advanced", () => {
  const clock = new ManualClock(1_000);
  deepStrictEqual([clock.now(), clock.monotonic()], [1_000, 0]);
  clock.advance(250.5);
  deepStrictEqual([clock.now(), clock.monotonic()], [1_250.5, 250.5]);
  strictEqual(clock.timestamp(), "1970-01-01T00:00:01.250Z");
  clock.advance(0);
  strictEqual(clock.monotonic(), 250.5);
});

test("advance() fires timers by due time, and those of one time in the order of their setting", () => {
  const clock = new ManualClock();
  const fired: string[] = [];
  for (const [name, ms] of [["c", 30], ["a", 10], ["d", 30], ["b", 20]] as const) {
    clock.setTimer(ms, () => fired.push(`${name}@${clock.monotonic()}`));
  }
  clock.advance(100);
  deepStrictEqual(fired, ["a@10", "b@20", "c@30", "d@30"]);
  strictEqual(clock.monotonic(), 100);
  clock.advance(100);
  strictEqual(fired.length, 4);
});

test("advance() fires what is set on the way if it is due on the way", () => {
  const clock = new ManualClock();
  const fired: number[] = [];
  const tick = (): void => {
    fired.push(clock.monotonic());
    clock.setTimer(10, tick);
  };
  clock.setTimer(10, tick);
  clock.advance(35);
  deepStrictEqual(fired, [10, 20, 30]);
  strictEqual(clock.pending, 1);
});

test("a timer of no or negative delay fires at the next advance, also by 0", () => {
  const clock = new ManualClock();
  const fired: string[] = [];
  clock.setTimer(0, () => fired.push("zero"));
  clock.setTimer(-5, () => fired.push("negative"));
  deepStrictEqual(fired, []);
  clock.advance(0);
  deepStrictEqual(fired, ["zero", "negative"]);
  strictEqual(clock.monotonic(), 0);
});

test("a timer that was called off does not fire, whoever calls it off", () => {
  const clock = new ManualClock();
  let fired = 0;
  const own = clock.setTimer(10, () => fired++);
  const other = clock.setTimer(20, () => fired++);
  clock.setTimer(15, () => other.cancel());
  own.cancel();
  own.cancel();
  clock.advance(50);
  deepStrictEqual([fired, clock.pending], [0, 0]);
});

test("a timer of Infinity never fires", () => {
  const clock = new ManualClock();
  clock.setTimer(Infinity, () => {
    throw new Error("fired");
  });
  clock.advance(Number.MAX_SAFE_INTEGER);
  strictEqual(clock.pending, 1);
});

test("what a timer throws comes out of advance(), and the others fire later", () => {
  const clock = new ManualClock();
  const fired: number[] = [];
  clock.setTimer(10, () => {
    throw new Error("broken");
  });
  clock.setTimer(20, () => fired.push(clock.monotonic()));
  throws(() => clock.advance(30), /broken/);
  strictEqual(clock.monotonic(), 10);
  clock.advance(10);
  deepStrictEqual(fired, [20]);
});

test("advance() within a timer does not turn the clock back", () => {
  const clock = new ManualClock();
  clock.setTimer(10, () => clock.advance(100));
  clock.advance(20);
  strictEqual(clock.monotonic(), 110);
});

test("numbers that cannot be are refused with a RangeError", () => {
  const clock = new ManualClock();
  for (const ms of [-1, NaN, Infinity]) throws(() => clock.advance(ms), RangeError);
  for (const ms of [NaN, Infinity, 8.64e15 + 1]) throws(() => new ManualClock(ms), RangeError);
  throws(() => clock.setTimer(NaN, () => {}), RangeError);
});
