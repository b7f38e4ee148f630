// The job: one call, whatever number of attempts it takes, and what they have in common.

import { AegisError } from "../domain/error.ts";
import { HEADER, newTraceparent, traceIdOf, traceparentOf } from "../domain/header.ts";
import { isSafeToRetry } from "../domain/retry.ts";
import { rpcInstanceSubject, rpcLedSubject } from "../domain/subject.ts";
import { Aim, type Peers } from "./aim.ts";
import type { Caller } from "./caller.ts";
import type { Circuits } from "./circuits.ts";
import type { CallOptions, Origin } from "./context.ts";
import type { Leader } from "./elections.ts";
import type { ClientMiddleware } from "./middleware.ts";
import { Outgoing } from "./outgoing.ts";
import type { Route } from "./routes.ts";
import type { Runtime } from "./runtime.ts";
import type { CallSpan } from "./spans.ts";

/** What all calls of a client, or of a handler, have in common. */
export interface Invoker {
  readonly runtime: Runtime;
  readonly caller: Caller;
  readonly middleware: readonly ClientMiddleware[];
  /** What the messages give as their source. */
  readonly source: string;
  /** The call within which these calls are made. */
  readonly origin: Origin | undefined;
  /** Who is there; undefined where there is no registry to be had. */
  readonly peers: Peers | undefined;
  /** What keeps calls from what fails; undefined where nobody asked for it. */
  readonly circuits: Circuits | undefined;
}

/** One call, whatever number of attempts it takes. */
export interface Job {
  readonly invoker: Invoker;
  readonly route: Route;
  readonly options: CallOptions;
  readonly startedAt: number;
  readonly expiresAt: number;
  readonly traceId: string;
  readonly span: CallSpan | undefined;
}

/** The aim of its attempts; undefined where each goes to whomever the queue group gives it to. */
export function aimOf({ invoker, route, options }: Job): Aim | undefined {
  const { runtime, peers } = invoker;
  const circuits = options.circuit === false ? undefined : invoker.circuits;
  return options.select === undefined && options.instance === undefined && circuits === undefined
    ? undefined
    : new Aim({ runtime, route, peers, circuits, options });
}

/** Counts a call that gave a result, once, and ends its span. */
export function succeeded({ invoker, route, startedAt, span }: Job): void {
  route.measures.succeeded(invoker.runtime.clock.monotonic() - startedAt);
  span?.end();
}

/** Counts a call that failed, once, and ends its span. */
export function failed({ invoker, route, startedAt, span, options }: Job, error: unknown): void {
  const outcome = AegisError.is(error)
    ? error.code
    : options.signal?.aborted
    ? "CANCELLED"
    : "error";
  route.measures.failed(outcome, invoker.runtime.clock.monotonic() - startedAt);
  span?.end(error);
}

/** The message of one attempt, for the leader or for `instance` alone where there is one. */
export function outgoing(
  { invoker, route, options, expiresAt, traceId, span }: Job,
  params: Readonly<Record<string, unknown>>,
  headers: Readonly<Record<string, string>> | undefined,
  instance: string | undefined,
  leader: Leader | undefined,
): Outgoing {
  const { runtime, origin, source } = invoker;
  const { signal, idempotent, retry } = options;
  const { service, method } = route;
  const repeatable = idempotent === true && retry !== false;
  const to = leader !== undefined
    ? { service, method, subject: rpcLedSubject(service, method, leader) }
    : instance === undefined
    ? route
    : { service, method, subject: rpcInstanceSubject(service, method, instance) };
  const given = headers?.[HEADER.traceparent];
  if (given !== undefined) {
    // The caller goes on in a trace from elsewhere: the envelope names the same one.
    const trace = { id: traceIdOf(given) ?? traceId, parent: given };
    return new Outgoing(to, source, params, trace, expiresAt, {
      signal,
      headers,
      repeatable,
      leader,
    });
  }
  const spanId = runtime.random.spanId();
  const parent = span?.traceparent ??
    (origin === undefined
      ? newTraceparent(traceId, spanId)
      : traceparentOf(traceId, spanId, origin.traceparent));
  return new Outgoing(to, source, params, { id: traceId, parent }, expiresAt, {
    signal,
    headers,
    repeatable,
    leader,
  });
}

/** Whether an attempt that came to this may be followed by another one. `lost` is for one that was on its way as its connection broke, or its leader was followed. */
export function mayRetry(
  error: unknown,
  attempt: number,
  { retry, idempotent }: CallOptions,
  lost: boolean,
): boolean {
  if (retry === false || !isSafeToRetry(error, idempotent === true)) return false;
  if (retry !== undefined) return retry.retryIf?.(error, attempt) ?? true;
  return lost || (AegisError.is(error, "SERVICE_UNAVAILABLE") && error.details.refused === true);
}
