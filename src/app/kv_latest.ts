// What waits to be taken, of each key the last: its length is bounded by the keys, however slowly it is taken.

/** A queue in which what is put last of a key takes the place of what was there of it, at the end. */
export class LatestByKey<T extends { readonly key: string }> {
  readonly #items = new Map<string, T>();
  /** Where the next is taken: to begin at the front each time would pass over all places that are free. */
  #at: MapIterator<T> | undefined;

  /** How many wait. */
  get size(): number {
    return this.#items.size;
  }

  /** Puts one at the end. */
  set(item: T): void {
    this.#items.delete(item.key);
    this.#items.set(item.key, item);
  }

  /** Removes what is there of a key; false when there is nothing. */
  delete(key: string): boolean {
    return this.#items.delete(key);
  }

  /** Takes the first. */
  take(): T | undefined {
    if (this.#items.size === 0) return undefined;
    this.#at ??= this.#items.values();
    const next = this.#at.next();
    if (next.done) {
      // It had come to an end before others were put.
      this.#at = undefined;
      return this.take();
    }
    this.#items.delete(next.value.key);
    return next.value;
  }

  /** Removes all. */
  clear(): void {
    this.#items.clear();
    this.#at = undefined;
  }
}
