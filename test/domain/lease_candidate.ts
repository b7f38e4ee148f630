// One candidate in the simulation of leases: a process with a clock of its own, which can be stopped, frozen, killed and cut off.

import { stepLease } from "../../src/domain/lease.ts";
import type { FailoverPolicy } from "../../src/domain/lease_policy.ts";
import {
  leadsAt,
  type LeaseAction,
  type LeaseObservation,
  type LeaseState,
  newLease,
} from "../../src/domain/lease_state.ts";
import type { LeaseSimulation } from "./lease_simulation.ts";
import { type Chance, LocalClock } from "./lease_world.ts";

const CLOCK_RATES = [0.9, 1.1] as const;

/** An instance, over its lives. */
export class Candidate {
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
  /** When its machine fell asleep, in true time. */
  #asleepSince: number | undefined;
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
    switch (chance.whole(0, 6)) {
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
      case 5:
        // Its clock goes on in the meantime as its rights do, and is set back as it wakes up.
        counts.sleeps++;
        this.#asleepSince ??= world.now;
        this.#pausedUntil = Math.max(this.#pausedUntil, world.now + ms);
        world.at(this.#pausedUntil, () => this.#goOn());
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
    const { now } = this.#simulation.world;
    if (now < this.#pausedUntil) return;
    if (this.#asleepSince !== undefined) {
      const ms = now - this.#asleepSince;
      this.#asleepSince = undefined;
      this.#clock.forget(ms);
      this.hear(this.life, { kind: "slept", ms });
    }
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
