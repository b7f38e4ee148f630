// The caller: requests out, answers in, over one inbox and one timer for all calls of a bus.

import { AegisError } from "../domain/error.ts";
import { HEADER } from "../domain/header.ts";
import { readResponse, type RpcResponse } from "../domain/message.ts";
import { rpcCancelSubject } from "../domain/subject.ts";
import type { Expiring } from "../domain/timer_wheel.ts";
import type { Message, Subscription } from "../ports/messaging.ts";
import { type Answer, Failure } from "./answer.ts";
import { Deadlines } from "./deadlines.ts";
import { codecOf, encodeRequest, type Runtime } from "./runtime.ts";

/** One call to send. */
export interface Outgoing {
  readonly subject: string;
  readonly service: string;
  readonly method: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly traceId: string;
  readonly traceparent: string | undefined;
  /** When the time is over, in monotonic milliseconds. */
  readonly expiresAt: number;
  readonly signal: AbortSignal | undefined;
  readonly headers: Readonly<Record<string, string>> | undefined;
  readonly source: string;
  /** Given up as soon as the connection breaks, since it can be sent again. */
  readonly repeatable: boolean;
}

interface Pending extends Expiring {
  readonly id: string;
  readonly slot: number;
  readonly outgoing: Outgoing;
  readonly resolve: (outcome: Answer | Failure) => void;
  onAbort: (() => void) | undefined;
}

/** How many calls may wait for the bus to come back before further ones are refused. */
const MAX_PARKED = 10_000;

/** Sends requests and matches the answers. */
export class Caller {
  readonly #runtime: Runtime;
  readonly #pending = new Map<number, Pending>();
  readonly #deadlines: Deadlines<Pending>;
  readonly #prefix: string;
  // Reply subjects are used again: the server keeps routes of the last few hundred subjects at hand, and looks up each
  // new one the long way. A call that got no answer keeps its slot for good, so that a late answer meets nobody.
  readonly #free: number[] = [];
  #slots = 0;
  #inbox: Subscription | undefined;
  #inboxError: Error | undefined;
  #parked = new Set<() => void>();

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
    this.#prefix = `${runtime.transport.messaging.inbox}.`;
    this.#deadlines = new Deadlines(
      runtime.clock,
      (pending) => this.#end(pending, new Failure("timeout"), false),
    );
    runtime.transport.onStatus((status) => {
      if (status === "connected") this.#wake();
      else this.#broken(status === "closed");
    });
  }

  /** How many calls wait for their answers. */
  get inFlight(): number {
    return this.#pending.size;
  }

  /** Waits until the bus is there, or a failure. */
  whenConnected(expiresAt: number, signal: AbortSignal | undefined): Promise<Failure | undefined> {
    const { transport, clock } = this.#runtime;
    if (transport.status === "connected") return Promise.resolve(undefined);
    if (transport.status === "closed") return Promise.resolve(new Failure("closed"));
    if (this.#parked.size >= MAX_PARKED) return Promise.resolve(new Failure("away"));
    return new Promise((resolve) => {
      const finish = (failure?: Failure): void => {
        timer.cancel();
        this.#parked.delete(wake);
        signal?.removeEventListener("abort", abort);
        resolve(failure);
      };
      const wake = (): void =>
        finish(this.#runtime.transport.status === "closed" ? new Failure("closed") : undefined);
      const abort = (): void => finish(new Failure("aborted", signal?.reason));
      const timer = clock.setTimer(
        Math.max(0, expiresAt - clock.monotonic()),
        () => finish(new Failure("away")),
      );
      this.#parked.add(wake);
      signal?.addEventListener("abort", abort);
    });
  }

  /** Sends a request; resolves with its answer, or with the reason why there is none. */
  send(outgoing: Outgoing): Promise<Answer | Failure> {
    return new Promise((resolve) => {
      const { clock, random, codec, transport } = this.#runtime;
      const slot = this.#free.pop() ?? this.#slots++;
      const pending: Pending = {
        id: random.uuid(),
        slot,
        outgoing,
        resolve,
        onAbort: undefined,
        expiresAt: outgoing.expiresAt,
        wheelPrevious: undefined,
        wheelNext: undefined,
      };
      const remaining = outgoing.expiresAt - clock.monotonic();
      const headers: Record<string, string> = {
        [HEADER.deadline]: String(Math.ceil(clock.now() + remaining)),
      };
      if (outgoing.traceparent !== undefined) headers[HEADER.traceparent] = outgoing.traceparent;
      if (outgoing.headers !== undefined) Object.assign(headers, outgoing.headers);
      try {
        const body = encodeRequest(codec, {
          messageId: pending.id,
          traceId: outgoing.traceId,
          correlationId: null,
          timestamp: clock.timestamp(),
          source: outgoing.source,
          target: outgoing.service,
          method: outgoing.method,
          params: outgoing.params,
          timeoutMs: Math.max(1, remaining),
        });
        this.#open();
        transport.messaging.publish(outgoing.subject, body, this.#prefix + slot, headers);
      } catch (error) {
        this.#free.push(slot);
        // Away is a state to wait out; whatever else is wrong with the request is the caller's to know.
        resolve(
          new Failure(AegisError.is(error, "SERVICE_UNAVAILABLE") ? "away" : "malformed", error),
        );
        return;
      }
      this.#pending.set(slot, pending);
      this.#deadlines.add(pending);
      if (outgoing.signal !== undefined) this.#watch(pending, outgoing.signal);
    });
  }

  /** Ends every call that waits, and takes no more answers. */
  close(): void {
    this.#broken(true);
  }

  #open(): void {
    if (this.#inboxError !== undefined) throw this.#inboxError;
    this.#inbox ??= this.#runtime.transport.messaging.subscribe(`${this.#prefix}*`, {
      onMessage: (message) => this.#receive(message),
      onError: (error) => {
        this.#inboxError = error;
        for (const pending of [...this.#pending.values()]) {
          this.#end(pending, new Failure("malformed", error), false);
        }
      },
    });
  }

  #receive(message: Message): void {
    const slot = Number(message.subject.slice(this.#prefix.length));
    const pending = this.#pending.get(slot);
    if (pending === undefined) return;
    if (message.data.length === 0 && this.#runtime.transport.messaging.isNoResponders(message)) {
      this.#end(pending, new Failure("nobody"), true);
      return;
    }
    let response: RpcResponse;
    try {
      response = readResponse(
        codecOf(this.#runtime, message.data).decode(message.data),
        this.#runtime.fresh,
      );
    } catch (error) {
      this.#end(pending, new Failure("malformed", error), true);
      return;
    }
    // An answer to an earlier call that used this slot, come twice.
    if (response.correlationId !== null && response.correlationId !== pending.id) return;
    this.#end(pending, { response, message }, true);
  }

  #end(pending: Pending, outcome: Answer | Failure, answered: boolean): void {
    this.#pending.delete(pending.slot);
    this.#deadlines.remove(pending);
    if (answered) this.#free.push(pending.slot);
    if (pending.onAbort !== undefined) {
      pending.outgoing.signal?.removeEventListener("abort", pending.onAbort);
    }
    pending.resolve(outcome);
  }

  #watch(pending: Pending, signal: AbortSignal): void {
    pending.onAbort = () => {
      this.#end(pending, new Failure("aborted", signal.reason), false);
      try {
        this.#runtime.transport.messaging.publish(
          rpcCancelSubject(pending.outgoing.service),
          pending.id,
        );
      } catch {
        // While the bus is away nobody can be told; the handler stops when the deadline is over.
      }
    };
    signal.addEventListener("abort", pending.onAbort);
  }

  #broken(closed: boolean): void {
    for (const pending of [...this.#pending.values()]) {
      if (closed) this.#end(pending, new Failure("closed"), false);
      else if (pending.outgoing.repeatable) this.#end(pending, new Failure("lost"), false);
    }
    if (closed) this.#wake();
  }

  #wake(): void {
    for (const wake of [...this.#parked]) wake();
  }
}
