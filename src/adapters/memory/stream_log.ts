// The log of a stream: messages by sequence and by subject, with gaps where some were removed.

import type { MemoryMessage } from "./broker.ts";
import { type OfSubject, StreamSubjects } from "./stream_subjects.ts";

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
  /** The one before it of its subject. */
  older: Stored | undefined;
  /** The one after it of its subject. */
  newer: Stored | undefined;
}

/** From how many free places on they are given back. */
const COMPACT_FROM = 1_024;

/**
 * Appends in constant time, and finds and removes in hardly more, wherever that is: free places are given back when they
 * are half of all, so that one old message does not keep the places of all that came after it and went.
 */
export class StreamLog {
  /** The sequences of all places, in their order. */
  #sequences: number[] = [];
  #places: (Stored | undefined)[] = [];
  readonly #subjects = new StreamSubjects();
  /** The first place that is not free. */
  #head = 0;
  #count = 0;
  #bytes = 0;
  #last = 0;

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
    return this.first?.sequence ?? this.#last + 1;
  }

  /** The sequence of the last message that was appended. */
  get lastSequence(): number {
    return this.#last;
  }

  /** The first message. */
  get first(): Stored | undefined {
    return this.#places[this.#head];
  }

  /** The messages of a subject; undefined where there are none. */
  of(subject: string): OfSubject | undefined {
    return this.#subjects.of(subject);
  }

  /** The subjects that there are messages of. */
  subjects(): readonly string[] {
    return this.#subjects.names();
  }

  /** Appends a message, which gets the next sequence. */
  append(message: MemoryMessage, size: number, storedAt: number): Stored {
    const sequence = ++this.#last;
    const stored = { sequence, storedAt, size, message, older: undefined, newer: undefined };
    this.#sequences.push(sequence);
    this.#places.push(stored);
    this.#subjects.add(stored);
    this.#count++;
    this.#bytes += size;
    return stored;
  }

  /** The message at a sequence or, where there is none, the first after it. */
  next(sequence: number): Stored | undefined {
    const places = this.#places;
    for (let i = Math.max(this.#find(sequence), this.#head); i < places.length; i++) {
      if (places[i] !== undefined) return places[i];
    }
    return undefined;
  }

  /** Removes the message at a sequence; undefined where there is none. */
  remove(sequence: number): Stored | undefined {
    const place = this.#find(sequence);
    const stored = this.#places[place];
    if (stored?.sequence !== sequence) return undefined;
    this.#places[place] = undefined;
    this.#subjects.remove(stored);
    this.#count--;
    this.#bytes -= stored.size;
    if (place === this.#head) this.#advance();
    this.#compact();
    return stored;
  }

  /** The first place of a sequence that is not lower. */
  #find(sequence: number): number {
    const sequences = this.#sequences;
    // Where nothing is missing in between it is that far from the first; it is no farther in any case.
    const far = Math.min(Math.max(0, sequence - (sequences[0] ?? 0)), sequences.length);
    if (sequences[far] === sequence) return far;
    let [low, high] = [0, far];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sequences[middle]! < sequence) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #advance(): void {
    const places = this.#places;
    while (this.#head < places.length && places[this.#head] === undefined) this.#head++;
  }

  #compact(): void {
    const free = this.#places.length - this.#count;
    if (free < COMPACT_FROM || free * 2 < this.#places.length) return;
    this.#sequences = this.#sequences.filter((_, place) => this.#places[place] !== undefined);
    this.#places = this.#places.filter((stored) => stored !== undefined);
    this.#head = 0;
  }
}
