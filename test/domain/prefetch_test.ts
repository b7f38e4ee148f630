// Prefetch: how much is asked for, and how the window grows and shrinks.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Prefetch } from "../../src/domain/prefetch.ts";

const at = (now: number) => ({ monotonic: () => now });

test("at first there are as many messages as slots", () => {
  const prefetch = new Prefetch(16, false);
  deepStrictEqual([prefetch.window, prefetch.wants(0, 0, at(0))], [16, 16]);
  strictEqual(prefetch.wants(0, 16, at(0)), 0);
});

test("a window is never wider than 1,024, however many slots there are", () => {
  strictEqual(new Prefetch(Infinity, false).wants(0, 0, at(0)), 1_024);
  strictEqual(new Prefetch(5_000, true).window, 1_024);
});

test("nothing is asked for before half the window is free, but for a slot that waits with nothing on its way", () => {
  const prefetch = new Prefetch(10, false);
  strictEqual(prefetch.wants(0, 0, at(0)), 10);
  strictEqual(prefetch.wants(2, 4, at(1_000)), 0);
  strictEqual(prefetch.wants(2, 3, at(1_000)), 5);
  strictEqual(prefetch.wants(9, 0, at(2_000)), 1);
  strictEqual(prefetch.wants(10, 0, at(3_000)), 0);
});

test("the window doubles while the next ask comes within 40 ms of the last, up to 1,024", () => {
  const prefetch = new Prefetch(16, false);
  const asks = [0, 39, 78, 117, 156, 195, 234, 273].map((now) => prefetch.wants(0, 0, at(now)));
  deepStrictEqual(asks, [16, 32, 64, 128, 256, 512, 1_024, 1_024]);
});

test("the window stays as it is where handlers take their time", () => {
  const prefetch = new Prefetch(16, false);
  deepStrictEqual([0, 40, 80, 1_000].map((now) => prefetch.wants(0, 0, at(now))), [16, 16, 16, 16]);
});

test("what was not asked for says nothing of how fast handlers are", () => {
  const prefetch = new Prefetch(16, false);
  prefetch.wants(0, 0, at(0));
  for (let now = 1; now < 40; now++) strictEqual(prefetch.wants(16, 0, at(now)), 0);
  strictEqual(prefetch.wants(0, 0, at(40)), 16);
});

test("a fixed window does not grow", () => {
  const prefetch = new Prefetch(1, true);
  deepStrictEqual([0, 1, 2, 3].map((now) => prefetch.wants(0, 0, at(now))), [1, 1, 1, 1]);
});

test("the window halves with each message that has waited over 150 ms, down to the slots", () => {
  const prefetch = new Prefetch(10, false);
  for (const now of [0, 1, 2]) prefetch.wants(0, 0, at(now));
  strictEqual(prefetch.window, 40);
  prefetch.waited(150);
  strictEqual(prefetch.window, 40);
  const windows = [151, 151, 151].map((ms) => (prefetch.waited(ms), prefetch.window));
  deepStrictEqual(windows, [20, 10, 10]);
});

test("where what waits is handed back, no more comes than there are slots free", () => {
  const prefetch = new Prefetch(10, false);
  for (const now of [0, 1, 2, 3]) prefetch.wants(0, 0, at(now));
  strictEqual(prefetch.window, 80);
  prefetch.narrow();
  deepStrictEqual([prefetch.wants(10, 0, at(1_000)), prefetch.wants(8, 0, at(1_000))], [0, 2]);
});

test("a window that was doubled ends at 1,024, and one that is halved at the slots", () => {
  const prefetch = new Prefetch(600, false);
  for (const now of [0, 1, 2]) prefetch.wants(0, 0, at(now));
  strictEqual(prefetch.window, 1_024);
  prefetch.waited(151);
  strictEqual(prefetch.window, 600);
});

test("while all slots are taken a wide window is not filled up one by one", () => {
  const prefetch = new Prefetch(10, false);
  for (const now of [0, 1, 2]) prefetch.wants(0, 0, at(now));
  strictEqual(prefetch.window, 40);
  strictEqual(prefetch.wants(21, 0, at(1_000)), 0);
  strictEqual(prefetch.wants(20, 0, at(2_000)), 20);
});

test("whatever happens, a window holds the slots at least and what it asks for at most", () => {
  const step = fc.record({
    passes: fc.constantFrom(0, 1, 39, 40, 500),
    comes: fc.double({ min: 0, max: 1, noNaN: true }),
    ends: fc.double({ min: 0, max: 1, noNaN: true }),
    waits: fc.constantFrom(0, 150, 151),
  });
  fc.assert(fc.property(
    fc.integer({ min: 1, max: 2_000 }),
    fc.boolean(),
    fc.array(step, { maxLength: 60 }),
    (slots, fixed, steps) => {
      const prefetch = new Prefetch(slots, fixed);
      const [least, most] = [Math.min(slots, 1_024), fixed ? Math.min(slots, 1_024) : 1_024];
      let now = 0, held = 0, asked = 0;
      for (const { passes, comes, ends, waits } of steps) {
        now += passes;
        const wants = prefetch.wants(held, asked, at(now));
        ok(Number.isInteger(wants) && wants >= 0, `asks for ${wants}`);
        // Nothing can come to whoever has nothing and asks for nothing: it would wait for ever.
        if (held + asked === 0) ok(wants > 0);
        asked += wants;
        if (wants > 0) ok(held + asked <= prefetch.window);
        const arrived = Math.round(asked * comes);
        asked -= arrived;
        held += arrived;
        prefetch.waited(waits);
        held -= Math.round(held * ends);
        ok(prefetch.window >= least && prefetch.window <= most, `${prefetch.window}`);
        ok(held + asked <= most);
      }
    },
  ));
});
