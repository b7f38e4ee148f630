// The proof of leases at its full size: `deno task proof:lease`. Its last lines are the figures.

import process from "node:process";
import { parseArgs } from "node:util";
import { MUTANTS } from "../domain/lease_mutants.ts";
import { simulateLease } from "../domain/lease_simulation.ts";

const HELP = `deno task proof:lease [--schedules 100000] [--first 1] [--seed N]

Runs random schedules of an election with 2 to 5 candidates in virtual time: messages are late, lost, doubled and out of
order, processes stand still, crash, stop and start again, are cut off, have clocks up to 10 % too fast or too slow, and
records are removed or spoiled. No schedule may have two leaders at any moment, and each must end with one.
  --seed N   replays one schedule and shows each step of it`;

const { values } = parseArgs({
  options: {
    schedules: { type: "string", default: "100000" },
    first: { type: "string", default: "1" },
    seed: { type: "string" },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  console.log(HELP);
  process.exit(0);
}
if (values.seed !== undefined) {
  const verdict = simulateLease(Number(values.seed), { onStep: (line) => console.log(line) });
  console.log(verdict);
  process.exit(verdict.fault === undefined ? 0 : 1);
}

const [first, schedules] = [Number(values.first), Number(values.schedules)];
const startedAt = performance.now();
const sums = new Map<string, number>();
let failed = 0;
for (let seed = first; seed < first + schedules; seed++) {
  const { fault, ...counts } = simulateLease(seed);
  for (const [name, count] of Object.entries(counts)) {
    sums.set(name, (sums.get(name) ?? 0) + count);
  }
  if (fault === undefined) continue;
  failed++;
  console.log(`FAILED --seed ${seed}: ${fault}`);
}
const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1);
const shown = [...sums].map(([name, count]) => `${count.toLocaleString("en")} ${wordsOf(name)}`);
console.log(`${schedules.toLocaleString("en")} schedules in ${seconds} s: ${shown.join(", ")}`);

// The same schedules find each of these faults, so that it is known what they would find.
for (const [fault, options] of Object.entries(MUTANTS)) {
  let seed = 1;
  while (seed <= 3_000 && simulateLease(seed, options).fault === undefined) seed++;
  if (seed > 3_000) failed++;
  console.log(`${seed > 3_000 ? "NOT FOUND" : `found by schedule ${seed}`}: ${fault}`);
}
console.log(
  failed === 0
    ? "ok: no moment with two leaders, no token that went back, a leader at the end of each"
    : `FAILED: ${failed}`,
);
process.exitCode = failed === 0 ? 0 : 1;

/** `lateYields` as words. */
function wordsOf(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}
