// Command queues: what their decisions add up to, in simulations with a broker in virtual time.

import { ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Simulation, SKEW } from "./command_queues_simulation.ts";

/** The four queues of one command, by their index, which is the level. */
const [LOW, NORMAL, HIGH, CRITICAL] = [0, 1, 2, 3] as const;
const LEVELS = [0, 1, 2, 3].map((level) => ({ command: 0, level }));
/** Two commands of the same priority. */
const PAIR = [{ command: 0, level: NORMAL }, { command: 1, level: NORMAL }];

/** How many have begun while one of a higher level waited. */
function inversions({ started }: Simulation): number {
  const left = [0, 0, 0, 0];
  for (const { queue } of started) left[queue]!++;
  let count = 0;
  for (const { queue } of started) {
    left[queue]!--;
    if (left.some((waiting, level) => level > queue && waiting > 0)) count++;
  }
  return count;
}

const waits = ({ started }: Simulation, queue: number): number[] =>
  started.filter((sent) => sent.queue === queue)
    .map(({ startedAt, storedAt }) => startedAt + SKEW - storedAt);

test("priority is strict across a backlog of 100,000, but for what is on its way when it begins and ends", () => {
  const simulation = new Simulation({
    queues: LEVELS,
    concurrency: [16],
    serviceConcurrency: Infinity,
    workers: 3,
    latencyMs: (random) => 0.1 + random() * 0.2,
    workMs: (_, random) => 1 + random() * 8,
  });
  for (let i = 0; i < 100_000; i++) simulation.send([LOW, HIGH, CRITICAL, NORMAL][i % 4]!);
  simulation.run();
  strictEqual(simulation.ended, 100_000);
  // Three workers with 16 slots each, at the start and at three passages.
  ok(inversions(simulation) <= 3 * 16 * 4, `${inversions(simulation)} inversions`);
  ok(simulation.bounces <= 100, `${simulation.bounces} were handed back`);
  ok(simulation.excess <= 0, `${simulation.excess} slots too many`);
  ok(simulation.now < 100_000 / 48 * 5 * 1.15, `it took ${simulation.now} ms`);
});

test("with one slot in all one command at most runs before a higher one", () => {
  const simulation = new Simulation({
    queues: [0, 1, 2, 3].map((level) => ({ command: level, level })),
    concurrency: [9, 9, 9, 9],
    serviceConcurrency: 1,
    latencyMs: (random) => 0.1 + random() * 0.2,
  });
  for (let i = 0; i < 2_000; i++) simulation.send([LOW, HIGH, CRITICAL, NORMAL][i % 4]!);
  simulation.run();
  strictEqual(simulation.ended, 2_000);
  ok(inversions(simulation) <= 1, `${inversions(simulation)} inversions`);
});

test("under a flood of critical commands low ones wait for three levels longer, and no more", () => {
  for (const looks of [true, false]) {
    const simulation = new Simulation({
      queues: LEVELS,
      concurrency: [8],
      serviceConcurrency: Infinity,
      ageingMs: 1_000,
      looks,
      workMs: () => 10,
    });
    const every = (queue: number, ms: number) => {
      simulation.send(queue);
      if (simulation.now < 15_000) simulation.after(ms, () => every(queue, ms));
    };
    // One slot does a hundred a second: it is 1.2 times what eight can do.
    every(CRITICAL, 1 / 0.96);
    every(LOW, 100);
    simulation.run();
    strictEqual(simulation.ended, simulation.sent);
    const low = Math.max(...waits(simulation, LOW));
    const critical = Math.max(...waits(simulation, CRITICAL));
    ok(low <= critical + 3_000 + 50, `low waited ${low} ms, critical ${critical} ms`);
    ok(low >= 3_000, `low waited ${low} ms, as if it were critical`);
    ok(simulation.bounces <= 20, `${simulation.bounces} were handed back`);
  }
});

test("what has waited long keeps nothing urgent from its turn, and has a share of the slots itself", () => {
  for (const [slots, workers, looks] of [[1, 1, true], [8, 1, false], [16, 3, true]] as const) {
    const simulation = new Simulation({
      queues: LEVELS,
      concurrency: [slots],
      serviceConcurrency: Infinity,
      ageingMs: 100,
      workers,
      looks,
      workMs: () => 10,
    });
    const all = slots * workers;
    // All of it is older than three levels are worth before any of it is run.
    for (let i = 0; i < 1_000 * all; i++) simulation.send(i % 2 === 0 ? LOW : NORMAL);
    // From then on critical ones come for half of the slots, now and then.
    const few = () => {
      for (let i = 0; i < all; i++) simulation.send(CRITICAL);
      if (simulation.now < 4_000) simulation.after(20, few);
    };
    simulation.after(1_000, few);
    simulation.run(4_100);
    const critical = waits(simulation, CRITICAL);
    const name = `${all} slots`;
    ok(critical.length > 100 * all, `${name}: ${critical.length} critical ones were run`);
    // One round of what runs already, one of themselves, and the share of the aged.
    ok(Math.max(...critical) <= 50, `${name}: a critical one waited ${Math.max(...critical)} ms`);
    const aged = simulation.started.length - critical.length;
    ok(aged > 100 * all, `${name}: ${aged} of the others were run`);
    const busy = simulation.started.length / (simulation.now / 10 * all);
    ok(busy > 0.9, `${name}: ${busy} of the slots were in use`);
  }
});

test("behind a backlog of critical ones that never ends a quarter is for those that have waited longer", () => {
  const simulation = new Simulation({
    queues: LEVELS,
    concurrency: [8],
    serviceConcurrency: Infinity,
    ageingMs: 100,
    workMs: () => 10,
  });
  for (let i = 0; i < 2_000; i++) simulation.send(LOW);
  const more = () => {
    for (let i = 0; i < 16; i++) simulation.send(CRITICAL);
    if (simulation.now < 4_000) simulation.after(10, more);
  };
  simulation.after(400, more);
  simulation.run(4_000);
  const begun = simulation.started.filter(({ startedAt }) => startedAt >= 800);
  const low = begun.filter(({ queue }) => queue === LOW).length / begun.length;
  ok(low > 0.1 && low <= 0.26, `${low} of what was run was of low priority`);
});

test("a command that is flooded does not starve another one of the same priority", () => {
  const simulation = new Simulation({
    queues: PAIR,
    concurrency: [8, 8],
    serviceConcurrency: 8,
    workers: 2,
    workMs: () => 10,
  });
  const every = (queue: number, ms: number) => {
    simulation.send(queue);
    if (simulation.now < 8_000) simulation.after(ms, () => every(queue, ms));
  };
  every(0, 1 / 1.76);
  every(1, 20);
  simulation.run();
  strictEqual(simulation.ended, simulation.sent);
  const [flooded, other] = [Math.max(...waits(simulation, 0)), Math.max(...waits(simulation, 1))];
  ok(flooded > 500, `${flooded} ms: that was no flood`);
  ok(other <= flooded * 1.1, `one waited ${flooded} ms, the other ${other} ms`);
  ok(simulation.bounces <= 60, `${simulation.bounces} were handed back`);
});

test("in a closed loop at least eight commands come for each request", () => {
  for (
    const [inFlight, workMs] of [[1, 0.05], [10, 0.5], [64, 2], [200, 5], [256, 5], [
      512,
      20,
    ]] as const
  ) {
    let left = 10_000;
    const simulation: Simulation = new Simulation({
      queues: LEVELS,
      concurrency: [256],
      serviceConcurrency: Infinity,
      workMs: (_, random) => workMs * (0.5 + random()),
      onEnd: () => {
        if (left-- > 0) simulation.after(0.3, () => simulation.send(NORMAL));
      },
    });
    for (let i = 0; i < inFlight; i++) simulation.send(NORMAL);
    simulation.run();
    const each = simulation.ended / simulation.asks;
    ok(each >= 7.9, `${each} for each request with ${inFlight} in flight`);
    strictEqual(simulation.bounces, 0);
    // What a loop takes at the least: there, work, and back, with a little for gathering.
    const ideal = Math.max(inFlight / 256 * workMs, workMs + 0.3 + 0.2) * simulation.ended /
      inFlight;
    ok(simulation.now <= ideal * 1.15 + 10, `${simulation.now} ms, and ${ideal} at best`);
  }
});

test("every command runs, whatever the order of things, and no slot is reserved twice", () => {
  const queue = fc.record({ command: fc.nat(2), level: fc.nat(3) });
  let sent = 0, bounces = 0;
  fc.assert(
    fc.property(
      fc.uniqueArray(queue, {
        minLength: 1,
        maxLength: 8,
        selector: (q) => q.command * 4 + q.level,
      }),
      fc.array(fc.constantFrom(1, 2, 5, 20, 300, Infinity), { minLength: 3, maxLength: 3 }),
      fc.constantFrom(1, 3, 17, 100, Infinity),
      fc.integer({ min: 1, max: 4 }),
      fc.integer(),
      fc.boolean(),
      fc.constantFrom(0.2, 5, 40),
      fc.array(fc.tuple(fc.nat(500), fc.nat(7), fc.integer({ min: 1, max: 40 })), {
        maxLength: 20,
      }),
      fc.array(fc.tuple(fc.nat(500), fc.nat(7), fc.nat(3)), { maxLength: 6 }),
      (queues, concurrency, serviceConcurrency, workers, seed, looks, latency, bursts, losses) => {
        const simulation = new Simulation({
          queues,
          concurrency,
          serviceConcurrency,
          workers,
          seed,
          looks,
          ageingMs: 100,
          latencyMs: (random) => latency * (0.5 + random()),
          workMs: (_, random) => random() < 0.1 ? 200 : random() * 10,
        });
        for (const [at, to, count] of bursts) {
          simulation.after(at, () => {
            for (let i = 0; i < count; i++) simulation.send(to % queues.length);
          });
        }
        for (const [at, from, worker] of losses) {
          simulation.after(at, () => simulation.lose(worker % workers, from % queues.length, 30));
        }
        // It ends only when no timer is wanted any more.
        simulation.run();
        strictEqual(simulation.ended, simulation.sent);
        strictEqual(new Set(simulation.started).size, simulation.sent);
        ok(simulation.excess <= 0, `${simulation.excess} slots too many`);
        sent += simulation.sent;
        bounces += simulation.bounces;
      },
    ),
    { numRuns: 300 },
  );
  ok(bounces <= sent * 0.2, `${bounces} of ${sent} were handed back`);
});
