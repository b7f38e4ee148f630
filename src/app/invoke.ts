// Invoking: one call from its options to its result, attempt by attempt, inside one deadline.

import { assertKeys, assertTimeout, show } from "../domain/check.ts";
import { AegisError, TimeoutError } from "../domain/error.ts";
import { assertHeaders, traceparentOf } from "../domain/header.ts";
import { isRecord } from "../domain/message.ts";
import {
  isSafeToRetry,
  type ResolvedRetryPolicy,
  resolveRetry,
  retryDelay,
} from "../domain/retry.ts";
import {
  assertInstanceId,
  assertMethodName,
  assertServiceName,
  rpcInstanceSubject,
  rpcSubject,
} from "../domain/subject.ts";
import { answerError, Failure, failureError } from "./answer.ts";
import type { Caller } from "./caller.ts";
import type { CallOptions, Origin } from "./context.ts";
import { Measures } from "./measures.ts";
import { type ClientMiddleware, runThrough } from "./middleware.ts";
import type { Runtime } from "./runtime.ts";

const OPTIONS = ["timeoutMs", "signal", "retry", "idempotent", "instance", "headers"];
const MAX_ROUTES = 10_000;

/** A method that is called, checked and named once. */
export interface Route {
  readonly service: string;
  readonly method: string;
  readonly subject: string;
  readonly measures: Measures;
}

/** Routes by name, made at the first call of each. */
export class Routes {
  readonly #runtime: Runtime;
  #routes = new Map<string, Map<string, Route>>();
  #size = 0;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  /** The route to a method. @throws {TypeError} when a name is none. */
  get(service: string, method: string): Route {
    return this.#routes.get(service)?.get(method) ?? this.#add(service, method);
  }

  #add(service: string, method: string): Route {
    assertServiceName(service);
    assertMethodName(method);
    if (this.#size++ >= MAX_ROUTES) {
      this.#routes = new Map();
      this.#size = 1;
    }
    const route: Route = {
      service,
      method,
      subject: rpcSubject(service, method),
      measures: new Measures(this.#runtime.metrics, "client", service, method),
    };
    const methods = this.#routes.get(service) ?? new Map<string, Route>();
    this.#routes.set(service, methods.set(method, route));
    return route;
  }
}

/** What all calls of a client, or of a handler, have in common. */
export interface Invoker {
  readonly runtime: Runtime;
  readonly caller: Caller;
  readonly middleware: readonly ClientMiddleware[];
  /** What the messages give as their source. */
  readonly source: string;
  /** The call within which these calls are made. */
  readonly origin: Origin | undefined;
}

/** A call that came to nothing because an instance that stops refused it goes to another one. */
const REFUSED: ResolvedRetryPolicy = resolveRetry({
  attempts: 5,
  initialDelayMs: 2,
  maxDelayMs: 50,
});
const NO_PARAMS = Object.freeze({});

/** Calls a method. */
export async function invoke(
  invoker: Invoker,
  route: Route,
  params: unknown = NO_PARAMS,
  options: CallOptions | undefined = undefined,
): Promise<unknown> {
  const { runtime, origin, middleware } = invoker;
  if (!isRecord(params)) {
    throw new TypeError(
      `Cannot call ${route.service}.${route.method} with ${
        show(params)
      }: parameters must be an object`,
    );
  }
  let timeoutMs = runtime.timeoutMs;
  if (options !== undefined) {
    checkOptions(options);
    timeoutMs = options.timeoutMs ?? timeoutMs;
  }
  const startedAt = runtime.clock.monotonic();
  const expiresAt = origin === undefined
    ? startedAt + timeoutMs
    : Math.min(startedAt + timeoutMs, origin.expiresAt);
  const attempt: Attempt = {
    invoker,
    route,
    options,
    startedAt,
    expiresAt,
    traceId: origin?.traceId ?? runtime.random.traceId(),
  };
  let outcome = "ok";
  const span = runtime.tracer?.start(`${route.service}/${route.method}`, {
    kind: "client",
    parent: origin?.traceparent,
    attributes: { "rpc.system": "aegis", "rpc.service": route.service, "rpc.method": route.method },
  });
  try {
    const headers = options?.headers;
    if (middleware.length === 0) {
      return await attempts(attempt, params, headers, span?.traceparent);
    }
    const { service, method } = route;
    const call = { service, method, params: params as unknown, headers: { ...headers }, timeoutMs };
    return await runThrough(middleware, call, () => {
      if (!isRecord(call.params)) throw new TypeError("A middleware made parameters no object");
      assertHeaders(call.headers);
      return attempts(attempt, call.params, call.headers, span?.traceparent);
    });
  } catch (error) {
    outcome = AegisError.is(error) ? error.code : options?.signal?.aborted ? "CANCELLED" : "error";
    span?.end(error);
    throw error;
  } finally {
    route.measures.count(outcome, runtime.clock.monotonic() - startedAt);
    if (outcome === "ok") span?.end();
  }
}

interface Attempt {
  readonly invoker: Invoker;
  readonly route: Route;
  readonly options: CallOptions | undefined;
  readonly startedAt: number;
  readonly expiresAt: number;
  readonly traceId: string;
}

async function attempts(
  { invoker, route, options, startedAt, expiresAt, traceId }: Attempt,
  params: Readonly<Record<string, unknown>>,
  headers: Readonly<Record<string, string>> | undefined,
  traceparent: string | undefined,
): Promise<unknown> {
  const { runtime, caller, origin, source } = invoker;
  const { clock, random, transport } = runtime;
  const { service, method } = route;
  const signal = options?.signal;
  const idempotent = options?.idempotent === true;
  const retry = options?.retry;
  const policy = retry === undefined || retry === false ? REFUSED : resolveRetry(retry);
  for (let attempt = 1;; attempt++) {
    signal?.throwIfAborted();
    if (expiresAt <= clock.monotonic()) {
      throw new TimeoutError(`${service}.${method} was not called: the time for it is over`);
    }
    let failure = transport.status === "connected"
      ? undefined
      : await caller.whenConnected(expiresAt, signal);
    let error: unknown;
    if (failure === undefined) {
      const outcome = await caller.send({
        subject: options?.instance === undefined
          ? route.subject
          : rpcInstanceSubject(service, method, options.instance),
        service,
        method,
        params,
        traceId,
        traceparent: traceparent ?? traceparentOf(traceId, random.spanId(), origin?.traceparent),
        expiresAt,
        signal,
        headers,
        source,
        repeatable: idempotent && retry !== false,
      });
      if (outcome instanceof Failure) failure = outcome;
      else {
        error = answerError(outcome, transport.messaging, service, method);
        if (error === undefined) return outcome.response.result;
      }
    }
    if (failure !== undefined) {
      // The connection broke between the look at it and the sending: nothing was sent, so wait for it.
      if (
        failure.kind === "away" && transport.status === "reconnecting" &&
        expiresAt > clock.monotonic()
      ) {
        if ((failure = await caller.whenConnected(expiresAt, signal)) === undefined) continue;
      }
      const away = transport.status !== "connected";
      error = failureError(failure, service, method, expiresAt - startedAt, away);
    }
    const wait = retryDelay(policy, attempt, random.next());
    if (
      attempt >= policy.attempts || clock.monotonic() + wait >= expiresAt ||
      !mayRetry(error, attempt, options, failure?.kind === "lost")
    ) throw error;
    await pause(runtime, wait, signal);
  }
}

function mayRetry(
  error: unknown,
  attempt: number,
  options: CallOptions | undefined,
  lost: boolean,
): boolean {
  const retry = options?.retry;
  if (retry === false || !isSafeToRetry(error, options?.idempotent === true)) return false;
  if (retry !== undefined) return retry.retryIf?.(error, attempt) ?? true;
  return lost || (AegisError.is(error, "SERVICE_UNAVAILABLE") && error.details.refused === true);
}

function pause(runtime: Runtime, ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      timer.cancel();
      reject(signal?.reason);
    };
    const timer = runtime.clock.setTimer(ms, () => {
      signal?.removeEventListener("abort", abort);
      resolve();
    });
    signal?.addEventListener("abort", abort, { once: true });
  });
}

function checkOptions(options: CallOptions): void {
  if (!isRecord(options)) {
    throw new TypeError(
      `Cannot use ${show(options)} as the options of a call: they must be an object`,
    );
  }
  assertKeys(options, OPTIONS, "of a call");
  const { timeoutMs, instance, headers, signal } = options as CallOptions;
  if (timeoutMs !== undefined) assertTimeout(timeoutMs, 'option "timeoutMs" of a call');
  if (instance !== undefined) assertInstanceId(instance);
  if (headers !== undefined) assertHeaders(headers);
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new TypeError(
      `Cannot use ${show(signal)} as option "signal" of a call: it must be an AbortSignal`,
    );
  }
}
