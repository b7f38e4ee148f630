// The context that handlers get: what a call or an event shows of itself, and nothing of how it is kept.

import { flatCopy } from "../domain/flat.ts";
import { traceIdOf } from "../domain/header.ts";
import type { Envelope } from "../domain/envelope.ts";
import type { Logger } from "../ports/logger.ts";
import type { Call, Context, Outbound } from "./context.ts";
import type { Send } from "./command_types.ts";
import type { Publish } from "./event_types.ts";

/** What is handled, with everything that its handler may ask for. Its texts may be pieces of all that was read with it. */
export interface Handled extends Omit<Context, keyof Outbound> {
  /** What the handler sends. */
  readonly outbound: Outbound;
}

/** The context of a handler. What it may keep of it is a copy, which keeps nothing else that was read. */
export class HandlerContext implements Context {
  readonly #handled: Handled;
  #traceId: string | undefined;
  #message: Envelope | undefined;

  constructor(handled: Handled) {
    this.#handled = handled;
  }

  get signal(): AbortSignal {
    return this.#handled.signal;
  }

  get deadline(): number {
    return this.#handled.deadline;
  }

  get remainingMs(): number {
    return this.#handled.remainingMs;
  }

  get traceId(): string {
    return this.#traceId ??= flatCopy(this.#handled.traceId);
  }

  get traceparent(): string | undefined {
    const { traceparent } = this.#handled;
    // A caller may send anything under that name.
    return traceparent !== undefined && traceIdOf(traceparent) !== undefined
      ? flatCopy(traceparent)
      : undefined;
  }

  get message(): Envelope {
    if (this.#message === undefined) {
      const { message } = this.#handled;
      this.#message = {
        ...message,
        messageId: flatCopy(message.messageId),
        traceId: this.traceId,
        timestamp: flatCopy(message.timestamp),
      };
    }
    return this.#message;
  }

  get attempt(): number {
    return this.#handled.attempt;
  }

  get log(): Logger {
    return this.#handled.log;
  }

  get service(): string {
    return this.#handled.service;
  }

  get instanceId(): string {
    return this.#handled.instanceId;
  }

  get fencingToken(): number | undefined {
    return this.#handled.fencingToken;
  }

  get header(): (name: string) => string | undefined {
    const { header } = this.#handled;
    return (name) => {
      const value = header(name);
      return value === undefined ? undefined : flatCopy(value);
    };
  }

  get call(): Call {
    return this.#handled.outbound.call;
  }

  get publish(): Publish {
    return this.#handled.outbound.publish;
  }

  get send(): Send {
    return this.#handled.outbound.send;
  }
}
