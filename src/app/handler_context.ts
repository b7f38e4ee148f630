// The context that handlers get: what an invocation shows of itself, and nothing of how it is kept.

import { flatCopy } from "../domain/flat.ts";
import { traceIdOf } from "../domain/header.ts";
import type { Envelope } from "../domain/envelope.ts";
import type { Logger } from "../ports/logger.ts";
import type { Call, Context } from "./context.ts";
import type { Invocation } from "./invocation.ts";

/** The context of one invocation. What a handler may keep of it is a copy, which keeps nothing else that was read. */
export class HandlerContext implements Context {
  readonly #invocation: Invocation;
  #traceId: string | undefined;
  #message: Envelope | undefined;

  constructor(invocation: Invocation) {
    this.#invocation = invocation;
  }

  get signal(): AbortSignal {
    return this.#invocation.signal;
  }

  get deadline(): number {
    return this.#invocation.deadline;
  }

  get remainingMs(): number {
    return this.#invocation.remainingMs;
  }

  get traceId(): string {
    return this.#traceId ??= flatCopy(this.#invocation.traceId);
  }

  get traceparent(): string | undefined {
    const { traceparent } = this.#invocation;
    // A caller may send anything under that name.
    return traceparent !== undefined && traceIdOf(traceparent) !== undefined
      ? flatCopy(traceparent)
      : undefined;
  }

  get message(): Envelope {
    if (this.#message === undefined) {
      const { message } = this.#invocation;
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
    return this.#invocation.attempt;
  }

  get log(): Logger {
    return this.#invocation.log;
  }

  get service(): string {
    return this.#invocation.service;
  }

  get instanceId(): string {
    return this.#invocation.instanceId;
  }

  get header(): (name: string) => string | undefined {
    const { header } = this.#invocation;
    return (name) => {
      const value = header(name);
      return value === undefined ? undefined : flatCopy(value);
    };
  }

  get call(): Call {
    return this.#invocation.call;
  }
}
