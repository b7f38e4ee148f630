// The clock: time of day, a monotonic clock for measuring, and timers. Nothing else in the SDK reads time.

/** A timer that has been set and can be called off. */
export interface Timer {
  /** Calls the timer off; calling it again, or after it fired, does nothing. */
  cancel(): void;
}

/** Time and timers. `createClock()` gives the system's; `ManualClock` of `./testing` is moved by hand. */
export interface Clock {
  /** Milliseconds since the epoch. It may jump; use it for time stamps alone. */
  now(): number;
  /** The time of day as ISO 8601 in UTC, to the millisecond: `2026-01-02T03:04:05.678Z`. */
  timestamp(): string;
  /** Milliseconds on a clock that never goes back; its zero means nothing. */
  monotonic(): number;
  /** Runs `callback` once, `delayMs` from now. */
  setTimer(delayMs: number, callback: () => void): Timer;
}
