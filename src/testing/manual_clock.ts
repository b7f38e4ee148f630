// A clock that stands still until a test moves it.

import type { Clock, Timer } from "../ports/clock.ts";

/** Where a new clock stands, unless it is told otherwise: 2026-01-01T00:00:00.000Z. */
const START_MS = 1_767_225_600_000;

interface Pending {
  readonly dueAt: number;
  readonly callback: () => void;
}

/**
 * A clock that a test moves by hand, in place of the system's: nothing waits, and nothing depends on how fast a
 * machine is. `monotonic()` begins at 0.
 *
 * @example
 * ```ts
 * import { ManualClock } from "@aegis/sdk/testing";
 * import { deepStrictEqual, strictEqual } from "node:assert/strict";
 *
 * const clock = new ManualClock();
 * const fired: string[] = [];
 * clock.setTimer(2_000, () => fired.push(`second at ${clock.monotonic()}`));
 * clock.setTimer(1_000, () => fired.push(`first at ${clock.monotonic()}`));
 *
 * clock.advance(1_999);
 * deepStrictEqual(fired, ["first at 1000"]);
 * clock.advance(1);
 * deepStrictEqual(fired, ["first at 1000", "second at 2000"]);
 * strictEqual(clock.timestamp(), "2026-01-01T00:00:02.000Z");
 * ```
 */
export class ManualClock implements Clock {
  readonly #startMs: number;
  readonly #timers = new Set<Pending>();
  #elapsed = 0;

  /**
   * Makes a clock that stands at `startMs`, in milliseconds since the epoch; 2026 begins where it is left out.
   *
   * @throws {RangeError} when `startMs` is no time that a date can have.
   *
   * @example
   * ```ts
   * import { ManualClock } from "@aegis/sdk/testing";
   * import { strictEqual } from "node:assert/strict";
   *
   * strictEqual(new ManualClock(0).timestamp(), "1970-01-01T00:00:00.000Z");
   * ```
   */
  constructor(startMs: number = START_MS) {
    if (!(Math.abs(startMs) <= 8.64e15)) {
      throw new RangeError(`Cannot start a clock at ${startMs}: it must be a time of a date`);
    }
    this.#startMs = startMs;
  }

  /** How many timers are set that have neither fired nor been called off. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Milliseconds since the epoch. */
  now(): number {
    return this.#startMs + this.#elapsed;
  }

  /** The time of day as ISO 8601 in UTC, to the millisecond. */
  timestamp(): string {
    return new Date(this.now()).toISOString();
  }

  /** Milliseconds since the clock was made. */
  monotonic(): number {
    return this.#elapsed;
  }

  /**
   * Runs `callback` once, when the clock has been moved on by `delayMs`: never of itself, not even after 0.
   *
   * @throws {RangeError} when the delay is `NaN`.
   */
  setTimer(delayMs: number, callback: () => void): Timer {
    if (Number.isNaN(delayMs)) {
      throw new RangeError("A timer needs a delay in milliseconds, not NaN");
    }
    const timer: Pending = { dueAt: this.#elapsed + Math.max(0, delayMs), callback };
    this.#timers.add(timer);
    return { cancel: () => void this.#timers.delete(timer) };
  }

  /**
   * Moves the clock on and fires what is due on the way, in the order of the due times, timers among them that were
   * set on the way. While a timer fires the clock shows its due time. What it throws comes out of `advance()`, and
   * the clock stays there.
   *
   * Promises settle after it: where code awaits between two timers, give it a turn between two calls.
   *
   * @throws {RangeError} when `ms` is negative, infinite or `NaN`.
   */
  advance(ms: number): void {
    if (!(ms >= 0 && ms < Infinity)) {
      throw new RangeError(
        `Cannot advance a clock by ${ms}: it must be milliseconds of at least 0`,
      );
    }
    const end = this.#elapsed + ms;
    for (let next = this.#next(end); next !== undefined; next = this.#next(end)) {
      this.#timers.delete(next);
      this.#elapsed = Math.max(this.#elapsed, next.dueAt);
      next.callback();
    }
    this.#elapsed = Math.max(this.#elapsed, end);
  }

  /** The timer that is due first, and of several the one that was set first. */
  #next(end: number): Pending | undefined {
    let first: Pending | undefined;
    for (const timer of this.#timers) {
      if (timer.dueAt <= end && (first === undefined || timer.dueAt < first.dueAt)) first = timer;
    }
    return first;
  }
}
