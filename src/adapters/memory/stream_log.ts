// The log of a stream: messages by sequence, with gaps where some were removed.

import type { MemoryMessage } from "./broker.ts";

/** A message as it is stored. */
export interface Stored {
  /** Its sequence. */
  readonly sequence: number;
  /** When it was stored, in milliseconds since the epoch. */
  readonly storedAt: number;
  /** How many bytes it takes of what the stream may. */
  readonly size: number;
  /** What was published. */
  readonly message: MemoryMessage;
}

/** From how many free places at the beginning on they are given back. */
const COMPACT_FROM = 1_024;

/** Appends, finds and removes, each in constant time. */
export class StreamLog {
  #places: (Stored | undefined)[] = [];
  /** The sequence at the first place. */
  #base = 1;
  /** The first place that is not free. */
  #head = 0;
  #count = 0;
  #bytes = 0;

  /** How many messages there are. */
  get count(): number {
    return this.#count;
  }

  /** How many bytes they take. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The sequence of the first message, or of the next one where there is none. */
  get firstSequence(): number {
    return this.#base + this.#head;
  }

  /** The sequence of the last message that was appended. */
  get lastSequence(): number {
    return this.#base + this.#places.length - 1;
  }

  /** The first message. */
  get first(): Stored | undefined {
    return this.#places[this.#head];
  }

  /** Appends a message, which gets the next sequence. */
  append(message: MemoryMessage, size: number, storedAt: number): Stored {
    const stored = { sequence: this.lastSequence + 1, storedAt, size, message };
    this.#places.push(stored);
    this.#count++;
    this.#bytes += size;
    return stored;
  }

  /** The message at a sequence or, where there is none, the first after it. */
  next(sequence: number): Stored | undefined {
    const places = this.#places;
    for (let i = Math.max(sequence - this.#base, this.#head); i < places.length; i++) {
      if (places[i] !== undefined) return places[i];
    }
    return undefined;
  }

  /** Removes the message at a sequence; undefined where there is none. */
  remove(sequence: number): Stored | undefined {
    const place = sequence - this.#base;
    const stored = this.#places[place];
    if (stored === undefined) return undefined;
    this.#places[place] = undefined;
    this.#count--;
    this.#bytes -= stored.size;
    if (place === this.#head) this.#advance();
    return stored;
  }

  #advance(): void {
    const places = this.#places;
    while (this.#head < places.length && places[this.#head] === undefined) this.#head++;
    if (this.#head < COMPACT_FROM || this.#head * 2 < places.length) return;
    this.#places = places.slice(this.#head);
    this.#base += this.#head;
    this.#head = 0;
  }
}
