// When messages are due that are to come again later: what the broker has said it knows, some thousands of them.

/** How many are remembered at least, once there were as many. */
const LEAST = 4_096;
/** By how much one may come before its time, in milliseconds: the broker has a timer of its own. */
const EARLY_MS = 50;

/**
 * Naks with a delay that the broker has confirmed. It sends a message before its time all the same where the ack wait had
 * already put it in line to be delivered again. Two maps: when the newer one is full it becomes the older one.
 */
export class Due {
  #newer = new Map<string, number>();
  #older = new Map<string, number>();

  /** How many are remembered. */
  get size(): number {
    return this.#newer.size + this.#older.size;
  }

  /** Remembers when one is due, on the monotonic clock. */
  add(key: string, dueAt: number): void {
    this.came(key);
    if (dueAt - performance.now() <= EARLY_MS) return;
    if (this.#newer.size >= LEAST) {
      this.#older = this.#newer;
      this.#newer = new Map();
    }
    this.#newer.set(key, dueAt);
  }

  /** One has come: how long before its time, in milliseconds, or 0. It is forgotten. */
  came(key: string): number {
    const dueAt = this.#newer.get(key) ?? this.#older.get(key);
    if (dueAt === undefined) return 0;
    this.#newer.delete(key);
    this.#older.delete(key);
    const leftMs = dueAt - performance.now();
    return leftMs > EARLY_MS ? leftMs : 0;
  }

  /** Forgets all. */
  clear(): void {
    this.#newer = new Map();
    this.#older = new Map();
  }
}
