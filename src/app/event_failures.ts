// Failures: what becomes of events whose handlers failed, and of those over which processes ended.

import type { DeadLetterReason } from "../domain/dead_letter.ts";
import { AegisError } from "../domain/error.ts";
import {
  type EventOutcome,
  eventOutcome,
  isSuspect,
  standstillOutcome,
} from "../domain/event_outcome.ts";
import type { DeadLetterWriter } from "./dead_letter_writer.ts";
import type { Handling } from "./event_handling.ts";
import type { HandBackNotes } from "./hand_back_notes.ts";
import { stoodStill } from "./leading.ts";
import type { Measures } from "./measures.ts";
import type { EventHandler } from "./on.ts";
import type { OtherVersion, Unfit } from "./run_event.ts";
import type { Runtime } from "./runtime.ts";
import type { Suspects } from "./suspects.ts";

/** Where the failures of one handler go. */
export interface FailureParts {
  readonly runtime: Runtime;
  readonly handler: EventHandler;
  readonly deadLetters: DeadLetterWriter;
  readonly suspects: Suspects;
  /** Where it is noted what was handed back; undefined where nobody asks that later. */
  readonly notes: HandBackNotes | undefined;
}

/** Why an event has failed for good. */
interface Verdict {
  readonly reason: DeadLetterReason;
  readonly error: unknown;
}

/** How soon an event is tried again whose dead letter could not be stored, in milliseconds. */
const DEAD_LETTER_RETRY_MS = 10_000;
/** How many events are remembered that have failed for the last time, while their dead letters cannot be stored. */
const MAX_CONDEMNED = 10_000;

/** Decides what becomes of the failed events of one handler, and tells the broker. */
export class EventFailures {
  readonly #parts: FailureParts;
  readonly #measures: Measures;
  readonly #leave: (handling: Handling) => void;
  readonly #condemned = new Map<string, Verdict>();

  /** Makes it; `leave` is called with each event of which the broker was told. */
  constructor(parts: FailureParts, measures: Measures, leave: (handling: Handling) => void) {
    this.#parts = parts;
    this.#measures = measures;
    this.#leave = leave;
  }

  /** An event was handled. */
  forget(handling: Handling): void {
    if (this.#condemned.size > 0) this.#condemned.delete(handling.key);
  }

  /** Whether an event that comes again had failed for good; its dead letter could not be stored, and now it may. */
  isCondemned(handling: Handling): boolean {
    if (this.#condemned.size === 0) return false;
    const verdict = this.#condemned.get(handling.key);
    if (verdict !== undefined) this.#bury(handling, verdict);
    return verdict !== undefined;
  }

  /** Lets an event begin, by itself among its like, over which a process may have ended; unless it is known by now that some did. */
  async suspect(handling: Handling, queue: (handling: Handling) => void): Promise<void> {
    const { suspects, runtime: { logger }, handler: { settings } } = this.#parts;
    await this.#recount(handling);
    if (handling.ended) return;
    if (!isSuspect(settings.retry, handling.tries)) return queue(handling);
    try {
      const turn = await suspects.enter(handling.delivery);
      handling.turn = turn;
      if (handling.ended) return turn.end();
      if (turn.guilt === undefined) queue(handling);
      else this.#bury(handling, { reason: "crashed", error: turn.guilt });
    } catch (error) {
      // Without its note nobody could tell next time; it waits until there can be one.
      logger.warn("It cannot be noted that an event begins; it comes again", { error });
      if (!handling.ended) this.#again(handling, DEAD_LETTER_RETRY_MS);
    }
  }

  /** A handler failed. */
  failed(handling: Handling, error: unknown): void {
    const { retry } = this.#parts.handler.settings;
    this.#measured(handling, AegisError.is(error) ? error.code : "error");
    void this.#decide(
      handling,
      error,
      (random) => eventOutcome(retry, error, handling, random),
    );
  }

  /** An event cost its leader the leadership, or may have. */
  stoodStill(handling: Handling): void {
    const { pattern, settings: { retry } } = this.#parts.handler;
    const error = stoodStill(`The handler of ${pattern}`);
    this.#measured(handling, error.code);
    void this.#decide(
      handling,
      error,
      (random) => standstillOutcome(retry, handling, random),
    );
  }

  /** An event cannot be handled, whatever is done. */
  unfit(handling: Handling, { reason, error }: Unfit): void {
    this.#measured(handling, "INVALID_REQUEST");
    this.#bury(handling, { reason, error });
  }

  /** Leaves aside what is for handlers of another version. */
  passBy(handling: Handling, { version }: OtherVersion): void {
    const { pattern, settings } = this.#parts.handler;
    handling.ended = true;
    handling.log.debug(`An event of another version passes a handler of ${pattern} by`, {
      version,
      handled: settings.version,
    });
    handling.delivery.ack();
    this.#leave(handling);
  }

  /** Before an event is given up for its attempts, those are counted that were none. */
  async #decide(
    handling: Handling,
    error: unknown,
    outcomeOf: (random: number) => EventOutcome,
  ): Promise<void> {
    const { runtime: { random }, handler: { pattern, settings: { retry } } } = this.#parts;
    if (handling.attempt >= retry.attempts && retry.attempts > 1) await this.#recount(handling);
    let outcome: EventOutcome;
    try {
      outcome = outcomeOf(random.next());
    } catch (fault) {
      // A policy that throws must not keep an event in hand for ever.
      return this.#bury(handling, { reason: "failed", error: fault });
    }
    if (outcome.kind === "dead") return this.#bury(handling, { reason: "failed", error });
    handling.log.warn(`A handler of ${pattern} failed; the event comes again`, {
      error,
      attempt: handling.attempt,
      delayMs: Math.round(outcome.delayMs),
    });
    this.#again(handling, outcome.delayMs);
  }

  /** Asks how many deliveries of an event were handed back; where nobody can tell, each was an attempt. */
  async #recount(handling: Handling): Promise<void> {
    const { notes, runtime: { logger } } = this.#parts;
    if (notes === undefined || handling.attempt === 1) return;
    try {
      handling.handedBack = await notes.count(handling.delivery, handling.arrivedAt);
    } catch (error) {
      logger.debug("It cannot be read how often an event was handed back", { error });
    }
  }

  #again(handling: Handling, delayMs: number): void {
    handling.ended = true;
    handling.delivery.nak(delayMs);
    this.#leave(handling);
  }

  /** Makes a dead letter of an event. Only when that is stored is it taken from the stream. */
  #bury(handling: Handling, verdict: Verdict): void {
    const { key, delivery, tries } = handling;
    const { reason, error } = verdict;
    handling.ended = true;
    this.#parts.deadLetters.write(delivery, tries, reason, error).then(() => {
      this.#condemned.delete(key);
      delivery.term();
    }, () => {
      // It has failed for good, and does not run again when it comes again.
      if (this.#condemned.size < MAX_CONDEMNED) this.#condemned.set(key, verdict);
      delivery.nak(DEAD_LETTER_RETRY_MS);
    }).finally(() => this.#leave(handling));
  }

  #measured({ begunAt }: Handling, code: string): void {
    this.#measures.failed(code, this.#parts.runtime.clock.monotonic() - begunAt);
  }
}
