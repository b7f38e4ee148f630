// Alarms: many moments behind one timer, which runs only while one of them is to come.

import { type Expiring, TimerWheel } from "../../domain/timer_wheel.ts";
import type { Timer } from "../../ports/clock.ts";
import type { BrokerClock } from "./broker_clock.ts";

/** Something that goes off at a moment. */
export interface Alarm extends Expiring {
  /** Called when its moment has come. */
  ring(): void;
}

/** Sets alarms and calls them off, each in constant time. */
export class Alarms {
  readonly #clock: BrokerClock;
  readonly #background: boolean;
  readonly #wheel: TimerWheel<Alarm>;
  #running = false;
  #timer: Timer | undefined;
  /** No alarm goes off before it. */
  #dueAt = Infinity;

  /** Makes them; the timer of those in the `background` keeps no process alive. Nothing goes off before `start()`. */
  constructor(clock: BrokerClock, background: boolean) {
    this.#clock = clock;
    this.#background = background;
    this.#wheel = new TimerWheel(clock.monotonic());
  }

  /** Has an alarm go off in `delayMs`, and not when it was to go off before. */
  set(alarm: Alarm, delayMs: number): void {
    this.#wheel.remove(alarm);
    alarm.expiresAt = this.#clock.monotonic() + delayMs;
    this.#wheel.add(alarm);
    if (alarm.expiresAt < this.#dueAt) this.#arm(alarm.expiresAt);
  }

  /** Calls an alarm off. */
  clear(alarm: Alarm): void {
    this.#wheel.remove(alarm);
    if (this.#wheel.size === 0) this.#disarm();
  }

  /** Lets alarms go off, at once those whose moment has passed. */
  start(): void {
    this.#running = true;
    if (this.#wheel.size > 0) this.#ring();
  }

  /** Lets nothing go off until `start()`. */
  stop(): void {
    this.#running = false;
    this.#disarm();
  }

  #arm(dueAt: number): void {
    if (!this.#running) return;
    this.#timer?.cancel();
    this.#dueAt = dueAt;
    const wait = Math.max(0, dueAt - this.#clock.monotonic());
    this.#timer = this.#clock.setTimer(wait, () => this.#ring(), this.#background);
  }

  #disarm(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#dueAt = Infinity;
  }

  #ring(): void {
    this.#disarm();
    this.#wheel.advance(this.#clock.monotonic(), (alarm) => alarm.ring());
    // What rang may have set others; what was called off since the last time is no longer waited for.
    let dueAt = Infinity;
    for (const { expiresAt } of this.#wheel.entries()) dueAt = Math.min(dueAt, expiresAt);
    if (dueAt < this.#dueAt) this.#arm(dueAt);
  }
}
