// What was acknowledged lately, by sequence: some thousands, and all that the broker has not confirmed.

/** How many are remembered at least, once there were as many. */
const LEAST = 4_096;

/** Sequences that were acknowledged, in two sets: when the newer one is full it becomes the older one. */
export class Acked {
  #newer = new Set<number>();
  #older = new Set<number>();

  /** Remembers one; `unconfirmed` is how many of those before it must not be forgotten. */
  add(sequence: number, unconfirmed: number): void {
    if (this.#newer.size >= LEAST && this.#newer.size > unconfirmed) {
      this.#older = this.#newer;
      this.#newer = new Set();
    }
    this.#newer.add(sequence);
  }

  /** Whether it was acknowledged lately. */
  has(sequence: number): boolean {
    return this.#newer.has(sequence) || this.#older.has(sequence);
  }

  /** Forgets all. */
  clear(): void {
    this.#newer = new Set();
    this.#older = new Set();
  }
}
