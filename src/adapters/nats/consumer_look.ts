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
/**
 * For how long a cluster must not find it, in milliseconds, unless the server has said that it was deleted: a leader that has
 * just been elected may not have read yet what there is.
 */
const GONE_MS = 3_000;
/** How long to wait before the next look when one has failed, and how long at most, in milliseconds. */
const FIRST_WAIT_MS = 100;
const LAST_WAIT_MS = 2_000;

/** By how much the time at which a consumer was made may change when a server is started again, and more. */
const DRIFT_MS = 100;

/** What looking is about. */
export interface LookParts {
  readonly api: StreamApi;
  readonly stream: string;
  readonly consumer: string;
  /** Whether the server is one of a cluster: each of them has its own time at which it made the consumer. */
  readonly clustered: () => boolean;
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
  #deleted = false;
  #looking: Promise<Found | undefined> | undefined;

  /** Makes it. */
  constructor(parts: LookParts) {
    this.#parts = parts;
  }

  /** The server has said that the consumer was deleted. One of its name may have been made since. */
  deleted(): void {
    this.#deleted = true;
  }

  /** Looks until it is known what has become of the consumer; undefined when that is of no interest any more. */
  look(): Promise<Found | undefined> {
    return this.#looking ??= this.#find();
  }

  async #find(): Promise<Found | undefined> {
    try {
      let found: Found | undefined;
      // Whoever joined it meanwhile may want to know all the same.
      do found = await this.#look(); while (found === undefined && this.#parts.goOn());
      this.#looking = undefined;
      if (found !== undefined) this.#parts.onFound(found);
      return found;
    } finally {
      this.#looking = undefined;
    }
  }

  async #look(): Promise<Found | undefined> {
    const { goOn, clustered, onTrouble } = this.#parts;
    let missingSince: number | undefined;
    for (let waitMs = FIRST_WAIT_MS; goOn(); waitMs = Math.min(waitMs * 2, LAST_WAIT_MS)) {
      try {
        return this.#isOther(await this.#ask()) ? "other" : "same";
      } catch (error) {
        if (!goOn()) return undefined;
        if (isMissing(error)) {
          const now = performance.now();
          const patience = clustered() && !this.#deleted ? GONE_MS : ONCE_MORE_MS;
          missingSince ??= now;
          if (now - missingSince >= patience) {
            this.#created = undefined;
            return "gone";
          }
          await pause(ONCE_MORE_MS);
          continue;
        }
        missingSince = undefined;
        // A user may take messages and not ask for the consumer: then what it is shows when it is asked for some.
        if (AegisError.is(error, "PERMISSION_DENIED")) return "same";
        onTrouble(error as Error);
      }
      await pause(waitMs);
    }
    return undefined;
  }

  /** When the consumer was made, on the clock of a server. */
  #ask(): Promise<number> {
    const { api, stream, consumer } = this.#parts;
    return api.run(
      `look for the consumer ${consumer} of the stream ${stream}`,
      async (manager) => Date.parse((await manager.consumers.info(stream, consumer)).created),
      undefined,
      LOOK_MS,
    );
  }

  #isOther(created: number): boolean {
    const before = this.#created ?? created;
    const deleted = this.#deleted;
    this.#created = created;
    this.#deleted = false;
    return Math.abs(created - before) > DRIFT_MS && (deleted || !this.#parts.clustered());
  }
}

function isMissing(error: unknown): boolean {
  return AegisError.is(error, "STREAM_NOT_FOUND") || AegisError.is(error, "CONSUMER_NOT_FOUND");
}
