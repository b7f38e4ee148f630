// The subscriber: the events of one handler on one instance, fetched, run and settled.

import { REPLAY_HEADER } from "../domain/dead_letter.ts";
import { type AegisError, UnavailableError } from "../domain/error.ts";
import { isSuspect } from "../domain/event_outcome.ts";
import { Prefetch } from "../domain/prefetch.ts";
import { isThenable } from "../domain/thenable.ts";
import type { Delivery } from "../ports/stream.ts";
import { EventFailures, type FailureParts } from "./event_failures.ts";
import { Handling, type HandlingParts } from "./event_handling.ts";
import { EventRelief } from "./event_relief.ts";
import { EventSlots } from "./event_slots.ts";
import { HandBacks } from "./hand_backs.ts";
import type { Source } from "./source.ts";
import { KeepWorking } from "./keep_working.ts";
import { Measures } from "./measures.ts";
import type { EventHandler } from "./on.ts";
import { OtherVersion, runEvent, Unfit } from "./run_event.ts";
import type { Work } from "./work.ts";

/** What a subscriber is made of. */
export interface SubscriberParts extends HandlingParts, FailureParts {
  /** What all instances of the handler have in common. */
  readonly handlerId: string;
  readonly source: Source;
}

/** Handles events. */
export class Subscriber implements Work {
  readonly #parts: SubscriberParts;
  readonly #measures: Measures;
  readonly #prefetch: Prefetch;
  readonly #keeping: KeepWorking;
  readonly #held = new Set<Handling>();
  readonly #bySequence = new Map<number, Handling>();
  readonly #slots: EventSlots;
  readonly #relief: EventRelief;
  readonly #handBacks: HandBacks;
  readonly #failures: EventFailures;
  #stopping = false;
  readonly #idle: (() => void)[] = [];

  constructor(parts: SubscriberParts) {
    this.#parts = parts;
    const { runtime, service, handler, source } = parts;
    const { concurrency, ordered, ackWaitMs } = handler.settings;
    this.#slots = new EventSlots(concurrency, (handling) => this.#begin(handling));
    const ackWait = (): number => Math.min(ackWaitMs, source.ackWaitMs);
    this.#keeping = new KeepWorking(runtime.clock, ackWait, this.#held);
    this.#prefetch = new Prefetch(concurrency, ordered);
    this.#relief = new EventRelief({
      clock: runtime.clock,
      slots: this.#slots,
      mayGive: () => isShared(handler) && runtime.transport.status === "connected",
      give: (handlings) => this.#relieve(handlings),
    });
    this.#handBacks = new HandBacks(runtime, parts.notes);
    this.#measures = new Measures(runtime, "handle", { service, event: handler.pattern });
    this.#failures = new EventFailures(parts, this.#measures, (handling) => this.#leave(handling));
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
      if (handling.begunAt === -Infinity && !handling.ended) this.#handBack(handling);
    }
    this.#slots.clear();
    this.#relief.stop();
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
    this.#handBacks.flush();
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
    if (this.#stopping) return this.#handBack(handling);
    const replayedFor = handling.header(REPLAY_HEADER);
    if (replayedFor !== undefined && replayedFor !== handlerId) {
      // Somebody else had failed at it; here it was handled when it came for the first time.
      handling.ended = true;
      delivery.ack();
      return this.#leave(handling);
    }
    if (this.#failures.isCondemned(handling)) return;
    if (isSuspect(handler.settings.retry, handling.attempt)) {
      void this.#failures.suspect(handling, (one) => this.#queue(one));
    } else this.#queue(handling);
    this.#ask();
  }

  #queue(handling: Handling): void {
    this.#slots.queue(handling);
    if (this.#slots.waiting > 0) this.#relief.start();
  }

  #begin(handling: Handling): void {
    const { runtime, handler } = this.#parts;
    if (handler.settings.exclusive && !handling.mayBegin()) {
      // Whoever found that out may have given it back already.
      if (!handling.ended) this.#handBack(handling);
      return;
    }
    this.#slots.take();
    this.#relief.began();
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
      this.#failures.forget(handling);
      this.#measures.succeeded(this.#parts.runtime.clock.monotonic() - handling.begunAt);
    }
    this.#leave(handling);
  }

  #failed(handling: Handling, error: unknown): void {
    this.#slots.give();
    if (handling.ended) return this.#leave(handling);
    if (error instanceof OtherVersion) return this.#failures.passBy(handling, error);
    if (error instanceof Unfit) return this.#failures.unfit(handling, error);
    // What ended for want of time in stop() has not failed.
    if (!handling.isOurs || this.#stopping && handling.isAborted) return this.#cutShort(handling);
    this.#failures.failed(handling, error);
  }

  /** Nothing is taken of the work of an instance that stops, or leads no longer: the next one has the event. */
  #cutShort(handling: Handling): void {
    if (handling.isSuspect) return this.#failures.stoodStill(handling);
    handling.ended = true;
    handling.delivery.nak(0);
    // It stays noted, where that is, that it began and never came to an end.
    this.#leave(handling, true);
  }

  /** Hands back what has not begun, which is no attempt. */
  #handBack(handling: Handling): void {
    handling.ended = true;
    this.#handBacks.give(handling, () => {
      handling.delivery.nak(0);
      this.#leave(handling);
    });
  }

  /** Hands back what would wait too long here. */
  #relieve(handlings: readonly Handling[]): void {
    this.#prefetch.narrow();
    for (const handling of handlings) {
      handling.ended = true;
      this.#handBacks.give(handling, () => {
        // Others take it at once: said again, it would be taken from them.
        handling.delivery.giveBack(0);
        this.#leave(handling);
      });
    }
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

/** Whether other instances take what one does not: not what is for each, in order or for the leader alone. */
function isShared({ settings: { mode, ordered, exclusive } }: EventHandler): boolean {
  return mode === "compete" && !ordered && !exclusive;
}
