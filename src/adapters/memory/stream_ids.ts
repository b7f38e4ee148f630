// The ids of a stream: which message had which, for as long as that is to be known.

import { Queue } from "./queue.ts";

/** Remembers ids in the order of their storing, each for the same time. */
export class StreamIds {
  readonly #sequences = new Map<string, number>();
  /** What was remembered when, oldest first. */
  readonly #order = new Queue<{ readonly id: string; readonly at: number }>();

  /** The sequence that an id had which was remembered within `windowMs`. */
  find(id: string, now: number, windowMs: number): number | undefined {
    for (let oldest = this.#order.first; oldest !== undefined; oldest = this.#order.first) {
      if (oldest.at + windowMs > now) break;
      this.#sequences.delete(oldest.id);
      this.#order.shift();
    }
    return this.#sequences.get(id);
  }

  /** Remembers an id that `find` did not know. */
  add(id: string, sequence: number, now: number): void {
    this.#sequences.set(id, sequence);
    this.#order.push({ id, at: now });
  }
}
