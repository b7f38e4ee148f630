// What waits to be taken: all of it while it is little, and of each key the last once it is much.

/** How many wait before one takes the place of another of its key. */
export const MUCH = 1_000;

/** A queue whose length is bounded by the number of keys, however slowly it is taken. */
export class Backlog<T extends { readonly key: string }> {
  readonly #items = new Map<number, T>();
  /** The number of the last of each key. */
  readonly #last = new Map<string, number>();
  #next = 0;
  /** Where the next is taken: to begin at the front each time would pass over all places that are free. */
  #at: MapIterator<[number, T]> | undefined;

  /** How many wait. */
  get size(): number {
    return this.#items.size;
  }

  /** Puts one at the end. */
  add(item: T): void {
    const { key } = item;
    const last = this.#items.size < MUCH ? undefined : this.#last.get(key);
    if (last !== undefined) this.#items.delete(last);
    const number = this.#next++;
    this.#items.set(number, item);
    this.#last.set(key, number);
  }

  /** Takes the first. */
  take(): T | undefined {
    if (this.#items.size === 0) return undefined;
    this.#at ??= this.#items.entries();
    const next = this.#at.next();
    if (next.done) {
      // It had come to an end before others were added.
      this.#at = undefined;
      return this.take();
    }
    const [number, item] = next.value;
    this.#items.delete(number);
    if (this.#last.get(item.key) === number) this.#last.delete(item.key);
    return item;
  }

  /** Removes all. */
  clear(): void {
    this.#items.clear();
    this.#last.clear();
    this.#at = undefined;
  }
}
