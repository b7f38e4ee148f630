// A queue: first in, first out, each in constant time however long it is, which arrays and sets are not.

/** From how many free places at the beginning on they are given back. */
const COMPACT_FROM = 1_024;

/** Values in their order. */
export class Queue<T> {
  #places: T[] = [];
  #head = 0;

  /** The value that is first. */
  get first(): T | undefined {
    return this.#places[this.#head];
  }

  /** Adds a value at the end. */
  push(value: T): void {
    this.#places.push(value);
  }

  /** Takes the first value. */
  shift(): T | undefined {
    if (this.#head === this.#places.length) return undefined;
    const value = this.#places[this.#head++];
    if (this.#head >= COMPACT_FROM && this.#head * 2 >= this.#places.length) {
      this.#places = this.#places.slice(this.#head);
      this.#head = 0;
    }
    return value;
  }
}
