// A store and candidates in virtual time, under random faults, to see whether two ever lead at once, or nobody in the end.

import { stepLease } from "../../src/domain/lease.ts";
import type { FailoverPolicy } from "../../src/domain/lease_policy.ts";
import {
  leadsAt,
  type LeaseAction,
  type LeaseContent,
  type LeaseObservation,
  type LeaseState,
  type LeaseStep,
  newLease,
} from "../../src/domain/lease_state.ts";
import { Chance, LocalClock, World } from "./lease_world.ts";

/** The function under test, or one with a fault, to see that the simulation finds it. */
export type Step = (state: LeaseState, observation: LeaseObservation, now: number) => LeaseStep;

/** How often what happened, so that it is seen that faults did come. */
export interface LeaseCounts {
  leaderships: number;
  writes: number;
  conflicts: number;
  unanswered: number;
  pauses: number;
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
const CLOCK_RATES = [0.9, 1.1] as const;

/** Runs the schedule that the seed makes. */
export function simulateLease(seed: number, options: LeaseSimulationOptions = {}): LeaseVerdict {
  return new LeaseSimulation(seed, options).run();
}

class LeaseSimulation {
  readonly world: World = new World();
  readonly chance: Chance;
  readonly options: LeaseSimulationOptions;
  readonly counts: LeaseCounts = {
    leaderships: 0,
    writes: 0,
    conflicts: 0,
    unanswered: 0,
    pauses: 0,
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

class Candidate {
  readonly name: string;
  /** Which of its lives it is: what was meant for an earlier one does not reach it. */
  life = 0;
  /** Whether it is cut off. */
  cut = false;
  /** Whether its watch stands still. */
  deaf = false;
  readonly #simulation: LeaseSimulation;
  readonly #policy: FailoverPolicy;
  readonly #clock: LocalClock;
  #state: LeaseState | undefined;
  #pausedUntil = 0;
  /** What reached it while it stood still. */
  #held: [life: number, observation: LeaseObservation][] = [];
  #dueAt: number | undefined;
  #waking = Infinity;
  #toldDown = false;

  constructor(simulation: LeaseSimulation, name: string, policy: FailoverPolicy) {
    this.#simulation = simulation;
    this.name = name;
    this.#policy = policy;
    const { chance, world } = simulation;
    this.#clock = new LocalClock(world, chance.between(-1e6, 1e6), rateOf(chance));
    this.deaf = chance.is(0.1);
  }

  get leads(): boolean {
    const state = this.#state;
    if (state?.right === undefined) return false;
    return this.#simulation.options.trusting === true || leadsAt(state, this.#clock.now);
  }

  start(): void {
    if (this.#state !== undefined) return;
    this.life++;
    const { create = newLease } = this.#simulation.options;
    this.#state = create(this.name, `${this.name}.${this.life}`, this.#policy);
    this.#toldDown = false;
    this.hear(this.life, { kind: "timer" });
  }

  /** Something happens to it. */
  suffer(chance: Chance, until: number): void {
    const { world, counts, longestMs } = this.#simulation;
    const ms = chance.of([0.1, 1, 3]) * longestMs * chance.next();
    const life = this.life;
    switch (chance.whole(0, 5)) {
      case 0:
        counts.pauses++;
        this.#pausedUntil = Math.max(this.#pausedUntil, world.now + ms);
        world.at(this.#pausedUntil, () => this.#goOn());
        break;
      case 1:
        if (this.#state === undefined) break;
        counts.crashes++;
        this.#end();
        if (chance.is(0.8)) world.after(ms, () => this.#startAgain());
        break;
      case 2:
        counts.stops++;
        this.hear(life, { kind: "stop" });
        if (chance.is(0.8)) world.after(ms + 1, () => this.#startAgain());
        break;
      case 3:
      case 4:
        counts.cuts++;
        this.#cutOff(ms, until, chance.is(0.5));
        break;
      default:
        this.#clock.rate = rateOf(chance);
        this.#arm();
    }
  }

  /** The faults are over, and what was stopped before that stays so, unless it is to be `alive`. */
  recover(alive: boolean): void {
    this.cut = false;
    this.#pausedUntil = 0;
    this.#goOn();
    this.#tellUp();
    const standing = this.#state?.stage === "standing";
    if (alive && !standing) {
      this.#end();
      this.start();
    } else if (!alive && this.#simulation.chance.is(0.5)) this.#end();
  }

  /** Takes in what became known, unless it came too late for this life; a paused process takes it in afterwards. */
  hear(life: number, observation: LeaseObservation): void {
    const { world } = this.#simulation;
    if (life !== this.life || this.#state === undefined) return;
    if (world.now < this.#pausedUntil) {
      this.#held.push([life, observation]);
      return;
    }
    // Of the faults none is left, not even for one who hears of it late.
    const trouble = observation.kind === "stop" || observation.kind === "link" && !observation.up;
    if (trouble && this.#simulation.calm) return;
    this.#step(this.#state, observation);
  }

  #step(before: LeaseState, observation: LeaseObservation): void {
    const { options: { step = stepLease, onStep }, counts, world } = this.#simulation;
    const now = this.#clock.now;
    if (before.right !== undefined && !leadsAt(before, now)) counts.lateYields++;
    const { state, actions, dueAt } = step(before, observation, now);
    this.#state = state;
    onStep?.(
      `${world.now.toFixed(3)} ${this.name}.${this.life} ${JSON.stringify(observation)} -> ` +
        `${JSON.stringify(actions)}${this.leads ? " leads" : ""}`,
    );
    for (const action of actions) this.#do(action, now);
    this.#dueAt = dueAt;
    if (this.#state !== undefined) this.#arm();
  }

  #do(action: LeaseAction, now: number): void {
    const simulation = this.#simulation;
    switch (action.kind) {
      case "lead":
        simulation.changed(this, action.token);
        break;
      case "yield":
        simulation.changed(this, undefined);
        break;
      case "over":
        this.#end();
        break;
      case "write": {
        const { write, revision, record } = action;
        simulation.counts.writes++;
        this.#ask(action.withinMs, { kind: "unknown", write }, () => {
          const stored = simulation.store(revision, record);
          if (stored === undefined) simulation.counts.conflicts++;
          return stored === undefined
            ? { kind: "conflict", write }
            : { kind: "stored", write, revision: stored };
        });
        break;
      }
      case "read":
        this.#ask(
          action.withinMs,
          { kind: "unread" },
          () => ({ kind: "seen", ...simulation.stored, askedAt: now }),
        );
    }
  }

  /** A request to the store: its answer, or, when none comes in time, what stands for that. */
  #ask(
    withinMs: number,
    otherwise: LeaseObservation,
    serve: () => LeaseObservation,
  ): void {
    const simulation = this.#simulation;
    const { world, chance } = simulation;
    const life = this.life;
    let open = true;
    simulation.send(this, () => {
      const answer = serve();
      simulation.send(this, () => {
        // What was given up may still be answered, and the answer be heard or not.
        if (!open && (answer.kind === "seen" || chance.is(0.5))) return;
        open = false;
        this.hear(life, answer);
      });
    });
    world.at(this.#clock.trueTime(this.#clock.now + withinMs), () => {
      if (!open) return;
      open = false;
      simulation.counts.unanswered++;
      this.hear(life, otherwise);
    });
  }

  #goOn(): void {
    if (this.#simulation.world.now < this.#pausedUntil) return;
    for (const [life, observation] of this.#held.splice(0)) this.hear(life, observation);
  }

  #cutOff(ms: number, until: number, told: boolean): void {
    const { world, chance } = this.#simulation;
    const life = this.life;
    this.cut = true;
    if (told) {
      world.after(chance.between(0, 20), () => {
        if (life !== this.life || !this.cut) return;
        this.#toldDown = true;
        this.hear(life, { kind: "link", up: false });
      });
    }
    world.at(Math.min(until, world.now + ms), () => {
      this.cut = false;
      this.#tellUp();
    });
  }

  #tellUp(): void {
    if (!this.#toldDown) return;
    this.#toldDown = false;
    this.hear(this.life, { kind: "link", up: true });
  }

  #startAgain(): void {
    if (!this.#simulation.calm) this.start();
  }

  #end(): void {
    if (this.leads) this.#simulation.changed(this, undefined);
    this.#state = undefined;
    this.#dueAt = undefined;
  }

  #arm(): void {
    const { world, chance } = this.#simulation;
    if (this.#dueAt === undefined) return;
    // An event loop that is busy comes late.
    const late = this.#simulation.calm || chance.is(0.9) ? 0 : chance.between(0, 50);
    const at = this.#clock.trueTime(this.#dueAt) + late;
    if (this.#waking <= at && this.#waking > world.now) return;
    this.#waking = at;
    const life = this.life;
    world.at(at, () => {
      if (this.#waking !== at) return;
      this.#waking = Infinity;
      if (this.#dueAt === undefined || this.#clock.now < this.#dueAt) this.#arm();
      else this.hear(life, { kind: "timer" });
    });
  }
}

function rateOf(chance: Chance): number {
  const [slow, fast] = CLOCK_RATES;
  return chance.of([slow, 1, fast, chance.between(slow, fast)]);
}

function policyOf(electionTimeoutMs: number): FailoverPolicy {
  return {
    electionTimeoutMs,
    heartbeatIntervalMs: electionTimeoutMs / 4,
    retryIntervalMs: electionTimeoutMs / 10,
  };
}
