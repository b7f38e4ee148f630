// A store and candidates in virtual time, under random faults, to see whether two ever lead at once, or nobody in the end.

import type { FailoverPolicy } from "../../src/domain/lease_policy.ts";
import type {
  LeaseContent,
  LeaseObservation,
  LeaseState,
  LeaseStep,
  newLease,
} from "../../src/domain/lease_state.ts";
import { Candidate } from "./lease_candidate.ts";
import { Chance, World } from "./lease_world.ts";

/** The function under test, or one with a fault, to see that the simulation finds it. */
export type Step = (state: LeaseState, observation: LeaseObservation, now: number) => LeaseStep;

/** How often what happened, so that it is seen that faults did come. */
export interface LeaseCounts {
  leaderships: number;
  writes: number;
  conflicts: number;
  unanswered: number;
  pauses: number;
  /** How often a machine slept, with its clock. */
  sleeps: number;
  crashes: number;
  stops: number;
  cuts: number;
  tamperings: number;
  /** How often a leader had lost its right by its clock before it came to say so. */
  lateYields: number;
}

/** What a schedule came to. */
export interface LeaseVerdict extends LeaseCounts {
  /** What went wrong; undefined when nothing did. */
  readonly fault: string | undefined;
}

/** How a schedule may differ from the usual one. */
export interface LeaseSimulationOptions {
  readonly step?: Step;
  /** How a candidate is made, to make one with a fault. */
  readonly create?: typeof newLease;
  /** Whether what was a leader remains one until it says otherwise, which a frozen process cannot. */
  readonly trusting?: boolean;
  /** Told of each step, to follow a schedule that failed. */
  readonly onStep?: (line: string) => void;
}

const LEASES = [100, 300, 600, 2_000];

/** Runs the schedule that the seed makes. */
export function simulateLease(seed: number, options: LeaseSimulationOptions = {}): LeaseVerdict {
  return new LeaseSimulation(seed, options).run();
}

/** One schedule. */
export class LeaseSimulation {
  readonly world: World = new World();
  readonly chance: Chance;
  readonly options: LeaseSimulationOptions;
  readonly counts: LeaseCounts = {
    leaderships: 0,
    writes: 0,
    conflicts: 0,
    unanswered: 0,
    pauses: 0,
    sleeps: 0,
    crashes: 0,
    stops: 0,
    cuts: 0,
    tamperings: 0,
    lateYields: 0,
  };
  readonly candidates: Candidate[] = [];
  /** The lease of the one that waits the longest, or is waited for. */
  readonly longestMs: number;
  /** Shares of messages that are lost, that come twice, and that take long. */
  lossShare: number;
  twiceShare: number;
  slowShare: number;
  calm = false;
  #revision = 0;
  #at = 0;
  #content: LeaseContent = "absent";
  #token = 0;
  #changedAt = 0;
  #fault: string | undefined;

  constructor(seed: number, options: LeaseSimulationOptions) {
    const chance = this.chance = new Chance(seed);
    this.options = options;
    const leases = [chance.of(LEASES)];
    if (chance.is(0.3)) leases.push(chance.of(LEASES));
    this.longestMs = Math.max(...leases);
    this.lossShare = chance.of([0, 0.02, 0.2]);
    this.twiceShare = chance.of([0, 0.1]);
    this.slowShare = chance.of([0, 0.02, 0.2]);
    const count = chance.whole(2, 5);
    for (let index = 0; index < count; index++) {
      const policy = policyOf(chance.of(leases));
      this.candidates.push(new Candidate(this, `node-${index}`, policy));
    }
    const until = this.longestMs * chance.between(2, 15);
    for (const candidate of this.candidates) {
      this.world.at(
        chance.is(0.5) ? 0 : chance.between(0, this.longestMs),
        () => candidate.start(),
      );
      this.#trouble(candidate, until);
    }
    // What removes or spoils a record says nothing of the lease that was in it: candidates must agree then.
    if (leases.length === 1 && chance.is(0.2)) this.#tamper(until);
    this.world.at(until, () => this.#calm());
    this.#until = until;
  }

  readonly #until: number;

  run(): LeaseVerdict {
    // Whoever holds the record may be gone, and whoever waits may know nothing of it yet: two leases, each on a fast clock.
    const settledAt = this.#until + this.longestMs * 3.5;
    const endAt = settledAt + this.longestMs * 1.5;
    this.world.run(endAt);
    const leaders = this.candidates.filter((candidate) => candidate.leads);
    if (leaders.length !== 1) this.fail(`${leaders.length} lead in the end`);
    else if (this.#changedAt > settledAt) this.fail("it did not settle");
    return { ...this.counts, fault: this.#fault };
  }

  fail(message: string): void {
    this.#fault ??= `${message} at ${this.world.now.toFixed(3)} ms`;
  }

  /** Somebody begins to lead, or ends. */
  changed(candidate: Candidate, token: number | undefined): void {
    this.#changedAt = this.world.now;
    if (token === undefined) return;
    this.counts.leaderships++;
    if (token <= this.#token) this.fail(`token ${token} came after ${this.#token}`);
    this.#token = token;
    for (const other of this.candidates) {
      if (other !== candidate && other.leads) this.fail(`${candidate.name} and ${other.name} lead`);
    }
  }

  /** How long a message takes; undefined when it is lost. */
  travel(candidate: Candidate): number | undefined {
    const { chance } = this;
    if (this.calm) return chance.between(0.1, 3);
    if (candidate.cut || chance.is(this.lossShare)) return undefined;
    return chance.is(this.slowShare)
      ? chance.between(0, this.longestMs * chance.of([0.3, 2]))
      : chance.between(0.1, 3);
  }

  /** Sends something one way, once, twice or never. */
  send(candidate: Candidate, arrive: () => void): void {
    const ms = this.travel(candidate);
    if (ms === undefined) return;
    this.world.after(ms, arrive);
    if (!this.calm && this.chance.is(this.twiceShare)) {
      this.world.after(ms + this.chance.between(0, this.longestMs * 2), arrive);
    }
  }

  /** The store: what a key has, at which revision. */
  get stored(): { readonly revision: number; readonly content: LeaseContent } {
    return { revision: this.#at, content: this.#content };
  }

  /** Stores something where the key has that revision. */
  store(expected: number, content: LeaseContent): number | undefined {
    if (expected !== this.#at) return undefined;
    this.#at = ++this.#revision;
    this.#content = content;
    const { stored } = this;
    for (const candidate of this.candidates) {
      if (candidate.deaf) continue;
      const life = candidate.life;
      this.send(candidate, () => candidate.hear(life, { kind: "seen", ...stored }));
    }
    return this.#at;
  }

  #trouble(candidate: Candidate, until: number): void {
    const { chance } = this;
    const everyMs = this.longestMs * chance.of([0.5, 2, 8]);
    const next = () => {
      const at = this.world.now + chance.between(0, everyMs * 2);
      if (at >= until) return;
      this.world.at(at, () => {
        candidate.suffer(chance, until);
        next();
      });
    };
    next();
  }

  #tamper(until: number): void {
    const { chance } = this;
    for (let count = chance.whole(1, 4); count > 0; count--) {
      this.world.at(chance.between(0, until), () => {
        if (this.#at === 0) return;
        this.counts.tamperings++;
        this.store(this.#at, chance.of(["absent", "garbage"] as const));
      });
    }
  }

  #calm(): void {
    this.calm = true;
    this.options.onStep?.(`${this.world.now.toFixed(3)} the faults are over`);
    // Some may never come back, but not all.
    const spared = this.chance.of(this.candidates);
    for (const candidate of this.candidates) {
      candidate.recover(candidate === spared || this.chance.is(0.7));
    }
  }
}

function policyOf(electionTimeoutMs: number): FailoverPolicy {
  return {
    electionTimeoutMs,
    heartbeatIntervalMs: electionTimeoutMs / 4,
    retryIntervalMs: electionTimeoutMs / 10,
  };
}
