// The circuit: whether calls of what keeps failing are let through, as a function from state and event to state.

/** When a circuit opens, and how it closes again. */
export interface CircuitOptions {
  /** It opens when so many calls one after another have failed. @default {5} */
  readonly failures?: number;
  /** It opens when that share of the calls of the window has failed, over 0 and at most 1. @default {0.5} */
  readonly failureRate?: number;
  /** The share counts from that many calls on. @default {20} */
  readonly minCalls?: number;
  /** How long a call counts for the share, in milliseconds: at least half of this, and at most all of it. @default {10000} */
  readonly windowMs?: number;
  /** A call that takes longer counts as one that failed, in milliseconds. @default {Infinity} */
  readonly slowMs?: number;
  /** For how long it lets nothing through before it tries again, in milliseconds. @default {5000} */
  readonly openMs?: number;
  /** How many calls it then lets through at a time; when so many have come to a good end, it closes. @default {1} */
  readonly probes?: number;
}

/** Options with every field decided. */
export type CircuitSettings = Required<CircuitOptions>;

/** What options say nothing of. */
export const CIRCUIT_DEFAULTS: CircuitSettings = {
  failures: 5,
  failureRate: 0.5,
  minCalls: 20,
  windowMs: 10_000,
  slowMs: Infinity,
  openMs: 5_000,
  probes: 1,
};

/** Calls of a while, and how many of them failed. */
interface Tally {
  readonly calls: number;
  readonly failed: number;
}

/** Where a circuit stands. Times are in milliseconds of one clock that never goes back. */
export interface Circuit {
  /** Whether it lets calls through: all, none, or a few to see whether they fail. */
  readonly state: "closed" | "open" | "half_open";
  /** How often it has changed its state. What comes of a call that began before counts for nothing. */
  readonly era: number;
  /** When an open one tries again. */
  readonly until: number;
  /** How many calls one after another have failed. */
  readonly inRow: number;
  /** When the second half of the window began. */
  readonly since: number;
  /** The calls of the second half, and of the first. */
  readonly tallies: readonly [Tally, Tally];
  /** How many calls of those that it lets through half open are under way. */
  readonly probing: number;
  /** How many of them have come to a good end. */
  readonly passed: number;
}

/** What happens to a circuit: a call begins that it has let through, or ends, in whatever `era` it began. */
export type CircuitEvent =
  | { readonly kind: "begun" }
  /** `void` is the end of a call that says nothing: it was taken back, or never sent. */
  | {
    readonly kind: "ended";
    readonly era: number;
    readonly outcome: "good" | "failed" | "void";
    readonly tookMs: number;
  };

const NONE: Tally = { calls: 0, failed: 0 };

/** A circuit that has seen nothing yet. */
export function newCircuit(now: number): Circuit {
  return closed(0, now);
}

/** Whether it lets a call through now. */
export function letsThrough(
  { state, until, probing, passed }: Circuit,
  now: number,
  { probes }: CircuitSettings,
): boolean {
  return state === "closed" ||
    (state === "open" ? now >= until : probing + passed < probes);
}

/** How it stands after an event. `begun` is for calls that it lets through. */
export function circuitAfter(
  circuit: Circuit,
  event: CircuitEvent,
  now: number,
  settings: CircuitSettings,
): Circuit {
  if (event.kind === "begun") {
    if (circuit.state === "closed") return circuit;
    if (circuit.state === "half_open") return { ...circuit, probing: circuit.probing + 1 };
    return { ...closed(circuit.era + 1, now), state: "half_open", probing: 1 };
  }
  if (event.era !== circuit.era || circuit.state === "open") return circuit;
  const outcome = event.outcome === "good" && event.tookMs > settings.slowMs
    ? "failed"
    : event.outcome;
  return circuit.state === "half_open"
    ? afterProbe(circuit, outcome, now, settings)
    : afterCall(circuit, outcome, now, settings);
}

type Outcome = "good" | "failed" | "void";

function afterProbe(
  circuit: Circuit,
  outcome: Outcome,
  now: number,
  { probes, openMs }: CircuitSettings,
): Circuit {
  if (outcome === "failed") return opened(circuit, now + openMs);
  const passed = circuit.passed + (outcome === "good" ? 1 : 0);
  if (passed >= probes) return closed(circuit.era + 1, now);
  return { ...circuit, probing: circuit.probing - 1, passed };
}

function afterCall(
  circuit: Circuit,
  outcome: Outcome,
  now: number,
  settings: CircuitSettings,
): Circuit {
  if (outcome === "void") return circuit;
  const failed = outcome === "failed" ? 1 : 0;
  const half = settings.windowMs / 2;
  const age = now - circuit.since;
  const [second, first] = age < half
    ? circuit.tallies
    : [NONE, age < half * 2 ? circuit.tallies[0] : NONE] as const;
  const inRow = failed === 0 ? 0 : circuit.inRow + 1;
  const latest = { calls: second.calls + 1, failed: second.failed + failed };
  const calls = latest.calls + first.calls;
  const isTooMuch = inRow >= settings.failures ||
    (calls >= settings.minCalls && (latest.failed + first.failed) / calls >= settings.failureRate);
  if (failed === 1 && isTooMuch) return opened(circuit, now + settings.openMs);
  return {
    ...circuit,
    inRow,
    since: age < half ? circuit.since : now,
    tallies: [latest, first],
  };
}

function closed(era: number, now: number): Circuit {
  return {
    state: "closed",
    era,
    until: 0,
    inRow: 0,
    since: now,
    tallies: [NONE, NONE],
    probing: 0,
    passed: 0,
  };
}

function opened({ era }: Circuit, until: number): Circuit {
  return { ...closed(era + 1, until), state: "open", until };
}
