// Elections as callers see them: a method that its leader alone serves has nobody for a moment, and calls wait for the next.

import { deferred } from "../domain/deferred.ts";
import { type AegisError, NotActiveError } from "../domain/error.ts";
import { HEADER } from "../domain/header.ts";
import { type ResolvedRetryPolicy, resolveRetry, retryDelay } from "../domain/retry.ts";
import { rpcElectedSubject, rpcElectingSubject } from "../domain/subject.ts";
import type { Message } from "../ports/messaging.ts";
import { answerError, Failure } from "./answer.ts";
import type { Job } from "./job.ts";
import { Outgoing } from "./outgoing.ts";
import type { Runtime } from "./runtime.ts";

/** The waits before a call for which there was no leader is tried again, unless the next leader makes itself known before. */
const WAITS: ResolvedRetryPolicy = resolveRetry({
  attempts: 1_000_000,
  initialDelayMs: 5,
  maxDelayMs: 100,
});
/** For how long the word of a stand-by that a leader is being elected holds, in milliseconds. */
const WORD_MS = 500;
/** How long a stand-by may take to say so, in milliseconds. */
const ASK_MS = 1_000;
/** How many services are listened to; calls of others find out by themselves that there is a leader. */
const MAX_SERVICES = 1_000;
const NO_PARAMS = Object.freeze({});

interface Elected {
  /** The methods that are known to be the leader's. */
  readonly methods: Set<string>;
  /** The calls that wait. */
  readonly waiting: Set<() => void>;
}

/** Who hears of new leaders, on one bus. */
export class Elections {
  readonly #runtime: Runtime;
  readonly #onElected: (service: string, methods: ReadonlySet<string>) => void;
  readonly #services = new Map<string, Elected>();

  /** `onElected` is told of each service that has a new leader, and which of its methods are the leader's. */
  constructor(
    runtime: Runtime,
    onElected: (service: string, methods: ReadonlySet<string>) => void,
  ) {
    this.#runtime = runtime;
    this.#onElected = onElected;
  }

  /** The first answer of a method has come: if that is the leader's, the next one is listened for from now on. */
  meet(route: { readonly service: string; readonly method: string }, answer: Message): void {
    const { messaging } = this.#runtime.transport;
    if (messaging.header(answer, HEADER.exclusive) === undefined) return;
    this.#of(route.service)?.methods.add(route.method);
  }

  /** Waits until the service has a leader, or the signal aborts, for `ms` at most. */
  async wait(
    service: string,
    method: string,
    ms: number,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const elected = this.#of(service);
    elected?.methods.add(method);
    const { promise, resolve } = deferred<void>();
    const timer = this.#runtime.clock.setTimer(ms, resolve);
    const go = (): void => resolve();
    signal?.addEventListener("abort", go);
    elected?.waiting.add(go);
    await promise;
    timer.cancel();
    signal?.removeEventListener("abort", go);
    elected?.waiting.delete(go);
  }

  #of(service: string): Elected | undefined {
    const known = this.#services.get(service);
    if (known !== undefined || this.#services.size >= MAX_SERVICES) return known;
    const elected: Elected = { methods: new Set(), waiting: new Set() };
    this.#services.set(service, elected);
    this.#runtime.transport.messaging.subscribe(rpcElectedSubject(service), {
      onMessage: () => {
        for (const hear of [...elected.waiting]) hear();
        this.#onElected(service, elected.methods);
      },
      // Without it they find out a little later.
      onError: () => {},
    });
    return elected;
  }
}

/**
 * Whether a call met nobody in the queue group, or one that stands by and has not run it; `chosen` is whom it went to, and
 * `named` whom it was for and for nobody else.
 */
export function isLeaderless(
  failure: Failure | undefined,
  error: unknown,
  chosen: string | undefined,
  named: string | undefined,
): boolean {
  if (failure !== undefined) return failure.kind === "nobody" && chosen === undefined;
  return named === undefined && NotActiveError.is(error) &&
    (error as AegisError).details.sent === false;
}

/** The waits of one call for a leader. */
export class LeaderWait {
  readonly #call: Job;
  /** What a stand-by said last, and when it was asked. */
  #said: NotActiveError | undefined;
  #askedAt = -Infinity;
  #waits = 0;

  constructor(call: Job) {
    this.#call = call;
  }

  /**
   * What the call comes to that met nobody, or one that stands by: it may go `"again"`, after a while; or there is an error;
   * or, undefined, it is not the leader's to serve, as far as anybody says.
   */
  async next(
    failure: Failure | undefined,
    error: unknown,
  ): Promise<"again" | AegisError | undefined> {
    const { invoker: { runtime, caller }, route, options, expiresAt } = this.#call;
    const { clock, random } = runtime;
    const { service, method } = route;
    const { signal, retry } = options;
    const now = clock.monotonic();
    if (failure === undefined) this.#said = error as NotActiveError;
    else if (now - this.#askedAt >= WORD_MS) {
      this.#askedAt = now;
      this.#said = await this.#ask(now);
      signal?.throwIfAborted();
    }
    if (this.#said === undefined || retry === false) return this.#said;
    const ms = retryDelay(WAITS, ++this.#waits, random.next());
    if (clock.monotonic() + ms < expiresAt) {
      await caller.elections.wait(service, method, ms, signal);
      signal?.throwIfAborted();
      if (clock.monotonic() < expiresAt) return "again";
    }
    const said = this.#said;
    const code = said.code === "ELECTING" ? said.code : "NOT_ACTIVE";
    return new NotActiveError(
      `Cannot call ${service}.${method}: ${service} had no leader to serve it, and none came within the time of the call`,
      { code, cause: said, details: { service, method, sent: false } },
    );
  }

  /** Asks whether there are instances that wait for a leader. */
  async #ask(now: number): Promise<NotActiveError | undefined> {
    const { invoker, route: { service, method }, options, traceId } = this.#call;
    const { caller, runtime: { transport }, source } = invoker;
    const to = { service, method, subject: rpcElectingSubject(service, method) };
    const trace = { id: traceId, parent: undefined };
    const expiresAt = Math.min(this.#call.expiresAt, now + ASK_MS);
    const { signal } = options;
    const question = new Outgoing(to, source, NO_PARAMS, trace, expiresAt, {
      signal,
      headers: undefined,
      repeatable: false,
    });
    const outcome = await caller.send(question, now);
    if (outcome instanceof Failure) return undefined;
    const error = answerError(outcome, transport.messaging, service, method);
    return NotActiveError.is(error) ? error : undefined;
  }
}
