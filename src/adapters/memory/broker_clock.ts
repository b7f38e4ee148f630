// The clock of the embedded broker: a port of its own, since some of its timers must not keep the process.

import type { Timer } from "../../ports/clock.ts";

/** Time as the broker needs it. Every `Clock` is one; a `ManualClock` moves the broker's time by hand. */
export interface BrokerClock {
  /** Milliseconds since the epoch: when a message was stored. */
  now(): number;
  /** Milliseconds on a clock that never goes back: ack waits, delays, ages. */
  monotonic(): number;
  /** Runs `callback` once, `delayMs` from now or a little earlier; one in the `background` keeps no process alive. */
  setTimer(delayMs: number, callback: () => void, background?: boolean): Timer;
}

/** The longest delay that `setTimeout` takes, in milliseconds; it runs anything longer at once. */
const LONGEST_MS = 2 ** 31 - 1;

/** The system's time. */
export const SYSTEM_CLOCK: BrokerClock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimer(delayMs, callback, background = false) {
    const handle: unknown = setTimeout(callback, Math.min(Math.ceil(delayMs), LONGEST_MS));
    if (background) release(handle);
    return { cancel: () => clearTimeout(handle as number) };
  },
};

/** Has a timer keep no process alive, where the runtime has a word for that. */
function release(handle: unknown): void {
  const { Deno } = globalThis as { readonly Deno?: { unrefTimer?(id: number): void } };
  if (typeof handle === "number") Deno?.unrefTimer?.(handle);
  else (handle as { unref?(): void }).unref?.();
}
