// Looking for a consumer: whether it is there, and still the one that it was.

import { AegisError } from "../../domain/error.ts";
import { pause } from "./pause.ts";
import type { StreamApi } from "./stream_api.ts";

/** What has become of a consumer: it is the one that it was, another one of its name, or gone. */
export type Found = "same" | "other" | "gone";

/** How long one look may take, in milliseconds. */
const LOOK_MS = 2_000;
/** How long to wait before a consumer that was not found is looked for once more, in milliseconds. */
const ONCE_MORE_MS = 250;
/** How long to wait before the next look when one has failed, and how long at most, in milliseconds. */
const FIRST_WAIT_MS = 100;
const LAST_WAIT_MS = 2_000;

/** By how much servers before 2.11 change the time at which a consumer was made when they are started again, and more. */
const DRIFT_MS = 100;

/** What looking is about. */
export interface LookParts {
  readonly api: StreamApi;
  readonly stream: string;
  readonly consumer: string;
  /** Whether to look on. */
  readonly goOn: () => boolean;
  /** Called with why a look has failed. */
  readonly onTrouble: (error: Error) => void;
  /** Called with what was found, before whoever looks hears of it. */
  readonly onFound: (found: Found) => void;
}

/** Looks for one consumer. */
export class ConsumerLook {
  readonly #parts: LookParts;
  #created: number | undefined;
  #looking: Promise<Found | undefined> | undefined;

  /** Makes it. */
  constructor(parts: LookParts) {
    this.#parts = parts;
  }

  /** Looks until it is known what has become of the consumer; undefined when that is of no interest any more. */
  look(): Promise<Found | undefined> {
    return this.#looking ??= this.#look().then((found) => {
      this.#looking = undefined;
      if (found !== undefined) this.#parts.onFound(found);
      return found;
    });
  }

  async #look(): Promise<Found | undefined> {
    const { api, stream, consumer, goOn, onTrouble } = this.#parts;
    let missing = false;
    for (let waitMs = FIRST_WAIT_MS; goOn(); waitMs = Math.min(waitMs * 2, LAST_WAIT_MS)) {
      try {
        const created = await api.run(
          `look for the consumer ${consumer} of the stream ${stream}`,
          async (manager) => (await manager.consumers.info(stream, consumer)).created,
          undefined,
          LOOK_MS,
        );
        const before = this.#created;
        this.#created = Date.parse(created);
        // What does not parse says nothing.
        return Math.abs(this.#created - (before ?? this.#created)) > DRIFT_MS ? "other" : "same";
      } catch (error) {
        if (!goOn()) return undefined;
        if (isMissing(error)) {
          // A server that has just been started, or has just become the leader, may not know yet.
          if (missing) {
            this.#created = undefined;
            return "gone";
          }
          missing = true;
          await pause(ONCE_MORE_MS);
          continue;
        }
        missing = false;
        // A user may take messages and not ask for the consumer: then what it is shows when it is asked for some.
        if (AegisError.is(error, "PERMISSION_DENIED")) return "same";
        onTrouble(error as Error);
      }
      await pause(waitMs);
    }
    return undefined;
  }
}

function isMissing(error: unknown): boolean {
  return AegisError.is(error, "STREAM_NOT_FOUND") || AegisError.is(error, "CONSUMER_NOT_FOUND");
}
