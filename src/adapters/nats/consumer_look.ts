// Looking for a consumer: whether it is there, and still the one that it was.

import { AegisError } from "../../domain/error.ts";
import { pause } from "./pause.ts";
import type { StreamApi } from "./stream_api.ts";

/** What has become of a consumer: it is the one that it was, another one of its name, or gone. */
export type Found = "same" | "other" | "gone";

/** How long one look may take, in milliseconds. */
const LOOK_MS = 2_000;
/** How long the stream of one in a cluster may take to say when it was made, in milliseconds: it may have no leader. */
const STREAM_MS = 1_000;
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

/** When a consumer was made, and where that is asked its stream, on the clock of a server. */
interface Made {
  readonly consumer: number;
  readonly stream: number | undefined;
}

/** What looking is about. */
export interface LookParts {
  readonly api: StreamApi;
  readonly stream: string;
  readonly consumer: string;
  /** Whether the server is one of a cluster: each of them may have its own time at which it made the consumer. */
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
  #made: Made | undefined;
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
            this.#made = undefined;
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

  async #ask(): Promise<Made> {
    const { api, stream, consumer, clustered } = this.#parts;
    // The servers of a cluster agree when the stream was made. Words for a consumer of the same one are about the same messages.
    const streamMade = clustered()
      ? api.run(
        `look for the stream ${stream}`,
        async (manager) => Date.parse((await manager.streams.info(stream)).created),
        undefined,
        STREAM_MS,
      ).catch(() => undefined) // this user may not ask, or there is no leader: then it is not known
      : undefined;
    const consumerMade = await api.run(
      `look for the consumer ${consumer} of the stream ${stream}`,
      async (manager) => Date.parse((await manager.consumers.info(stream, consumer)).created),
      undefined,
      LOOK_MS,
    );
    return { consumer: consumerMade, stream: await streamMade };
  }

  #isOther(made: Made): boolean {
    const before = this.#made ?? made;
    const deleted = this.#deleted;
    this.#made = { ...made, stream: made.stream ?? before.stream };
    this.#deleted = false;
    if (differ(made.stream, before.stream)) return true;
    return differ(made.consumer, before.consumer) && (deleted || !this.#parts.clustered());
  }
}

function differ(a: number | undefined, b: number | undefined): boolean {
  return a !== undefined && b !== undefined && Math.abs(a - b) > DRIFT_MS;
}

function isMissing(error: unknown): boolean {
  return AegisError.is(error, "STREAM_NOT_FOUND") || AegisError.is(error, "CONSUMER_NOT_FOUND");
}
