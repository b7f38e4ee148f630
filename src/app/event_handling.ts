// One event in the hands of an instance: from its delivery to its acknowledgement.

import type { Envelope } from "../domain/envelope.ts";
import type { EventMessage } from "../domain/event.ts";
import { HEADER } from "../domain/header.ts";
import type { Logger } from "../ports/logger.ts";
import type { Delivery } from "../ports/stream.ts";
import type { Origin, Outbound } from "./context.ts";
import type { Handled } from "./handler_context.ts";
import type { Leading } from "./leading.ts";
import type { Runtime } from "./runtime.ts";
import type { Turn } from "./suspects.ts";
import { watched } from "./watched_signal.ts";

/** What all events of one handler have in common. */
export interface HandlingParts {
  readonly runtime: Runtime;
  readonly service: string;
  readonly instanceId: string;
  readonly outboundFrom: (origin: Origin) => Outbound;
  /** Who knows whether this instance leads, of a service with one active instance. */
  readonly leading: Leading | undefined;
}

/** An event in hand. */
export class Handling implements Origin, Handled {
  /** Its latest delivery, which has its words. */
  delivery: Delivery;
  readonly attempt: number;
  /** How many of its deliveries were handed back before its handler began, where that was asked. */
  handedBack = 0;
  readonly sequence: number;
  readonly arrivedAt: number;
  /** When the broker last heard of it, in monotonic milliseconds. */
  wordAt: number;
  /** When its handler began, in monotonic milliseconds; -Infinity before. */
  begunAt: number = -Infinity;
  /** Whether it is settled, or being made a dead letter: what its handler gives later is dropped. */
  ended = false;
  /** Its turn among its like, where a process may have ended over it. */
  turn: Turn | undefined = undefined;
  /** The event; set before its handler begins. */
  event: EventMessage | undefined = undefined;
  /** The `traceparent` of the span that its handler runs in, where there is tracing. */
  span: string | undefined = undefined;
  /** That of the leadership in which it began, where the leader alone handles it. */
  #fencingToken: number | undefined = undefined;
  readonly #parts: HandlingParts;
  #controller: AbortController | undefined = undefined;
  #abortReason: unknown = undefined;
  #outbound: Outbound | undefined = undefined;
  #log: Logger | undefined = undefined;

  constructor(parts: HandlingParts, delivery: Delivery, now: number) {
    this.#parts = parts;
    this.delivery = delivery;
    this.attempt = delivery.attempt;
    this.sequence = delivery.sequence;
    this.arrivedAt = now;
    this.wordAt = now;
  }

  /** What tells it from every other event of its handler, also from those of a stream that was removed and made again. */
  get key(): string {
    return `${this.sequence}:${this.delivery.storedAt}`;
  }

  /** How many attempts it has had, this one included, as far as is known: deliveries that were not handed back. */
  get tries(): number {
    return this.attempt - this.handedBack;
  }

  get service(): string {
    return this.#parts.service;
  }

  get instanceId(): string {
    return this.#parts.instanceId;
  }

  get fencingToken(): number | undefined {
    return this.#fencingToken ?? this.#parts.leading?.token;
  }

  /** It came here again: nobody else has it, and nobody else is to. */
  cameAgain(delivery: Delivery, now: number): void {
    this.delivery = delivery;
    this.wordAt = now;
    delivery.working();
  }

  /** Whether it may begin here, where the leader alone handles it. */
  mayBegin(): boolean {
    this.#fencingToken = this.#parts.leading?.token;
    return this.#fencingToken !== undefined;
  }

  /** Whether what its handler came to is taken: of what the leader alone handles, while it is the leader that it began by. */
  get isOurs(): boolean {
    return this.#fencingToken === undefined || this.#parts.leading?.token !== undefined;
  }

  /** Whether it lost its leadership as this process stood still, of which it may be the cause. */
  get isSuspect(): boolean {
    return this.#fencingToken !== undefined && this.#parts.leading?.stoodStill === true;
  }

  get expiresAt(): number {
    return Infinity;
  }

  get deadline(): number {
    return Infinity;
  }

  get remainingMs(): number {
    return Infinity;
  }

  get message(): Envelope {
    return this.event!;
  }

  get traceId(): string {
    return this.event!.traceId;
  }

  get messageId(): string {
    return this.event!.messageId;
  }

  get traceparent(): string | undefined {
    return this.span ?? this.header(HEADER.traceparent);
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#fencingToken !== undefined) {
        watched(this.#controller.signal, () => void this.#parts.leading?.token);
      }
      if (this.#abortReason !== undefined) this.#controller.abort(this.#abortReason);
    }
    return this.#controller.signal;
  }

  /** Whether its handler was told that it is waited for no longer. */
  get isAborted(): boolean {
    return this.#abortReason !== undefined;
  }

  get log(): Logger {
    return this.#log ??= this.#parts.runtime.logger.with({
      service: this.service,
      instance: this.instanceId,
      event: `${this.event!.domain}.${this.event!.eventType}`,
      trace: this.traceId,
    });
  }

  get outbound(): Outbound {
    return this.#outbound ??= this.#parts.outboundFrom(this);
  }

  /** A header by its exact name; a function of its own, so that it can be taken out of the context. */
  get header(): (name: string) => string | undefined {
    return (name) => this.#parts.runtime.transport.messaging.header(this.delivery.message, name);
  }

  /** Tells the handler that it is waited for no longer. */
  abort(reason: unknown): void {
    this.#abortReason = reason;
    this.#controller?.abort(reason);
  }
}
