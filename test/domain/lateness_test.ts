// Lateness: how long a message waited, by clocks that nobody trusts.

import { ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Lateness, type Standstill } from "../../src/domain/lateness.ts";

let standstills = 0;

/** A standstill of its own, of `ms` milliseconds. */
const stood = (ms: number, most = ms): Standstill => ({ since: standstills++, least: ms, most });

test("a message of a known sender waited for what its time stamp shows beyond the smallest", () => {
  const lateness = new Lateness();
  lateness.observe("a", 1_000, 6_000, stood(50));
  strictEqual(lateness.observe("a", 2_000, 7_300, stood(400)), 300);
  strictEqual(lateness.observe("a", 3_000, 8_000, stood(400)), 0);
});

test("a message that came straight through did not wait, whatever the difference of the clocks", () => {
  for (const offset of [-86_400_000, -5_000, -1, 0, 5_000, 86_400_000]) {
    const lateness = new Lateness();
    for (let now = 0; now < 10_000; now += 100) {
      strictEqual(
        lateness.observe("a", now - offset, now, stood(30)),
        offset > 0 && offset <= 30 ? offset : 0,
      );
    }
  }
});

test("of a sender first heard, a difference that waiting explains is waiting", () => {
  strictEqual(new Lateness().observe("a", 1_000, 1_180, stood(200)), 180);
  strictEqual(new Lateness().observe("a", 1_000, 9_000, stood(200)), 0);
  strictEqual(new Lateness().observe("a", 9_000, 1_000, stood(200)), 0);
});

test("a first message that was sent just before the listening stopped waited for all of it", () => {
  // It was on its way for two milliseconds when the process stopped listening for 200.
  ok(new Lateness().observe("a", 1_000, 1_202, stood(200)) >= 190);
});

test("no message waited longer than nobody listened", () => {
  const lateness = new Lateness();
  lateness.observe("a", 0, 0, stood(100));
  strictEqual(lateness.observe("a", 0, 1_000, stood(60)), 60);
});

test("senders are told apart", () => {
  const lateness = new Lateness();
  lateness.observe("a", 0, 0, stood(100));
  lateness.observe("b", 0, 5_000, stood(100));
  strictEqual(lateness.observe("a", 6_000, 6_050, stood(100)), 50);
  strictEqual(lateness.observe("b", 6_000, 11_000, stood(100)), 0);
});

test("a clock that drifts is followed within two minutes", () => {
  const lateness = new Lateness();
  lateness.observe("a", 0, 0, stood(100));
  // From then on its clock is 40 ms behind for good.
  let last = NaN;
  for (let now = 1_000; now < 180_000; now += 1_000) {
    last = lateness.observe("a", now - 40, now, stood(100));
  }
  strictEqual(last, 0);
});

test("any number of senders is bearable", () => {
  const lateness = new Lateness();
  for (let n = 0; n < 50_000; n++) {
    const waited = lateness.observe(`sender-${n}`, n, n + 10, stood(20));
    strictEqual(waited, 10);
  }
});

test("it is never below nothing, nor above the time of not listening", () => {
  const moment = fc.double({ min: -1e13, max: 1e13, noNaN: true });
  const message = fc.tuple(
    fc.constantFrom("a", "b"),
    moment,
    moment,
    fc.double({ min: 0, max: 1e6, noNaN: true }),
  );
  fc.assert(fc.property(fc.array(message, { maxLength: 30 }), (messages) => {
    const lateness = new Lateness();
    for (const [sender, sentAt, now, unheard] of messages) {
      const waited = lateness.observe(sender, sentAt, now, stood(unheard));
      ok(waited >= 0 && waited <= unheard, `${waited} of ${unheard}`);
    }
  }));
});

test("what comes in one standstill is judged alike, however much of it comes", () => {
  const lateness = new Lateness();
  const standstill = stood(200);
  for (let n = 0; n < 5; n++) strictEqual(lateness.observe("a", 1_000, 1_200, standstill), 200);
  strictEqual(lateness.observe("a", 1_190, 1_210, standstill), 20);
  // By then its clock is known.
  strictEqual(lateness.observe("a", 5_000, 5_120, stood(200)), 100);
});

test("a difference that is explained by what is uncertain counts for what is certain", () => {
  strictEqual(new Lateness().observe("a", 1_000, 1_180, stood(100, 200)), 100);
  strictEqual(new Lateness().observe("a", 1_000, 1_300, stood(100, 200)), 0);
});
