// The timer wheel, by itself and against a naive model.

import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Expiring, TimerWheel, WHEEL_TICK_MS } from "../../src/domain/timer_wheel.ts";

interface Entry extends Expiring {
  readonly name: number;
}

const entry = (name: number, expiresAt: number): Entry => ({
  name,
  expiresAt,
  wheelPrevious: undefined,
  wheelNext: undefined,
});

function expired(wheel: TimerWheel<Entry>, now: number): number[] {
  const names: number[] = [];
  wheel.advance(now, ({ name }) => names.push(name));
  return names;
}

test("a deadline fires when it is over, never early and at most once", () => {
  const wheel = new TimerWheel<Entry>(1_000);
  wheel.add(entry(1, 1_050));
  for (let now = 1_000; now < 1_050; now++) deepStrictEqual(expired(wheel, now), [], `${now}`);
  deepStrictEqual(expired(wheel, 1_050), [1]);
  strictEqual(wheel.size, 0);
  deepStrictEqual(expired(wheel, 1_100), []);
});

test("a deadline that is over when it is set fires at the next turn", () => {
  const wheel = new TimerWheel<Entry>(1_000);
  expired(wheel, 2_000);
  wheel.add(entry(1, 500));
  wheel.add(entry(2, 2_000));
  wheel.add(entry(3, -5));
  deepStrictEqual(expired(wheel, 2_000), [1, 2, 3]);
});

test("a deadline further away than a turn waits for its turn", () => {
  const turn = 512 * WHEEL_TICK_MS;
  const wheel = new TimerWheel<Entry>(0);
  wheel.add(entry(1, turn * 3 + 10));
  wheel.add(entry(2, turn + 10));
  for (let now = 0; now < turn + 10; now += WHEEL_TICK_MS) deepStrictEqual(expired(wheel, now), []);
  deepStrictEqual(expired(wheel, turn + 10), [2]);
  deepStrictEqual(expired(wheel, turn * 3 + 9), []);
  deepStrictEqual(expired(wheel, turn * 3 + 10), [1]);
});

test("after a long stop everything that is over fires", () => {
  const wheel = new TimerWheel<Entry>(0);
  for (let i = 0; i < 2_000; i++) wheel.add(entry(i, i * 7));
  strictEqual(expired(wheel, 1e9).length, 2_000);
  strictEqual(wheel.size, 0);
});

test("a deadline that was called off does not fire, and calling it off again does nothing", () => {
  const wheel = new TimerWheel<Entry>(0);
  const [one, two] = [entry(1, 10), entry(2, 10)];
  wheel.add(one);
  wheel.add(two);
  wheel.remove(one);
  wheel.remove(one);
  wheel.remove(entry(3, 10));
  strictEqual(wheel.size, 1);
  deepStrictEqual(expired(wheel, 20), [2]);
  wheel.remove(two);
  strictEqual(wheel.size, 0);
});

test("an entry can be set again after it fired or was called off", () => {
  const wheel = new TimerWheel<Entry>(0);
  const one = entry(1, 10);
  for (let now = 10; now < 100; now += 10) {
    one.expiresAt = now;
    wheel.add(one);
    if (now % 20 === 0) wheel.remove(one);
    deepStrictEqual(expired(wheel, now), now % 20 === 0 ? [] : [1]);
  }
});

test("what fires may call off its neighbours", () => {
  const wheel = new TimerWheel<Entry>(0);
  const entries = Array.from({ length: 5 }, (_, name) => entry(name, 10));
  entries.forEach((one) => wheel.add(one));
  const fired: number[] = [];
  wheel.advance(20, ({ name }) => {
    fired.push(name);
    for (const other of entries) if (other.name === name + 1) wheel.remove(other);
  });
  deepStrictEqual(fired, [0, 2, 4]);
  strictEqual(wheel.size, 0);
});

test("what fires may set itself and new ones, for later", () => {
  const wheel = new TimerWheel<Entry>(0);
  for (let name = 0; name < 3; name++) wheel.add(entry(name, 10));
  const fired: number[] = [];
  wheel.advance(20, (one) => {
    fired.push(one.name);
    one.expiresAt = 100 + one.name;
    wheel.add(one);
    wheel.add(entry(one.name + 10, 200));
  });
  deepStrictEqual(fired, [0, 1, 2]);
  deepStrictEqual(expired(wheel, 150), [0, 1, 2]);
  deepStrictEqual(expired(wheel, 250), [10, 11, 12]);
  strictEqual(wheel.size, 0);
});

test("what fires may move its neighbours, which fire once and when they should", () => {
  const wheel = new TimerWheel<Entry>(0);
  const entries = Array.from({ length: 6 }, (_, name) => entry(name, 10));
  entries.forEach((one) => wheel.add(one));
  const fired: number[] = [];
  const move = (one: Entry, expiresAt: number) => {
    wheel.remove(one);
    one.expiresAt = expiresAt;
    wheel.add(one);
  };
  wheel.advance(20, ({ name }) => {
    fired.push(name);
    // The next but one to another slot, the next to the end of its own.
    if (name === 0) move(entries[2]!, 100);
    if (name === 0) move(entries[1]!, 5);
    if (name === 3) move(entries[4]!, 20 + 512 * WHEEL_TICK_MS);
  });
  deepStrictEqual(fired, [0, 1, 3, 5]);
  deepStrictEqual(expired(wheel, 150), [2]);
  deepStrictEqual(expired(wheel, 20 + 513 * WHEEL_TICK_MS), [4]);
  strictEqual(wheel.size, 0);
});

test("what fires and is set again for a moment that is over comes once a turn", () => {
  const wheel = new TimerWheel<Entry>(0);
  for (let name = 0; name < 3; name++) wheel.add(entry(name, 10 + name * WHEEL_TICK_MS));
  for (let turn = 0; turn < 3; turn++) {
    const fired: number[] = [];
    wheel.advance(50, (one) => {
      fired.push(one.name);
      if (fired.length > 10) throw new Error("it goes on for ever");
      one.expiresAt = 0;
      wheel.add(one);
    });
    deepStrictEqual(fired, [0, 1, 2]);
  }
  strictEqual(wheel.size, 3);
});

test("what throws keeps no other from firing, and is thrown", () => {
  const wheel = new TimerWheel<Entry>(0);
  for (let name = 0; name < 4; name++) wheel.add(entry(name, 10));
  const fired: number[] = [];
  throws(() =>
    wheel.advance(20, ({ name }) => {
      fired.push(name);
      if (name % 2 === 0) throw new Error(`fault ${name}`);
    }), /fault 0/);
  deepStrictEqual(fired, [0, 1, 2, 3]);
  strictEqual(wheel.size, 0);
});

test("every entry is known while one fires", () => {
  const wheel = new TimerWheel<Entry>(0);
  for (let name = 0; name < 4; name++) wheel.add(entry(name, 10));
  const known: number[] = [];
  wheel.advance(20, () => known.push(wheel.entries().length));
  deepStrictEqual(known, [3, 2, 1, 0]);
});

test("it does what a plain list of deadlines does", () => {
  const command = fc.oneof(
    fc.record({ kind: fc.constant("add" as const), after: fc.integer({ min: -50, max: 10_000 }) }),
    fc.record({ kind: fc.constant("remove" as const), which: fc.nat() }),
    fc.record({
      kind: fc.constant("advance" as const),
      by: fc.double({ min: 0, max: 6_000, noNaN: true }),
    }),
    fc.record({ kind: fc.constant("advance" as const), by: fc.integer({ min: 0, max: 20 }) }),
  );
  const start = fc.double({ min: 0, max: 1e9, noNaN: true });
  fc.assert(
    fc.property(start, fc.array(command, { maxLength: 80 }), (began, commands) => {
      const wheel = new TimerWheel<Entry>(began);
      const model = new Map<number, Entry>();
      const all: Entry[] = [];
      let now = began;
      for (const step of commands) {
        if (step.kind === "add") {
          const one = entry(all.length, now + step.after);
          all.push(one);
          model.set(one.name, one);
          wheel.add(one);
        } else if (step.kind === "remove") {
          const one = all[step.which % Math.max(1, all.length)];
          if (one === undefined) continue;
          model.delete(one.name);
          wheel.remove(one);
        } else {
          now += step.by;
          const due = [...model.values()].filter(({ expiresAt }) => expiresAt <= now);
          due.forEach(({ name }) => model.delete(name));
          const names = expired(wheel, now).sort((a, b) => a - b);
          deepStrictEqual(names, due.map(({ name }) => name).sort((a, b) => a - b));
        }
        strictEqual(wheel.size, model.size);
      }
    }),
    { numRuns: 500 },
  );
});

test("a deadline as far away as a number can say does not fire", () => {
  const wheel = new TimerWheel<Entry>(0);
  for (const expiresAt of [Number.MAX_SAFE_INTEGER, Number.MAX_VALUE]) {
    const one = entry(1, expiresAt);
    wheel.add(one);
    deepStrictEqual(expired(wheel, 1e12), []);
    wheel.remove(one);
  }
  strictEqual(wheel.size, 0);
});
