// Suspects: events that were delivered again and again without a word. Each begins by itself, after it is noted that it does.

import { suspectSubject } from "../domain/dead_letter.ts";
import { deferred } from "../domain/deferred.ts";
import { AegisError } from "../domain/error.ts";
import { isGuilty } from "../domain/event_outcome.ts";
import type { Stamp } from "../domain/stamp.ts";
import type { Delivery, StoredMessage } from "../ports/stream.ts";
import type { BusStreams } from "./bus_streams.ts";

/** The turn of a suspect. */
export interface Turn {
  /** What is known of one that had begun so often, by itself, and never come to an end, that it is not to begin again. */
  readonly guilt: AegisError | undefined;
  /** It has ended, in whatever way, and the next one may begin. */
  end(): void;
  /** It is no longer at hand, and has not ended: the next one may begin, and what is noted stays. */
  leave(): void;
}

/**
 * Tells who ends processes from who was merely there. What is noted outlasts the process: an event that is noted to have
 * begun, and comes again, is one over which its process ended; those beside it were not noted.
 */
export class Suspects {
  readonly #streams: BusStreams;
  readonly #handler: string;
  readonly #stamp: Stamp;
  #last: Promise<void> = Promise.resolve();

  /** Makes the suspects of one handler. */
  constructor(streams: BusStreams, handler: string, stamp: Stamp) {
    this.#streams = streams;
    this.#handler = handler;
    this.#stamp = stamp;
  }

  /** Waits for the turn of a suspect, and notes that it begins. @throws {AegisError} when that cannot be noted. */
  async enter(
    { sequence, storedAt, attempt }: Pick<Delivery, "sequence" | "storedAt" | "attempt">,
  ): Promise<Turn> {
    const before = this.#last;
    const { promise, resolve } = deferred<void>();
    this.#last = promise;
    await before;
    try {
      const subject = suspectSubject(this.#handler, sequence, storedAt);
      const { store } = this.#streams.ports;
      const stream = await this.#streams.name("deadLetters", this.#stamp);
      const known = await this.#note(stream, subject);
      const begun = Number(known?.headers["aegis-begun"] ?? 0) || 0;
      const headers = { "aegis-begun": String(begun + 1) };
      const note = await this.#streams.publish("deadLetters", this.#stamp, subject, "", headers);
      if (known !== undefined) await store.remove(stream, known.sequence);
      const end = (): void => {
        resolve();
        // A note that stays says of an event that has ended that it has not, which nobody asks any more.
        store.remove(note.stream, note.sequence).catch(() => undefined);
      };
      return { guilt: isGuilty(begun) ? guilty(begun, attempt) : undefined, end, leave: resolve };
    } catch (error) {
      resolve();
      throw error;
    }
  }

  async #note(stream: string, subject: string): Promise<StoredMessage | undefined> {
    try {
      return await this.#streams.ports.store.read(stream, 1, subject);
    } catch (error) {
      // Somebody has removed the stream, and with it what was noted; it is made again for the next note.
      if (AegisError.is(error, "STREAM_NOT_FOUND")) return undefined;
      throw error;
    }
  }
}

function guilty(begun: number, deliveries: number): AegisError {
  return new AegisError(
    "CRASHED",
    `Its handler began ${begun} times by itself and never came to an end, after ${deliveries} deliveries in all`,
  );
}
