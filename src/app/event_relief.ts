// Relief: events that wait in an instance whose handlers have become slow go to others.

import type { Clock, Timer } from "../ports/clock.ts";
import type { Handling } from "./event_handling.ts";
import type { EventSlots } from "./event_slots.ts";

/** How often it is looked, in milliseconds; it takes two looks, since what is slow for a moment needs no relief. */
const LOOK_MS = 500;
/** For how long an event may wait here, in milliseconds. */
const WAIT_MS = 1_000;
/**
 * How often an event may have been delivered that is handed back for this. So it goes from one slow instance to the next
 * twice at most, and then waits where it is.
 */
const MAX_DELIVERIES = 2;

/** What it is made of. */
export interface ReliefParts {
  readonly clock: Clock;
  readonly slots: EventSlots;
  /** Whether anybody else could have the events now. */
  readonly mayGive: () => boolean;
  /** Hands events back, given in the order in which they came. */
  readonly give: (handlings: readonly Handling[]) => void;
}

/** Looks whether what waits for a slot begins in time. */
export class EventRelief {
  readonly #parts: ReliefParts;
  #timer: Timer | undefined;
  #armed = false;
  #slow = false;
  #begun = 0;
  #lookedAt = 0;

  constructor(parts: ReliefParts) {
    this.#parts = parts;
  }

  /** Looks as long as anything waits. */
  start(): void {
    if (!this.#armed) this.#arm();
  }

  /** An event has begun. */
  began(): void {
    this.#begun++;
  }

  /** Looks no more. */
  stop(): void {
    this.#timer?.cancel();
    // It stays armed, so that nothing starts it again.
    this.#armed = true;
  }

  #arm(): void {
    const { clock } = this.#parts;
    this.#armed = true;
    this.#begun = 0;
    this.#lookedAt = clock.monotonic();
    this.#timer = clock.setTimer(LOOK_MS, () => this.#look());
  }

  #look(): void {
    const { clock, slots, mayGive, give } = this.#parts;
    const { oldest } = slots;
    this.#armed = oldest !== undefined;
    const now = clock.monotonic();
    const slow = oldest !== undefined && now - oldest.arrivedAt >= WAIT_MS && mayGive();
    if (slow && this.#slow) {
      // As many as begin in that time at the rate of the last look stay.
      const stay = Math.floor(this.#begun * WAIT_MS / (now - this.#lookedAt));
      const surplus = slots.takeLast(
        slots.waiting - stay,
        ({ attempt, turn }) => attempt <= MAX_DELIVERIES && turn === undefined,
      );
      if (surplus.length > 0) give(surplus);
    }
    this.#slow = slow;
    if (this.#armed) this.#arm();
  }
}
