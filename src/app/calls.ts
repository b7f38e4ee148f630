// The calls of one instance of a service that have arrived and not ended, those of the leader among them.

import type { Clock } from "../ports/clock.ts";
import { ById } from "./by_id.ts";
import { Deadlines } from "./deadlines.ts";
import type { Invocation } from "./invocation.ts";

/** How many there are of something, and who waits until there is none. */
class Tally {
  count = 0;
  readonly #waiting: (() => void)[] = [];

  left(): void {
    this.count--;
    if (this.count > 0) return;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  whenNone(): Promise<void> {
    return this.count === 0
      ? Promise.resolve()
      : new Promise((resolve) => this.#waiting.push(resolve));
  }
}

/** Keeps them, by when their time is over and by their ids. */
export class Calls {
  readonly #deadlines: Deadlines<Invocation>;
  readonly #byId = new ById(() => this.#deadlines.entries());
  readonly #all = new Tally();
  /** Those that the leader alone serves. */
  readonly #exclusive = new Tally();

  /** `onExpire` is called with each whose time is over. */
  constructor(clock: Clock, onExpire: (invocation: Invocation) => void) {
    this.#deadlines = new Deadlines(clock, onExpire);
  }

  /** How many there are, those among them that were answered and whose handlers have not returned. */
  get count(): number {
    return this.#all.count;
  }

  /** One has arrived. */
  arrived({ method }: Invocation): void {
    this.#all.count++;
    if (method.exclusive) this.#exclusive.count++;
  }

  /** It is waited for until its time is over. */
  add(invocation: Invocation): void {
    this.#deadlines.add(invocation);
    this.#byId.add(invocation);
  }

  /** Nobody waits for it any more. */
  ended(invocation: Invocation): void {
    this.#deadlines.remove(invocation);
  }

  /** It has left. */
  left({ method }: Invocation): void {
    if (method.exclusive) this.#exclusive.left();
    this.#all.left();
  }

  /** Those that are waited for. */
  entries(): Invocation[] {
    return this.#deadlines.entries();
  }

  /** The one with this id. */
  find(id: string): Invocation | undefined {
    return this.#byId.find(id);
  }

  /** Resolves when there is none, or none that the leader alone serves. */
  whenNone(exclusive: boolean): Promise<void> {
    return (exclusive ? this.#exclusive : this.#all).whenNone();
  }
}
