// One call on its way, from its sending to its answer.

import type { Expiring } from "../domain/timer_wheel.ts";
import type { Answer, Failure } from "./answer.ts";
import type { Leader } from "./elections.ts";

/** A call. It stands in the timer wheel by itself, so that a call is one object. */
export class Outgoing implements Expiring {
  wheelPrevious: Expiring | undefined = undefined;
  wheelNext: Expiring | undefined = undefined;
  /** The message's id. */
  id = "";
  /** The last token of its reply subject. */
  slot = -1;
  /** When it was sent, in monotonic milliseconds. */
  sentAt = 0;
  /** Takes what became of it. */
  resolve: ((outcome: Answer | Failure) => void) | undefined = undefined;
  onAbort: (() => void) | undefined = undefined;
  readonly subject: string;
  readonly service: string;
  readonly method: string;
  readonly source: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly traceId: string;
  readonly traceparent: string | undefined;
  /** When the time is over, in monotonic milliseconds. */
  readonly expiresAt: number;
  readonly signal: AbortSignal | undefined;
  readonly headers: Readonly<Record<string, string>> | undefined;
  /** Given up as soon as the connection breaks, since it can be sent again. */
  readonly repeatable: boolean;
  /** The leader that it goes to, where it goes to one. */
  readonly leader: Leader | undefined;

  constructor(
    route: { readonly subject: string; readonly service: string; readonly method: string },
    source: string,
    params: Readonly<Record<string, unknown>>,
    trace: { readonly id: string; readonly parent: string | undefined },
    expiresAt: number,
    options: Pick<Outgoing, "signal" | "headers" | "repeatable" | "leader">,
  ) {
    this.subject = route.subject;
    this.service = route.service;
    this.method = route.method;
    this.source = source;
    this.params = params;
    this.traceId = trace.id;
    this.traceparent = trace.parent;
    this.expiresAt = expiresAt;
    this.signal = options.signal;
    this.headers = options.headers;
    this.repeatable = options.repeatable;
    this.leader = options.leader;
  }
}
