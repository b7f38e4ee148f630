// The context that handlers get: what an invocation shows of itself, and nothing of how it is kept.

import { traceIdOf } from "../domain/header.ts";
import type { Envelope } from "../domain/message.ts";
import type { Logger } from "../ports/logger.ts";
import type { Call, Context } from "./context.ts";
import type { Invocation } from "./invocation.ts";

/** The context of one invocation. */
export class HandlerContext implements Context {
  readonly #invocation: Invocation;

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
    return this.#invocation.traceId;
  }

  get traceparent(): string | undefined {
    const { traceparent } = this.#invocation;
    // A caller may send anything under that name.
    return traceparent !== undefined && traceIdOf(traceparent) !== undefined
      ? traceparent
      : undefined;
  }

  get message(): Envelope {
    return this.#invocation.message;
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
    return this.#invocation.header;
  }

  get call(): Call {
    return this.#invocation.call;
  }
}
