// One call that is being handled: its context, its deadline and its place in the queue.

import { HEADER } from "../domain/header.ts";
import type { Envelope } from "../domain/envelope.ts";
import type { RpcRequest } from "../domain/message.ts";
import type { Expiring } from "../domain/timer_wheel.ts";
import type { Logger } from "../ports/logger.ts";
import type { Codec } from "../ports/codec.ts";
import type { Message } from "../ports/messaging.ts";
import type { Origin, Outbound } from "./context.ts";
import type { Handled } from "./handler_context.ts";
import type { Waiter } from "./limiter.ts";
import type { Method } from "./method.ts";
import type { Responder } from "./responder.ts";
import { watched } from "./watched_signal.ts";

/** A call from its arrival to the end of its handler. Much of it is made only when the handler asks for it. */
export class Invocation implements Expiring, Waiter, Origin, Handled {
  expiresAt: number;
  wheelPrevious: Expiring | undefined = undefined;
  wheelNext: Expiring | undefined = undefined;
  /** Whether it was answered, or nobody waits for an answer any more. */
  ended = false;
  /** Whether its turn has come, and what runs handlers has it. */
  begun = false;
  /** Whether it was refused in its turn: its parameters are not valid, or they were checked for too long. */
  refused = false;
  /** Whether it has a turn at its method's limiter to give back. */
  holdsTurn = false;
  /** That of the leadership in which it began, where the leader alone serves it. */
  token: number | undefined = undefined;
  readonly method: Method;
  readonly request: RpcRequest;
  readonly codec: Codec;
  readonly reply: string | undefined;
  readonly startedAt: number;
  readonly #responder: Responder;
  readonly #raw: Message;
  #controller: AbortController | undefined = undefined;
  #abortReason: unknown = undefined;
  #outbound: Outbound | undefined = undefined;
  #log: Logger | undefined = undefined;

  constructor(
    responder: Responder,
    method: Method,
    request: RpcRequest,
    codec: Codec,
    raw: Message,
    startedAt: number,
    expiresAt: number,
  ) {
    this.#responder = responder;
    this.method = method;
    this.request = request;
    this.codec = codec;
    this.#raw = raw;
    this.reply = raw.reply;
    this.startedAt = startedAt;
    this.expiresAt = expiresAt;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.token !== undefined) {
        watched(this.#controller.signal, () => void this.#responder.leading?.token);
      }
      if (this.#abortReason !== undefined) this.#controller.abort(this.#abortReason);
    }
    return this.#controller.signal;
  }

  get fencingToken(): number | undefined {
    return this.token ?? this.#responder.leading?.token;
  }

  get deadline(): number {
    const { clock } = this.#responder.runtime;
    return clock.now() + (this.expiresAt - clock.monotonic());
  }

  get remainingMs(): number {
    return Math.max(0, this.expiresAt - this.#responder.runtime.clock.monotonic());
  }

  get traceId(): string {
    return this.request.traceId;
  }

  /** The `traceparent` of the span that the handler runs in, where there is tracing. */
  span: string | undefined = undefined;

  get traceparent(): string | undefined {
    return this.span ?? this.header(HEADER.traceparent);
  }

  get message(): Envelope {
    return this.request;
  }

  get attempt(): number {
    return 1;
  }

  get service(): string {
    return this.#responder.service;
  }

  get instanceId(): string {
    return this.#responder.instanceId;
  }

  get log(): Logger {
    return this.#log ??= this.#responder.runtime.logger.with({
      service: this.service,
      instance: this.instanceId,
      method: this.method.name,
      trace: this.traceId,
    });
  }

  get messageId(): string {
    return this.request.messageId;
  }

  get outbound(): Outbound {
    return this.#outbound ??= this.#responder.outboundFrom(this);
  }

  /** A function of its own, so that it can be taken out of the context. */
  get header(): (name: string) => string | undefined {
    return (name) => this.#responder.runtime.transport.messaging.header(this.#raw, name);
  }

  /** Tells the handler that nobody waits for it any more. */
  abort(reason: unknown): void {
    this.#abortReason = reason;
    this.#controller?.abort(reason);
  }

  /** Runs it, now that its turn has come. */
  begin(): void {
    this.#responder.begin(this);
  }
}
