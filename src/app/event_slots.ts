// The slots of a handler of events: how many run at once, and which wait for one.

import type { Handling } from "./event_handling.ts";

/** Slots, and those that wait for one, first come first. */
export class EventSlots {
  readonly #concurrency: number;
  readonly #begin: (handling: Handling) => void;
  #waiting: Handling[] = [];
  #next = 0;
  #running = 0;
  #passing = false;

  /** Makes `concurrency` slots; `begin` is called with whatever has its turn, and takes a slot if it begins. */
  constructor(concurrency: number, begin: (handling: Handling) => void) {
    this.#concurrency = concurrency;
    this.#begin = begin;
  }

  /** How many wait. */
  get waiting(): number {
    return this.#waiting.length - this.#next;
  }

  /** The one that has waited longest, if any waits. */
  get oldest(): Handling | undefined {
    return this.#waiting[this.#next];
  }

  /** One begins, or waits. */
  queue(handling: Handling): void {
    if (this.#running < this.#concurrency) this.#begin(handling);
    else this.#waiting.push(handling);
  }

  /** A slot is taken. */
  take(): void {
    this.#running++;
  }

  /** A slot is given back; {@linkcode passOn} lets the next one have it. */
  give(): void {
    this.#running--;
  }

  /** Lets those begin that wait for a slot: a loop, since one that is done at once comes back here. */
  passOn(): void {
    if (this.#passing) return;
    this.#passing = true;
    while (this.#running < this.#concurrency && this.#next < this.#waiting.length) {
      const handling = this.#waiting[this.#next++]!;
      if (!handling.ended) this.#begin(handling);
    }
    this.#passing = false;
    if (this.#next === this.#waiting.length) this.clear();
  }

  /** Takes out `count` at most of those that wait and `may` go, those that came last first; in the order in which they came. */
  takeLast(count: number, may: (handling: Handling) => boolean): Handling[] {
    const [taken, left]: [Handling[], Handling[]] = [[], []];
    for (let at = this.#waiting.length - 1; at >= this.#next; at--) {
      const handling = this.#waiting[at]!;
      if (handling.ended) continue;
      (taken.length < count && may(handling) ? taken : left).push(handling);
    }
    this.#waiting = left.reverse();
    this.#next = 0;
    return taken.reverse();
  }

  /** Nobody waits any more. */
  clear(): void {
    this.#waiting = [];
    this.#next = 0;
  }
}
