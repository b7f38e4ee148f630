// The circuit: when it opens, how it tries again, and what counts for it.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  type Circuit,
  CIRCUIT_DEFAULTS,
  circuitAfter,
  type CircuitOptions,
  letsThrough,
  newCircuit,
} from "../../src/domain/circuit.ts";

type Outcome = "good" | "failed" | "void";

/** A circuit with a clock. */
class Model {
  now = 1_000;
  circuit: Circuit = newCircuit(1_000);
  readonly settings: typeof CIRCUIT_DEFAULTS;

  constructor(options: CircuitOptions = {}) {
    this.settings = { ...CIRCUIT_DEFAULTS, ...options };
  }

  get lets(): boolean {
    return letsThrough(this.circuit, this.now, this.settings);
  }

  /** Begins a call; what it gives ends it. */
  begin(): (outcome: Outcome, tookMs?: number) => void {
    ok(this.lets);
    this.circuit = circuitAfter(this.circuit, { kind: "begun" }, this.now, this.settings);
    const { era } = this.circuit;
    return (outcome, tookMs = 1) => {
      const event = { kind: "ended", era, outcome, tookMs } as const;
      this.circuit = circuitAfter(this.circuit, event, this.now, this.settings);
    };
  }

  call(...outcomes: readonly Outcome[]): void {
    for (const outcome of outcomes) this.begin()(outcome);
  }
}

const times = <T>(count: number, value: T): T[] => Array.from({ length: count }, () => value);

test("it opens when as many calls have failed one after another as it was told", () => {
  const model = new Model({ failures: 3 });
  model.call("failed", "failed", "good", "failed", "failed");
  strictEqual(model.circuit.state, "closed");
  model.call("failed");
  strictEqual(model.circuit.state, "open");
  ok(!model.lets);
});

test("it opens when too large a share of the calls of the window has failed", () => {
  const model = new Model({ failures: 100, failureRate: 0.5, minCalls: 10 });
  for (let i = 0; i < 4; i++) model.call("good", "failed");
  strictEqual(model.circuit.state, "closed", "too few calls say nothing");
  model.call("good");
  model.call("failed");
  strictEqual(model.circuit.state, "open");
});

test("a good call does not open it, whatever the share is", () => {
  const model = new Model({ failures: 100, failureRate: 0.1, minCalls: 3 });
  model.call("failed", "failed", "good");
  strictEqual(model.circuit.state, "closed");
});

test("what is older than the window does not count, and what is younger than half of it does", () => {
  const model = new Model({ failures: 100, failureRate: 0.5, minCalls: 10, windowMs: 1_000 });
  model.call(...times(8, "failed" as const));
  model.now += 1_001;
  model.call(...times(8, "good" as const));
  model.call("failed", "failed");
  strictEqual(model.circuit.state, "closed");
  model.now += 499;
  model.call(...times(5, "failed" as const));
  strictEqual(model.circuit.state, "closed");
  model.call("failed");
  strictEqual(model.circuit.state, "open", "8 good ones and 8 that failed");
});

test("a slow call counts as one that failed", () => {
  const model = new Model({ failures: 2, slowMs: 100 });
  model.begin()("good", 100);
  model.begin()("good", 101);
  strictEqual(model.circuit.state, "closed");
  model.begin()("good", 101);
  strictEqual(model.circuit.state, "open");
});

test("what says nothing counts for nothing", () => {
  const model = new Model({ failures: 2 });
  model.call("failed", "void", "failed");
  strictEqual(model.circuit.state, "open");
});

test("an open one lets nothing through until its time has come, then one call", () => {
  const model = new Model({ failures: 1, openMs: 500 });
  model.call("failed");
  model.now += 499;
  ok(!model.lets);
  model.now += 1;
  ok(model.lets);
  const end = model.begin();
  strictEqual(model.circuit.state, "half_open");
  ok(!model.lets, "one at a time");
  end("good");
  strictEqual(model.circuit.state, "closed");
  ok(model.lets);
});

test("a probe that fails opens it for as long again", () => {
  const model = new Model({ failures: 1, openMs: 500, probes: 2 });
  model.call("failed");
  model.now += 500;
  const [one, other] = [model.begin(), model.begin()];
  one("failed");
  strictEqual(model.circuit.state, "open");
  strictEqual(model.circuit.until, model.now + 500);
  other("good");
  strictEqual(model.circuit.state, "open", "what began before says nothing of now");
});

test("it closes when as many probes have come to a good end as it was told", () => {
  const model = new Model({ failures: 1, openMs: 500, probes: 3 });
  model.call("failed");
  model.now += 500;
  model.call("good", "good");
  strictEqual(model.circuit.state, "half_open");
  model.call("good");
  strictEqual(model.circuit.state, "closed");
});

test("a probe that says nothing leaves its place to another one", () => {
  const model = new Model({ failures: 1, openMs: 500 });
  model.call("failed");
  model.now += 500;
  model.call("void");
  strictEqual(model.circuit.state, "half_open");
  ok(model.lets);
  model.call("good");
  strictEqual(model.circuit.state, "closed");
});

test("what comes of calls that began before it opened counts for nothing", () => {
  const model = new Model({ failures: 1, openMs: 500 });
  const late = times(5, 0).map(() => model.begin());
  model.call("failed");
  model.now += 500;
  const probe = model.begin();
  for (const end of late) end("failed");
  strictEqual(model.circuit.state, "half_open");
  probe("good");
  strictEqual(model.circuit.state, "closed");
  strictEqual(model.circuit.inRow, 0);
});

test("it begins anew after it was closed", () => {
  const model = new Model({ failures: 3, openMs: 500 });
  model.call("failed", "failed", "failed");
  model.now += 500;
  model.call("good", "failed", "failed");
  strictEqual(model.circuit.state, "closed");
});

test("states are left as they were: a new one is given", () => {
  const before = Object.freeze(newCircuit(0));
  const event = { kind: "ended", era: 0, outcome: "failed", tookMs: 1 } as const;
  const after = circuitAfter(before, event, 1, { ...CIRCUIT_DEFAULTS, failures: 1 });
  deepStrictEqual(before, newCircuit(0));
  strictEqual(after.state, "open");
});

test("whatever happens, it lets no more than its probes through half open, and is never stuck", () => {
  const step = fc.record({
    waitMs: fc.nat({ max: 700 }),
    does: fc.constantFrom("begin", "good", "failed", "void"),
    which: fc.nat({ max: 5 }),
  });
  const options = fc.record({
    failures: fc.integer({ min: 1, max: 4 }),
    minCalls: fc.integer({ min: 1, max: 10 }),
    failureRate: fc.double({ min: 0.1, max: 1, noNaN: true }),
    windowMs: fc.constant(1_000),
    openMs: fc.constant(500),
    probes: fc.integer({ min: 1, max: 3 }),
  });
  fc.assert(fc.property(options, fc.array(step, { maxLength: 60 }), (given, steps) => {
    const model = new Model(given);
    const running: ((outcome: Outcome) => void)[] = [];
    for (const { waitMs, does, which } of steps) {
      model.now += waitMs;
      if (does !== "begin") running.splice(which % (running.length || 1), 1)[0]?.(does);
      else if (model.lets) running.push(model.begin());
      const { state, probing, passed, until } = model.circuit;
      if (state === "half_open") ok(probing >= 0 && probing + passed <= given.probes);
      if (state === "open") ok(until <= model.now + given.openMs);
    }
    // When all that runs has ended and its time has come, it lets a call through, and good ones close it.
    for (const end of running) end("void");
    model.now += given.openMs;
    for (let i = 0; i < given.probes; i++) model.call("good");
    ok(model.lets);
    strictEqual(model.circuit.state, "closed");
  }));
});
