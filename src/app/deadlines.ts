// Deadlines: one coarse timer for all that is under way.

import { type Expiring, TimerWheel, WHEEL_TICK_MS } from "../domain/timer_wheel.ts";
import type { Clock } from "../ports/clock.ts";

/** Many deadlines behind one timer, which runs only while a deadline is set. */
export class Deadlines<T extends Expiring> {
  readonly #clock: Clock;
  readonly #expire: (entry: T) => void;
  readonly #wheel: TimerWheel<T>;
  #armed = false;

  /** Makes a set of deadlines; `expire` is called with each that is over. */
  constructor(clock: Clock, expire: (entry: T) => void) {
    this.#clock = clock;
    this.#expire = expire;
    this.#wheel = new TimerWheel(clock.monotonic());
  }

  /** Sets the deadline of `entry`, which is `entry.expiresAt`. */
  add(entry: T): void {
    if (!this.#armed) {
      this.#wheel.advance(this.#clock.monotonic(), this.#expire);
      this.#arm();
    }
    this.#wheel.add(entry);
  }

  /** How many are set. */
  get size(): number {
    return this.#wheel.size;
  }

  /** Every entry whose deadline is set. */
  entries(): T[] {
    return this.#wheel.entries();
  }

  /** Calls it off. */
  remove(entry: T): void {
    this.#wheel.remove(entry);
  }

  #arm(): void {
    this.#armed = true;
    this.#clock.setTimer(WHEEL_TICK_MS, () => {
      this.#armed = false;
      try {
        this.#wheel.advance(this.#clock.monotonic(), this.#expire);
      } finally {
        // One tick with nothing to do ends it: a caller that makes one call after another keeps one timer going.
        if (this.#wheel.size > 0 && !this.#armed) this.#arm();
      }
    });
  }
}
