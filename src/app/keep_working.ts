// Keeping events in hand: the broker hears of each in time that it is still in work.

import type { Clock, Timer } from "../ports/clock.ts";
import type { Handling } from "./event_handling.ts";

/** How often it is looked at the least, in milliseconds: the ack wait may have become shorter. */
const LOOK_MS = 1_000;
/** The part of the ack wait after which the broker hears of an event at the latest. */
const SHARE = 1 / 3;

/** Tells the broker of events that run, and of those that wait for a slot, as long as there are any. */
export class KeepWorking {
  readonly #clock: Clock;
  readonly #ackWait: () => number;
  readonly #held: ReadonlySet<Handling>;
  #armed = false;
  #timer: Timer | undefined;

  /** Keeps those of `held` by what `ackWait` gives at the time, in milliseconds. */
  constructor(clock: Clock, ackWait: () => number, held: ReadonlySet<Handling>) {
    this.#clock = clock;
    this.#ackWait = ackWait;
    this.#held = held;
  }

  /** Goes on as long as anything is held. */
  start(): void {
    if (this.#armed) return;
    this.#armed = true;
    this.#timer = this.#clock.setTimer(Math.min(this.#everyMs(), LOOK_MS), () => {
      this.#armed = false;
      const now = this.#clock.monotonic();
      const everyMs = this.#everyMs();
      for (const handling of this.#held) {
        if (now - handling.wordAt < everyMs) continue;
        handling.wordAt = now;
        handling.delivery.working();
      }
      if (this.#held.size > 0) this.start();
    });
  }

  /** Says no more: whoever still has something in hand is waited for no longer, and others get it. */
  stop(): void {
    this.#timer?.cancel();
    // It stays armed, so that nothing starts it again.
    this.#armed = true;
  }

  /** It is looked twice as often as needed, so that one which came just after a look is not late. */
  #everyMs(): number {
    return this.#ackWait() * SHARE / 2;
  }
}
