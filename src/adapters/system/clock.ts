// The system's clock and its timers.

import type { Clock, Timer } from "../../ports/clock.ts";

/** The longest delay that `setTimeout` takes, in milliseconds (24.8 days); it runs anything longer at once. */
const LONGEST_MS = 2 ** 31 - 1;

class SystemTimer implements Timer {
  #handle: ReturnType<typeof setTimeout>;

  constructor(delayMs: number, callback: () => void) {
    this.#handle = this.#arm(delayMs, callback);
  }

  cancel(): void {
    clearTimeout(this.#handle);
  }

  #arm(delayMs: number, callback: () => void): ReturnType<typeof setTimeout> {
    if (delayMs <= LONGEST_MS) return setTimeout(callback, delayMs);
    return setTimeout(() => {
      this.#handle = this.#arm(delayMs - LONGEST_MS, callback);
    }, LONGEST_MS);
  }
}

/**
 * The system's clock: `Date.now()`, `performance.now()` and `setTimeout`. Timers take any delay, also one of more than
 * the 24.8 days at which `setTimeout` gives up; `Infinity` never fires. A timer that is set keeps the process alive.
 *
 * @throws {RangeError} from `setTimer`, when the delay is `NaN`.
 */
export function createClock(): Clock {
  // Formatting takes longer than all else in a small message, and under load many are made in one millisecond.
  let formatted = "";
  let formattedAt = NaN;
  return {
    now: () => Date.now(),
    timestamp(): string {
      const now = Date.now();
      if (now !== formattedAt) {
        formatted = new Date(now).toISOString();
        formattedAt = now;
      }
      return formatted;
    },
    monotonic: () => performance.now(),
    setTimer(delayMs: number, callback: () => void): Timer {
      // A delay that is no number is a slip in the caller's arithmetic; setTimeout would run it at once.
      if (Number.isNaN(delayMs)) {
        throw new RangeError("A timer needs a delay in milliseconds, not NaN");
      }
      return new SystemTimer(delayMs, callback);
    },
  };
}
