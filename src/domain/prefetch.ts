// Prefetch: how many messages an instance holds at a time, those that run and those that wait for a slot.

/** The most that an instance holds, however fast its handlers are. */
const MAX_WINDOW = 1_024;
/** Half a window that is done in less than this is too small: the time between two asks is lost on waiting. */
const QUICK_MS = 40;
/** A message that waits longer than this for its slot should not have been fetched yet. */
const LONG_MS = 150;

/**
 * How much to ask for. A window holds as many messages as there are slots, so that others may take what this instance
 * could not begin; it grows while handlers are so fast that waiting for the next messages is what takes the time, and
 * shrinks as soon as messages wait.
 */
export class Prefetch {
  readonly #slots: number;
  readonly #max: number;
  #window: number;
  #askedAt = -Infinity;

  /** Makes a window for handlers of which `slots` run at once. `fixed` keeps it at that. */
  constructor(slots: number, fixed: boolean) {
    this.#slots = Math.min(slots, MAX_WINDOW);
    this.#max = fixed ? this.#slots : MAX_WINDOW;
    this.#window = this.#slots;
  }

  /** How many may be held now. */
  get window(): number {
    return this.#window;
  }

  /** How many to ask for now, where `held` run or wait here and `asked` are on their way. */
  wants(held: number, asked: number, clock: { monotonic(): number }): number {
    const free = this.#window - held - asked;
    // A request for each message would cost as much as the message: a slot that is free alone is worth one of its own, and
    // not even that where something is asked for and has not come.
    if (free <= 0 || (free < this.#window / 2 && (asked > 0 || held >= this.#slots))) return 0;
    const now = clock.monotonic();
    if (now - this.#askedAt < QUICK_MS && this.#window < this.#max) {
      this.#window = Math.min(this.#max, this.#window * 2);
    }
    this.#askedAt = now;
    return this.#window - held - asked;
  }

  /** A message begins that has waited for its slot for `ms`. */
  waited(ms: number): void {
    if (ms > LONG_MS && this.#window > this.#slots) {
      this.#window = Math.max(this.#slots, this.#window >> 1);
    }
  }

  /** What waits is handed back: no more is to come than there are slots. */
  narrow(): void {
    this.#window = this.#slots;
  }
}
