// Invoking: one call from its options to its result, attempt by attempt, inside one deadline.

import { AegisError, TimeoutError } from "../domain/error.ts";
import { assertHeaders, traceIdOf } from "../domain/header.ts";
import { DEFAULT_TIMEOUT_MS } from "../domain/message.ts";
import { type ResolvedRetryPolicy, resolveRetry, retryDelay } from "../domain/retry.ts";
import { answerError, Failure, failureError } from "./answer.ts";
import { assertParams, checkCallOptions } from "./call_options.ts";
import type { CallOptions } from "./context.ts";
import type { Leader } from "./elections.ts";
import { aimOf, failed, type Invoker, type Job, mayRetry, outgoing, succeeded } from "./job.ts";
import { isLeaderless, LeaderWait } from "./leader_wait.ts";
import { runThrough } from "./middleware.ts";
import type { Timer } from "../ports/clock.ts";
import { pause } from "./pause.ts";
import type { Route } from "./routes.ts";

/** A call that came to nothing because an instance that stops refused it goes to another one. */
const REFUSED: ResolvedRetryPolicy = resolveRetry({
  attempts: 5,
  initialDelayMs: 2,
  maxDelayMs: 50,
});
/** The wait, on average, before a call that met nobody after an outage is tried again. */
const SETTLING_RETRY_MS = 100;
/**
 * The waits before a call that met nobody in a cluster is tried again, 126 ms in all. A server confirms a subscription to
 * its own client, and the others hear of it later: mostly within a few milliseconds, on a busy machine within some tens.
 */
const SPREADING_MS: readonly number[] = [2, 4, 8, 16, 32, 64];
const NO_PARAMS = Object.freeze({});
const NO_OPTIONS: CallOptions = Object.freeze({});

/** Calls a method. @throws {TypeError | RangeError} at once for options that cannot be. */
export function invoke(
  invoker: Invoker,
  route: Route,
  params: unknown = NO_PARAMS,
  options: CallOptions = NO_OPTIONS,
): Promise<unknown> {
  const { runtime, origin, middleware } = invoker;
  if (options !== NO_OPTIONS) checkCallOptions(options);
  const { timeoutMs = DEFAULT_TIMEOUT_MS } = options;
  const startedAt = runtime.clock.monotonic();
  const limit = startedAt + timeoutMs;
  const { service, method } = route;
  const span = runtime.spans?.startCall("client", service, method, origin?.traceparent);
  const job: Job = {
    invoker,
    route,
    options,
    startedAt,
    expiresAt: origin === undefined || limit < origin.expiresAt ? limit : origin.expiresAt,
    // A tracer's root span has a trace id of its own making, which the envelope then names too.
    traceId: origin?.traceId ?? (span?.traceparent && traceIdOf(span.traceparent)) ??
      runtime.random.traceId(),
    span,
  };
  return middleware.length === 0
    ? attempts(job, params, options.headers)
    : throughMiddleware(job, params, timeoutMs);
}

/** Middleware spends the time of the call, and cannot keep it from ending. */
async function throughMiddleware(job: Job, params: unknown, timeoutMs: number): Promise<unknown> {
  const { service, method } = job.route;
  const { clock } = job.invoker.runtime;
  const call = { service, method, params, headers: { ...job.options.headers }, timeoutMs };
  const result = runThrough(job.invoker.middleware, call, async () => {
    assertHeaders(call.headers);
    return await attempts(job, call.params, call.headers);
  });
  let timer: Timer | undefined;
  const over = new Promise<typeof OVER>((resolve) => {
    timer = clock.setTimer(job.expiresAt - job.startedAt, () => resolve(OVER));
  });
  try {
    let first = await Promise.race([result, over]);
    // The call itself ends at the same moment, and knows better than its middleware why.
    if (first === OVER) first = await Promise.race([result, Promise.resolve(OVER)]);
    if (first === OVER) {
      throw new TimeoutError(
        `${service}.${method} was not done within ${Math.round(timeoutMs)} ms, spent in middleware`,
      );
    }
    succeeded(job);
    return first;
  } catch (error) {
    failed(job, error);
    throw error;
  } finally {
    timer?.cancel();
    // Whatever it comes to later, nobody waits for it.
    result.catch(() => undefined);
  }
}

const OVER = Symbol("over");

/** Sends the call until it has an answer, or an error that is final. */
async function attempts(
  job: Job,
  params: unknown,
  headers: Readonly<Record<string, string>> | undefined,
): Promise<unknown> {
  const { route: { service, method }, options, startedAt, expiresAt } = job;
  const { runtime, caller, middleware } = job.invoker;
  const { clock, transport } = runtime;
  const { signal, retry } = options;
  // Middleware has taken its time before, and what it makes of this is what counts.
  const isWhole = middleware.length === 0;
  const aim = aimOf(job);
  let now = isWhole ? startedAt : clock.monotonic();
  let spreading = 0;
  let outlasted = false;
  let leaderless: LeaderWait | undefined;
  try {
    assertParams(params, service, method);
    let last: unknown;
    for (let attempt = 1;; attempt++) {
      signal?.throwIfAborted();
      if (expiresAt <= now) {
        // A wait may end late, on a busy machine: then what the call had come to before says more.
        throw last === undefined
          ? new TimeoutError(`${service}.${method} was not called: the time for it is over`)
          : new TimeoutError(`${service}.${method} was not called again: the time for it is over`, {
            cause: last,
          });
      }
      let failure: Failure | undefined;
      if (transport.status !== "connected") {
        outlasted = true;
        failure = await caller.whenConnected(expiresAt, signal);
        now = clock.monotonic();
        if (failure === undefined) signal?.throwIfAborted();
      }
      let leader: Leader | undefined;
      if (failure === undefined && options.instance === undefined) {
        let known = caller.elections.leaderOf(job.route, now);
        if (known === "ask") {
          const found = await (leaderless ??= new LeaderWait(job)).find();
          if (found instanceof AegisError) throw found;
          known = found;
          now = clock.monotonic();
          if (expiresAt <= now) continue;
        }
        leader = known;
      }
      let error: unknown;
      if (aim !== undefined && failure === undefined) {
        const taking = aim.take(now, expiresAt, leader?.instanceId);
        error = taking instanceof Promise ? await taking : taking;
        now = clock.monotonic();
      }
      if (failure === undefined && error === undefined) {
        const instance = leader?.instanceId ?? aim?.instance;
        if (leader !== undefined) caller.elections.sent(leader, now);
        const message = outgoing(job, params, headers, instance, leader);
        const outcome = await caller.send(message, now);
        if (outcome instanceof Failure) failure = outcome;
        else {
          if (leader === undefined) caller.elections.meet(job.route, outcome.message);
          else caller.elections.heard(job.route, leader, clock.monotonic());
          job.route.answered = true;
          error = answerError(outcome, transport.messaging, service, method);
          if (error === undefined) {
            aim?.settle(undefined, undefined, false, clock.monotonic());
            if (isWhole) succeeded(job);
            return outcome.result;
          }
        }
      }
      now = clock.monotonic();
      aim?.settle(failure, error, transport.status !== "connected", now);
      if (isLeaderless(failure, error, leader, aim?.instance, options.instance)) {
        leaderless ??= new LeaderWait(job);
        const next = await leaderless.next(failure, error, leader);
        now = clock.monotonic();
        if (next === "again") {
          attempt--;
          continue;
        }
        if (next !== undefined) throw next;
      }
      if (leader !== undefined && failure?.kind === "refused") {
        caller.elections.refuse(job.route);
        attempt--;
        continue;
      }
      if (failure !== undefined) {
        // The connection broke between the look at it and the sending: nothing was sent, so it waits like any other.
        if (failure.kind === "away" && transport.status === "reconnecting" && expiresAt > now) {
          outlasted = true;
          failure = await caller.whenConnected(expiresAt, signal);
          now = clock.monotonic();
          if (failure === undefined) continue;
        }
        if (failure.kind === "nobody") {
          const isSpreading = transport.server.clustered && spreading < SPREADING_MS.length;
          if (aim !== undefined && !(isSpreading && aim.isNamed)) {
            const isSettling = caller.isSettling(now);
            const isPassed = await aim.passOn(now, expiresAt, isSettling);
            now = clock.monotonic();
            if (isPassed && now < expiresAt) {
              attempt--;
              continue;
            }
          }
          // Nobody may mean not yet: the servers of a cluster hear of a service one by one, and after an outage those that
          // were there come back one by one. The first is no failure that a policy is about; nothing was delivered.
          const wait = isSpreading
            ? SPREADING_MS[spreading++]!
            : retry !== false && (outlasted || job.route.answered) && caller.isSettling(now)
            ? SETTLING_RETRY_MS * (0.5 + runtime.random.next())
            : Infinity;
          if (now + wait < expiresAt) {
            await pause(runtime, wait, signal);
            now = clock.monotonic();
            if (now < expiresAt) {
              attempt--;
              continue;
            }
          }
        }
        const away = transport.status !== "connected";
        const total = expiresAt - startedAt;
        error = failureError(failure, service, method, aim?.instance, total, away);
      }
      const policy = retry === undefined || retry === false ? REFUSED : resolveRetry(retry);
      const wait = retryDelay(policy, attempt, runtime.random.next());
      if (
        attempt >= policy.attempts || now + wait >= expiresAt ||
        !mayRetry(error, attempt, options, failure?.kind === "lost" || failure?.kind === "followed")
      ) throw error;
      last = error;
      await pause(runtime, wait, signal);
      now = clock.monotonic();
    }
  } catch (error) {
    if (isWhole) failed(job, error);
    throw error;
  }
}
