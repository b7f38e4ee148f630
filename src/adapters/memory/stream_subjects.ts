// The messages of a stream by their subjects: how many there are of one, which is its oldest, and which its newest.

import type { Stored } from "./stream_log.ts";

/** The messages of one subject, of which there is at least one. */
export interface OfSubject {
  /** How many there are. */
  readonly count: number;
  /** The oldest. */
  readonly oldest: Stored;
  /** The newest. */
  readonly newest: Stored;
}

/** Adds, finds and removes, each in constant time however many there are: the messages of a subject are a chain. */
export class StreamSubjects {
  readonly #chains = new Map<string, { -readonly [key in keyof OfSubject]: OfSubject[key] }>();

  /** The messages of a subject; undefined where there are none. */
  of(subject: string): OfSubject | undefined {
    return this.#chains.get(subject);
  }

  /** The subjects that there are messages of. */
  names(): readonly string[] {
    return [...this.#chains.keys()];
  }

  /** Adds a message, which is newer than all. */
  add(stored: Stored): void {
    const { subject } = stored.message;
    const chain = this.#chains.get(subject);
    if (chain === undefined) {
      this.#chains.set(subject, { count: 1, oldest: stored, newest: stored });
      return;
    }
    stored.older = chain.newest;
    chain.newest.newer = stored;
    chain.newest = stored;
    chain.count++;
  }

  /** Removes one that was added. */
  remove(stored: Stored): void {
    const { message: { subject }, older, newer } = stored;
    const chain = this.#chains.get(subject);
    if (chain === undefined) return;
    // Who still has it in hand keeps none of the others with it.
    stored.older = undefined;
    stored.newer = undefined;
    if (older !== undefined) older.newer = newer;
    else if (newer !== undefined) chain.oldest = newer;
    if (newer !== undefined) newer.older = older;
    else if (older !== undefined) chain.newest = older;
    if (--chain.count === 0) this.#chains.delete(subject);
  }
}
