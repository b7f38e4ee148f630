// The waits of one call for a leader: until it is known who leads, and after it met nobody or one that stands by.

import { AegisError, NotActiveError } from "../domain/error.ts";
import { type ResolvedRetryPolicy, resolveRetry, retryDelay } from "../domain/retry.ts";
import type { Failure } from "./answer.ts";
import type { Leader } from "./elections.ts";
import type { Job } from "./job.ts";
import { pause } from "./pause.ts";

/** The waits before a call is sent again that met one that leads no longer, or has gone. */
const WAITS: ResolvedRetryPolicy = resolveRetry({
  attempts: 1_000_000,
  initialDelayMs: 5,
  maxDelayMs: 100,
});
/**
 * How long the leader has to say so where it is not known whether there is one, in milliseconds, and half of the time of the
 * call at most. It matters only where somebody listens who does not answer; where nobody does, the server says so.
 */
const FIRST_MS = 500;
/** How long those of other groups have to name a method that nobody was found for, in milliseconds. */
const OTHERS_MS = 100;

/**
 * Whether a call met nobody in the queue group or at the leader, or one that stands by and has not run it; `chosen` is whom
 * it went to, and `named` whom it was for and for nobody else.
 */
export function isLeaderless(
  failure: Failure | undefined,
  error: unknown,
  leader: Leader | undefined,
  chosen: string | undefined,
  named: string | undefined,
): boolean {
  if (failure !== undefined) {
    return failure.kind === "nobody" && (leader !== undefined || chosen === undefined);
  }
  return named === undefined && NotActiveError.is(error) && error.details.sent === false;
}

/** The waits of one call for a leader. */
export class LeaderWait {
  readonly #call: Job;
  /** What a stand-by said last. */
  #said: NotActiveError | undefined;
  /** Whether nobody stands by, as was said last. */
  #isNobody = false;
  /** Whether nobody was found in the queue group, so that it may be a leader that is missing. */
  #isSuspect = false;
  #waits = 0;

  constructor(call: Job) {
    this.#call = call;
  }

  /**
   * Whom the call goes to: a leader that says itself that it leads, or, undefined, whomever the queue group gives it to; or
   * the error that it ends with. A leader that does not say so may stand still: its successor is waited for.
   */
  async find(): Promise<Leader | AegisError | undefined> {
    const { invoker: { runtime: { clock }, caller: { elections } }, route, options, expiresAt } =
      this.#call;
    const { signal, retry } = options;
    const inquiry = elections.join(route);
    let now = clock.monotonic();
    const half = (expiresAt - now) / 2;
    const [firstEnd, othersEnd] = [now + Math.min(FIRST_MS, half), now + Math.min(OTHERS_MS, half)];
    try {
      for (;; now = clock.monotonic()) {
        const leader = elections.leaderOf(route, now, this.#isSuspect);
        this.#isNobody = inquiry.isOver;
        if (leader === undefined || this.#isNobody) return undefined;
        if (leader !== "ask" && now < expiresAt) return leader;
        // Who is silent may have it, and those who have answered and do not name it have not.
        const isLed = elections.isLed(route) || (this.#isSuspect && !inquiry.isTold);
        const isOthers = !isLed && inquiry.isTold;
        const end = isLed && retry !== false ? expiresAt : isOthers ? othersEnd : firstEnd;
        if (now >= end) {
          // Of one that is only suspected to be led nobody has said that it is.
          if (elections.isLed(route)) return this.#error("ELECTING");
          elections.setAsked(route, true);
          return undefined;
        }
        await inquiry.wait(end - now, signal);
        signal?.throwIfAborted();
      }
    } finally {
      inquiry.leave();
    }
  }

  /**
   * What the call comes to that met nobody, or one that stands by: it may go `"again"`, after a while; or there is an error;
   * or, undefined, it is not the leader's to serve, as far as anybody says.
   */
  async next(
    failure: Failure | undefined,
    error: unknown,
    leader: Leader | undefined,
  ): Promise<"again" | AegisError | undefined> {
    const { invoker: { runtime, caller: { elections } }, route, options, expiresAt } = this.#call;
    const { signal, retry } = options;
    if (leader !== undefined) elections.forget(leader);
    if (failure === undefined) {
      this.#said = error as NotActiveError;
      if (retry === false) return this.#said;
    } else if (leader === undefined) {
      elections.setAsked(route, false);
      if (this.#isNobody) return undefined;
      this.#isSuspect = true;
      const found = await this.find();
      if (found instanceof AegisError) return found;
      if (found !== undefined) return "again";
      if (this.#isNobody || !elections.isLed(route)) return undefined;
      if (retry === false) return this.#error("ELECTING");
    }
    const ms = retryDelay(WAITS, ++this.#waits, runtime.random.next());
    const { clock } = runtime;
    if (clock.monotonic() + ms < expiresAt) {
      await pause(runtime, ms, signal);
      // A wait may end late, on a busy machine.
      if (clock.monotonic() < expiresAt) return "again";
    }
    return this.#error(this.#said?.code === "NOT_ACTIVE" ? "NOT_ACTIVE" : "ELECTING");
  }

  #error(code: "NOT_ACTIVE" | "ELECTING"): NotActiveError {
    const { route: { service, method } } = this.#call;
    return new NotActiveError(
      `Cannot call ${service}.${method}: ${service} had no leader to serve it, and none came within the time of the call`,
      { code, cause: this.#said, details: { service, method, sent: false } },
    );
  }
}
