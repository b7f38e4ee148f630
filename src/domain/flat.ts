// Flat text: what is kept for long must not keep the text that it was cut from.

/**
 * A copy of `text` that shares nothing with another string. Runtimes cut text by pointing into it, so that a short piece
 * keeps all of what was read from a socket at once; putting strings together does not change that.
 */
export function flatCopy(text: string): string {
  return JSON.parse(JSON.stringify(text));
}

/** Flat copies of texts that come again and again, each made once. */
export class FlatCopies {
  readonly #max: number;
  #copies = new Map<string, string>();

  /** Keeps `max` of them at most. */
  constructor(max: number) {
    this.#max = max;
  }

  /** How many are kept. */
  get size(): number {
    return this.#copies.size;
  }

  /** The flat copy of `text`. */
  of(text: string): string {
    const known = this.#copies.get(text);
    if (known !== undefined) return known;
    const copy = flatCopy(text);
    if (this.#copies.size >= this.#max) this.#copies = new Map();
    this.#copies.set(copy, copy);
    return copy;
  }
}
