// The subscriber: the events of one handler on one instance, fetched, run and settled.

import { type DeadLetterReason, REPLAY_HEADER } from "../domain/dead_letter.ts";
import {
  type EventOutcome,
  eventOutcome,
  isSuspect,
  standstillOutcome,
} from "../domain/event_outcome.ts";
import { AegisError, UnavailableError } from "../domain/error.ts";
import { Prefetch } from "../domain/prefetch.ts";
import { isThenable } from "../domain/thenable.ts";
import type { Delivery } from "../ports/stream.ts";
import type { DeadLetterWriter } from "./dead_letter_writer.ts";
import { Handling, type HandlingParts } from "./event_handling.ts";
import { EventSlots } from "./event_slots.ts";
import type { Source } from "./source.ts";
import { KeepWorking } from "./keep_working.ts";
import { stoodStill } from "./leading.ts";
import { Measures } from "./measures.ts";
import type { EventHandler } from "./on.ts";
import { OtherVersion, runEvent, Unfit } from "./run_event.ts";
import type { Suspects } from "./suspects.ts";
import type { Work } from "./work.ts";

/** What a subscriber is made of. */
export interface SubscriberParts extends HandlingParts {
  readonly handler: EventHandler;
  /** What all instances of the handler have in common. */
  readonly handlerId: string;
  readonly source: Source;
  readonly deadLetters: DeadLetterWriter;
  readonly suspects: Suspects;
}

/** How soon an event is tried again whose dead letter could not be stored, in milliseconds. */
const DEAD_LETTER_RETRY_MS = 10_000;
/** How many events are remembered that have failed for the last time, while their dead letters cannot be stored. */
const MAX_CONDEMNED = 10_000;

/** Handles events. */
export class Subscriber implements Work {
  readonly #parts: SubscriberParts;
  readonly #measures: Measures;
  readonly #prefetch: Prefetch;
  readonly #keeping: KeepWorking;
  readonly #held = new Set<Handling>();
  readonly #bySequence = new Map<number, Handling>();
  readonly #slots: EventSlots;
  #stopping = false;
  readonly #condemned = new Map<string, { reason: DeadLetterReason; error: unknown }>();
  readonly #idle: (() => void)[] = [];

  constructor(parts: SubscriberParts) {
    this.#parts = parts;
    const { runtime, service, handler, source } = parts;
    const { concurrency, ordered, ackWaitMs } = handler.settings;
    this.#slots = new EventSlots(concurrency, (handling) => this.#begin(handling));
    const ackWait = (): number => Math.min(ackWaitMs, source.ackWaitMs);
    this.#keeping = new KeepWorking(runtime.clock, ackWait, this.#held);
    this.#prefetch = new Prefetch(concurrency, ordered);
    this.#measures = new Measures(runtime, "handle", { service, event: handler.pattern });
  }

  get inFlight(): number {
    return this.#held.size;
  }

  get unsettled(): number {
    return 0; // what the broker has not heard of it delivers again
  }

  /** How many events wait here for a slot. */
  get waiting(): number {
    return this.#slots.waiting;
  }

  /** Begins to take events. */
  open(): void {
    this.#parts.source.open((delivery) => this.#receive(delivery), () => this.#ask());
  }

  async drain(withinMs: number): Promise<void> {
    this.#stopping = true;
    await this.#parts.source.drain(withinMs);
  }

  handBack(): void {
    this.#stopping = true;
    for (const handling of this.#held) {
      if (handling.begunAt === 0 && !handling.ended) this.#giveBack(handling);
    }
    this.#slots.clear();
  }

  whenIdle(): Promise<void> {
    return this.#held.size === 0
      ? Promise.resolve()
      : new Promise((resolve) => this.#idle.push(resolve));
  }

  abort(reason?: AegisError): void {
    const error = reason ?? new UnavailableError(
      `${this.#parts.service} stops and waits no longer for the handler of ${this.#parts.handler.pattern}`,
    );
    for (const handling of this.#held) handling.abort(error);
  }

  whenSettled(): Promise<void> {
    return this.#parts.source.whenSettled();
  }

  async close(withinMs: number): Promise<void> {
    this.handBack();
    this.#keeping.stop();
    await this.#parts.source.close(withinMs);
  }

  #receive(delivery: Delivery): void {
    const { runtime, handler, handlerId } = this.#parts;
    const now = runtime.clock.monotonic();
    const other = this.#bySequence.get(delivery.sequence);
    if (other?.delivery.storedAt === delivery.storedAt) {
      other.cameAgain(delivery, now);
      return this.#ask();
    }
    const handling = new Handling(this.#parts, delivery, now);
    this.#held.add(handling);
    this.#bySequence.set(handling.sequence, handling);
    this.#keeping.start();
    if (this.#stopping) return this.#giveBack(handling);
    const replayedFor = handling.header(REPLAY_HEADER);
    if (replayedFor !== undefined && replayedFor !== handlerId) {
      // Somebody else had failed at it; here it was handled when it came for the first time.
      handling.ended = true;
      delivery.ack();
      return this.#leave(handling);
    }
    const condemned = this.#condemned.size === 0 ? undefined : this.#condemned.get(handling.key);
    if (condemned !== undefined) return this.#bury(handling, condemned.reason, condemned.error);
    if (isSuspect(handler.settings.retry, handling.attempt)) void this.#suspect(handling);
    else this.#slots.queue(handling);
    this.#ask();
  }

  /** Begins an event, by itself among its like, over which a process may have ended; unless it is known by now that some did. */
  async #suspect(handling: Handling): Promise<void> {
    const { suspects, runtime: { logger } } = this.#parts;
    try {
      const turn = await suspects.enter(handling.delivery);
      handling.turn = turn;
      if (handling.ended) return turn.end();
      if (turn.guilt === undefined) this.#slots.queue(handling);
      else this.#bury(handling, "crashed", turn.guilt);
    } catch (error) {
      // Without its note nobody could tell next time; it waits until there can be one.
      logger.warn("It cannot be noted that an event begins; it comes again", { error });
      if (!handling.ended) this.#giveBack(handling, DEAD_LETTER_RETRY_MS);
    }
  }

  #begin(handling: Handling): void {
    const { runtime, handler } = this.#parts;
    if (handler.settings.exclusive && !handling.mayBegin()) {
      // Whoever found that out may have given it back already.
      if (!handling.ended) this.#giveBack(handling);
      return;
    }
    this.#slots.take();
    const now = runtime.clock.monotonic();
    handling.begunAt = now;
    this.#prefetch.waited(now - handling.arrivedAt);
    let result: unknown;
    try {
      result = runEvent(runtime, handler, handling);
    } catch (error) {
      return this.#failed(handling, error);
    }
    if (isThenable(result)) {
      Promise.resolve(result).then(
        () => this.#succeeded(handling),
        (error) => this.#failed(handling, error),
      );
    } else this.#succeeded(handling);
  }

  #succeeded(handling: Handling): void {
    this.#slots.give();
    if (!handling.ended) {
      if (!handling.isOurs) return this.#cutShort(handling);
      handling.ended = true;
      handling.delivery.ack();
      if (this.#condemned.size > 0) this.#condemned.delete(handling.key);
      this.#measures.succeeded(this.#parts.runtime.clock.monotonic() - handling.begunAt);
    }
    this.#leave(handling);
  }

  #failed(handling: Handling, error: unknown): void {
    this.#slots.give();
    if (handling.ended) return this.#leave(handling);
    if (error instanceof OtherVersion) return this.#passBy(handling, error.version);
    if (error instanceof Unfit) {
      this.#measured(handling, "INVALID_REQUEST");
      return this.#bury(handling, error.reason, error.error);
    }
    // What ended for want of time in stop() has not failed.
    if (!handling.isOurs || this.#stopping && handling.isAborted) return this.#cutShort(handling);
    const { runtime: { random }, handler } = this.#parts;
    this.#measured(handling, AegisError.is(error) ? error.code : "error");
    let outcome: EventOutcome;
    try {
      outcome = eventOutcome(handler.settings.retry, error, handling.attempt, random.next());
    } catch (fault) {
      // A policy that throws must not keep an event in hand for ever.
      return this.#bury(handling, "failed", fault);
    }
    this.#settle(handling, error, outcome);
  }

  /** Nothing is taken of the work of an instance that stops, or leads no longer: the next one has the event. */
  #cutShort(handling: Handling): void {
    if (!handling.isSuspect) return this.#giveBack(handling, 0, true);
    const { runtime: { random }, handler: { pattern, settings } } = this.#parts;
    const error = stoodStill(`The handler of ${pattern}`);
    this.#measured(handling, error.code);
    const outcome = standstillOutcome(settings.retry, handling.attempt, random.next());
    this.#settle(handling, error, outcome);
  }

  #settle(handling: Handling, error: unknown, outcome: EventOutcome): void {
    if (outcome.kind === "dead") return this.#bury(handling, "failed", error);
    handling.ended = true;
    handling.log.warn(`A handler of ${this.#parts.handler.pattern} failed; the event comes again`, {
      error,
      attempt: handling.attempt,
      delayMs: Math.round(outcome.delayMs),
    });
    handling.delivery.nak(outcome.delayMs);
    this.#leave(handling);
  }

  #measured({ begunAt }: Handling, code: string): void {
    this.#measures.failed(code, this.#parts.runtime.clock.monotonic() - begunAt);
  }

  /** Leaves aside what is for handlers of another version. */
  #passBy(handling: Handling, version: string): void {
    const { pattern, settings } = this.#parts.handler;
    handling.ended = true;
    handling.log.debug(`An event of another version passes a handler of ${pattern} by`, {
      version,
      handled: settings.version,
    });
    handling.delivery.ack();
    this.#leave(handling);
  }

  /** Makes a dead letter of an event. Only when that is stored is it taken from the stream. */
  #bury(handling: Handling, reason: DeadLetterReason, error: unknown): void {
    const { key, delivery } = handling;
    handling.ended = true;
    this.#parts.deadLetters.write(delivery, handling.attempt, reason, error).then(() => {
      this.#condemned.delete(key);
      delivery.term();
    }, () => {
      // It has failed for good, and does not run again when it comes again.
      if (this.#condemned.size < MAX_CONDEMNED) this.#condemned.set(key, { reason, error });
      delivery.nak(DEAD_LETTER_RETRY_MS);
    }).finally(() => this.#leave(handling));
  }

  /** Of one that has `begun` it stays noted, where that is, that it began and never came to an end. */
  #giveBack(handling: Handling, delayMs = 0, begun = false): void {
    handling.ended = true;
    handling.delivery.nak(delayMs);
    this.#leave(handling, begun);
  }

  #leave(handling: Handling, staysNoted = false): void {
    this.#held.delete(handling);
    const { sequence } = handling;
    if (this.#bySequence.get(sequence) === handling) this.#bySequence.delete(sequence);
    if (staysNoted) handling.turn?.leave();
    else handling.turn?.end();
    // In stop() what waits goes to others, also when a slot becomes free before it is handed back.
    if (!this.#stopping) this.#slots.passOn();
    if (!this.#stopping) this.#ask();
    if (this.#held.size > 0) return;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  #ask(): void {
    const { source, runtime } = this.#parts;
    const count = this.#prefetch.wants(this.#held.size, source.asked, runtime.clock);
    if (count > 0) source.ask(count);
  }
}
