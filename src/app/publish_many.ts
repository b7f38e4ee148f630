// Publishing many: one after another without waiting, so many at a time, each with its own outcome.

import { assertKeys, assertTimeout, show } from "../domain/check.ts";
import { isRecord } from "../domain/envelope.ts";
import { AegisError } from "../domain/error.ts";
import { isThenable } from "../domain/thenable.ts";
import type { Burst } from "./burst.ts";
import type { NewEvent } from "./event.ts";
import { unless } from "./pause.ts";
import { argumentsOf } from "./publish_input.ts";
import type { Sender } from "./context.ts";
import type { Job } from "./publish_job.ts";
import type { Publisher } from "./publisher.ts";

/** What became of one of many. */
export type PublishOutcome =
  | ({
    /** Which of them it was, from 0. */
    readonly index: number;
    /** It is stored. */
    readonly ok: true;
    /** Its id. */
    readonly id: string;
    /** The stream that has it. */
    readonly stream: string;
    /** Its place there; undefined of an event of a burst, of which the server does not say it. */
    readonly sequence: number | undefined;
    /** Whether its id had been published before, see {@linkcode PublishedEvent}; undefined of an event of a burst, of which the server does not say it. */
    readonly duplicate: boolean | undefined;
  })
  | {
    /** Which of them it was, from 0. */
    readonly index: number;
    /** It is not known to be stored. */
    readonly ok: false;
    /** Why. */
    readonly error: unknown;
  };

/** Options of publishing many events. */
export interface PublishManyOptions {
  /** How many are on their way at a time: the memory that it takes. @default {1024} */
  readonly inFlight?: number;
  /** How long each may take until it is stored, in milliseconds. @default {30000} */
  readonly timeoutMs?: number;
  /** Ends it: what is on its way may be stored, nothing more is published, and it rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /**
   * Is told what became of each, as it is known and not in their order. With it `publishMany()` does not reject because
   * some could not be stored. What it throws comes out when all of them have an outcome.
   */
  readonly onOutcome?: (outcome: PublishOutcome) => void;
}

/** What became of all of them. */
export interface PublishManyResult {
  /** How many are stored, duplicates included. */
  readonly stored: number;
  /** How many of those are known to have been stored before, which of events of a burst they are not. */
  readonly duplicates: number;
  /** How many are not known to be stored. */
  readonly failed: number;
}

/**
 * Publishes many events. After the first 2,048 they go in bursts where the server has them (2.14): these are stored
 * faster, and just as surely, but the server does not say of each where.
 */
export type PublishMany = (
  events: Iterable<NewEvent> | AsyncIterable<NewEvent>,
  options?: PublishManyOptions,
) => Promise<PublishManyResult>;

const OPTIONS = ["inFlight", "timeoutMs", "signal", "onOutcome"];
const DEFAULT_IN_FLIGHT = 1_024;
const MAX_IN_FLIGHT = 65_536;
const DEFAULT_TIMEOUT_MS = 30_000;
/** After how many events it is worth a burst, whose end takes longer than that of a few events. */
const BURST_FROM = 2_048;
/** How many failures an error lists. */
const LISTED = 100;

/** Publishes events as an iterable gives them. */
export async function publishMany(
  publisher: Publisher,
  sender: Sender,
  events: Iterable<NewEvent> | AsyncIterable<NewEvent>,
  options: PublishManyOptions = {},
): Promise<PublishManyResult> {
  const source = iteratorOf(events);
  checkOptions(options);
  const { signal } = options;
  const tally = new Tally(options);
  const { inFlight: most = DEFAULT_IN_FLIGHT, timeoutMs = DEFAULT_TIMEOUT_MS } = options;
  const each = { timeoutMs };
  let underWay = 0;
  let burst: Burst | undefined;
  let wake: (() => void) | undefined;
  const settled = (): void => {
    underWay--;
    // Half of them at a time: waking for each would write each by itself.
    if (underWay <= most / 2) wake?.();
  };
  const below = (limit: number): Promise<void> =>
    new Promise((resolve) => {
      const check = (): void => {
        if (underWay > limit && signal?.aborted !== true) return;
        wake = undefined;
        signal?.removeEventListener("abort", check);
        resolve();
      };
      wake = check;
      signal?.addEventListener("abort", check);
      check();
    });
  await publisher.begin(sender);
  try {
    for (let index = 0;; index++) {
      signal?.throwIfAborted();
      if (index === BURST_FROM) {
        // In their order: what is on its way one by one comes first.
        await below(0);
        burst = await publisher.burst(sender);
      }
      const step = source.next();
      const { done, value } = isThenable(step) ? await unless(signal, step) : step;
      if (done === true) break;
      underWay++;
      const at = index;
      const send = (job: Job): void => {
        publisher.send(job).then((published) => {
          tally.stored(at, published);
          settled();
        }, (error) => {
          tally.failed(at, error);
          settled();
        });
      };
      try {
        const [event] = argumentsOf(value, []);
        const ready = publisher.prepare(sender, event, each);
        const job = ready instanceof Promise ? await ready : ready;
        if (burst?.isOpen !== true) send(job);
        else {
          const { stream } = burst;
          const { id } = job;
          burst.add(job, () => {
            tally.stored(at, { id, stream, sequence: undefined, duplicate: undefined });
            settled();
          }, () => send(job));
          const room = burst.ready();
          if (room !== undefined) await room;
        }
      } catch (error) {
        tally.failed(at, error);
        settled();
      }
      if (underWay >= most) await below(most / 2);
    }
    await burst?.end();
    await below(0);
    signal?.throwIfAborted();
  } catch (error) {
    void burst?.end();
    // Whoever makes the events must hear that nobody takes them any more. One that is about to make one hears it later.
    const closed = Promise.resolve(source.return?.()).catch(() => undefined);
    if (signal?.aborted !== true) await closed;
    throw error;
  }
  return tally.result();
}

type Stored = Extract<PublishOutcome, { readonly ok: true }>;

/** Counts what became of them. */
class Tally {
  readonly #onOutcome: ((outcome: PublishOutcome) => void) | undefined;
  readonly #failures: { readonly index: number; readonly error: unknown }[] = [];
  #stored = 0;
  #duplicates = 0;
  #failed = 0;
  #fault: { readonly error: unknown } | undefined;

  constructor({ onOutcome }: PublishManyOptions) {
    this.#onOutcome = onOutcome;
  }

  stored(index: number, published: Omit<Stored, "index" | "ok">): void {
    this.#stored++;
    if (published.duplicate === true) this.#duplicates++;
    this.#tell({ index, ok: true, ...published });
  }

  failed(index: number, error: unknown): void {
    this.#failed++;
    if (this.#failures.length < LISTED) this.#failures.push({ index, error });
    this.#tell({ index, ok: false, error });
  }

  #tell(outcome: PublishOutcome): void {
    try {
      this.#onOutcome?.(outcome);
    } catch (error) {
      // Events that are on their way are stored all the same, and counted; then it comes out.
      this.#fault ??= { error };
    }
  }

  /** What it came to. @throws what `onOutcome` threw, or {AegisError} with code `PUBLISH_INCOMPLETE` when nobody was told what failed. */
  result(): PublishManyResult {
    if (this.#fault !== undefined) throw this.#fault.error;
    const result = { stored: this.#stored, duplicates: this.#duplicates, failed: this.#failed };
    if (this.#failed === 0 || this.#onOutcome !== undefined) return result;
    const [first] = this.#failures;
    const reason = first!.error instanceof Error ? first!.error.message : String(first!.error);
    throw new AegisError(
      "PUBLISH_INCOMPLETE",
      `${this.#failed} of ${
        this.#stored + this.#failed
      } events were not stored; the first is number ${first!.index}: ${reason}`,
      { cause: first!.error, details: { ...result, failures: this.#failures } },
    );
  }
}

function iteratorOf(
  events: unknown,
): Iterator<NewEvent> | AsyncIterator<NewEvent> {
  const source = (typeof events === "string" ? undefined : events) as
    | {
      [Symbol.asyncIterator]?(): AsyncIterator<NewEvent>;
      [Symbol.iterator]?(): Iterator<NewEvent>;
    }
    | null
    | undefined;
  const iterator = source?.[Symbol.asyncIterator]?.() ?? source?.[Symbol.iterator]?.();
  if (iterator !== undefined) return iterator;
  throw new TypeError(
    `Cannot publish ${
      show(events)
    }: publishMany() takes an array, or anything else to iterate over, of events`,
  );
}

function checkOptions(options: PublishManyOptions): void {
  if (!isRecord(options)) {
    throw new TypeError(
      `Cannot use ${show(options)} as the options of publishMany(): they must be an object`,
    );
  }
  assertKeys(options, OPTIONS, "of publishMany()");
  const { inFlight, timeoutMs, signal, onOutcome } = options as PublishManyOptions;
  if (timeoutMs !== undefined) assertTimeout(timeoutMs, 'option "timeoutMs" of publishMany()');
  if (
    inFlight !== undefined &&
    !(Number.isInteger(inFlight) && inFlight >= 1 && inFlight <= MAX_IN_FLIGHT)
  ) {
    throw new RangeError(
      `Cannot use ${
        show(inFlight)
      } as option "inFlight" of publishMany(): it must be a whole number from 1 to ${MAX_IN_FLIGHT}`,
    );
  }
  if (onOutcome !== undefined && typeof onOutcome !== "function") {
    throw new TypeError(
      `Cannot use ${show(onOutcome)} as option "onOutcome" of publishMany(): it must be a function`,
    );
  }
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new TypeError(
      `Cannot use ${show(signal)} as option "signal" of publishMany(): it must be an AbortSignal`,
    );
  }
}
