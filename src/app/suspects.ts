// Suspects: events that were delivered again and again without a word. Each begins by itself, after it is noted that it does.

import { DEAD_LETTERS_STREAM, suspectSubject } from "../domain/dead_letter.ts";
import type { Stamp } from "../domain/stamp.ts";
import type { EventStreams } from "./event_streams.ts";

/** The turn of a suspect. */
export interface Turn {
  /** How often it had begun before, by itself, and never ended. */
  readonly begun: number;
  /** It has ended, in whatever way, and the next one may begin. */
  end(): void;
}

const TIMEOUT_MS = 5_000;

/**
 * Tells who ends processes from who was merely there. What is noted outlasts the process: an event that is noted to have
 * begun, and comes again, is one over which its process ended; those beside it were not noted.
 */
export class Suspects {
  readonly #streams: EventStreams;
  readonly #handler: string;
  readonly #stamp: Stamp;
  #last: Promise<void> = Promise.resolve();

  /** Makes the suspects of one handler. */
  constructor(streams: EventStreams, handler: string, stamp: Stamp) {
    this.#streams = streams;
    this.#handler = handler;
    this.#stamp = stamp;
  }

  /** Waits for the turn of a suspect, and notes that it begins. @throws {AegisError} when that cannot be noted. */
  async enter(sequence: number): Promise<Turn> {
    const before = this.#last;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#last = promise;
    await before;
    try {
      const subject = suspectSubject(this.#handler, sequence);
      const { store } = this.#streams.ports;
      await this.#streams.name("deadLetters", this.#stamp);
      const known = await store.read(DEAD_LETTERS_STREAM, 1, subject);
      const begun = Number(known?.headers["aegis-begun"] ?? 0) || 0;
      const headers = { "aegis-begun": String(begun + 1) };
      const note = await store.publish(subject, "", headers, TIMEOUT_MS);
      if (known !== undefined) await store.remove(DEAD_LETTERS_STREAM, known.sequence);
      const end = (): void => {
        resolve();
        // A note that stays says of an event that has ended that it has not, which nobody asks any more.
        store.remove(DEAD_LETTERS_STREAM, note.sequence).catch(() => undefined);
      };
      return { begun, end };
    } catch (error) {
      resolve();
      throw error;
    }
  }
}
