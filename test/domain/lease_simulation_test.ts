// Leases: random schedules of delays, losses, pauses and crashes have one leader at most, and one in the end.

import { ok, strictEqual } from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import { MUTANTS } from "./lease_mutants.ts";
import { simulateLease } from "./lease_simulation.ts";

const SCHEDULES = 5_000;

test("no schedule has two leaders at once or a token that goes back, and each ends with a leader", () => {
  // LEASE_SEED=n replays one schedule, step by step: a failure names its seed.
  const replayed = Number(process.env["LEASE_SEED"]);
  if (replayed > 0) {
    const { fault } = simulateLease(replayed, { onStep: (line) => console.log(line) });
    return strictEqual(fault, undefined, `LEASE_SEED=${replayed}: ${fault}`);
  }
  let leaderships = 0, lateYields = 0;
  for (let seed = 1; seed <= SCHEDULES; seed++) {
    const verdict = simulateLease(seed);
    strictEqual(verdict.fault, undefined, `LEASE_SEED=${seed}: ${verdict.fault}`);
    leaderships += verdict.leaderships;
    lateYields += verdict.lateYields;
  }
  ok(leaderships > SCHEDULES * 2, `${leaderships} leaderships: the faults did not end any`);
  ok(lateYields > SCHEDULES, `${lateYields} rights ended unnoticed: the pauses came to nothing`);
});

for (const [fault, options] of Object.entries(MUTANTS)) {
  test(`the simulation finds ${fault}`, () => {
    let seed = 1;
    while (seed <= SCHEDULES && simulateLease(seed, options).fault === undefined) seed++;
    ok(seed <= SCHEDULES, `${SCHEDULES} schedules did not find it`);
  });
}
