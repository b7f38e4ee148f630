// The timer wheel: thousands of deadlines behind one timer, each set and called off in constant time.

/** Something that ends at a moment. It carries its own links, so that setting a deadline allocates nothing. */
export interface Expiring {
  /** When, in monotonic milliseconds. */
  expiresAt: number;
  /** The wheel's own; undefined while not in a wheel. */
  wheelPrevious: Expiring | undefined;
  /** The wheel's own; undefined while not in a wheel. */
  wheelNext: Expiring | undefined;
}

/** The resolution, in milliseconds: a deadline fires up to this late, and never early. */
export const WHEEL_TICK_MS = 8;
const SLOTS = 512;

/** Deadlines in slots of one tick each; a deadline further away than a turn waits in its slot for its turn. */
export class TimerWheel<T extends Expiring> {
  readonly #slots: Expiring[] = [];
  #tick: number;
  #size = 0;

  /** Makes a wheel that stands at `now`. */
  constructor(now: number) {
    this.#tick = Math.floor(now / WHEEL_TICK_MS);
    for (let i = 0; i < SLOTS; i++) {
      const head: Expiring = { expiresAt: 0, wheelPrevious: undefined, wheelNext: undefined };
      head.wheelPrevious = head.wheelNext = head;
      this.#slots.push(head);
    }
  }

  /** How many deadlines are set. */
  get size(): number {
    return this.#size;
  }

  /** Sets the deadline of `entry`, which is `entry.expiresAt`, in place of the one that it had. */
  add(entry: T): void {
    this.remove(entry);
    // A deadline in the past goes into the next slot to be looked at.
    const tick = Math.max(Math.floor(entry.expiresAt / WHEEL_TICK_MS), this.#tick);
    const head = this.#slots[tick % SLOTS]!;
    const last = head.wheelPrevious!;
    entry.wheelPrevious = last;
    entry.wheelNext = head;
    last.wheelNext = entry;
    head.wheelPrevious = entry;
    this.#size++;
  }

  /** Calls the deadline of `entry` off; does nothing when none is set. */
  remove(entry: T): void {
    const { wheelPrevious, wheelNext } = entry;
    if (wheelPrevious === undefined || wheelNext === undefined) return;
    wheelPrevious.wheelNext = wheelNext;
    wheelNext.wheelPrevious = wheelPrevious;
    entry.wheelPrevious = entry.wheelNext = undefined;
    this.#size--;
  }

  /** Every entry whose deadline is set. */
  entries(): T[] {
    const entries: T[] = [];
    for (const head of this.#slots) {
      for (let entry = head.wheelNext!; entry !== head; entry = entry.wheelNext!) {
        entries.push(entry as T);
      }
    }
    return entries;
  }

  /**
   * Moves on to `now` and hands over each entry whose deadline is over, once. What is done with it may set and call off
   * any deadline: one that is called off is not handed over, one that is set for a moment that is over comes at the next
   * turn. What it throws is thrown again when all have had their turn.
   */
  advance(now: number, expire: (entry: T) => void): void {
    const target = Math.floor(now / WHEEL_TICK_MS);
    // After a long stop each slot is looked at once, not once for every turn that was missed.
    const first = Math.max(this.#tick, target - SLOTS + 1);
    this.#tick = target;
    let due: T[] | undefined;
    for (let tick = first; tick <= target; tick++) {
      const head = this.#slots[tick % SLOTS]!;
      for (let entry = head.wheelNext!; entry !== head; entry = entry.wheelNext!) {
        if (entry.expiresAt <= now) (due ??= []).push(entry as T);
      }
    }
    if (due !== undefined) this.#expire(due, now, expire);
  }

  #expire(due: readonly T[], now: number, expire: (entry: T) => void): void {
    const faults: unknown[] = [];
    for (const entry of due) {
      // One before it may have called it off, or set it for later.
      if (entry.wheelNext === undefined || entry.expiresAt > now) continue;
      this.remove(entry);
      try {
        expire(entry);
      } catch (fault) {
        faults.push(fault);
      }
    }
    if (faults.length > 0) throw faults[0];
  }
}
