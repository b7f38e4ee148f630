// What becomes of an event whose handler failed: it is tried again after a while, or it is dead.

import { AegisError } from "./error.ts";
import type { DeadLetterError } from "./dead_letter.ts";
import { type ResolvedRetryPolicy, retryDelay } from "./retry.ts";
import { show } from "./check.ts";

/** What becomes of it. */
export type EventOutcome =
  | { readonly kind: "retry"; readonly delayMs: number }
  | { readonly kind: "dead" };

/**
 * How many deliveries may end without a word beyond the attempts of the policy. A process that ends takes along what it
 * only had at hand: that is no proof against an event, but process after process is.
 */
const SILENT_ENDS = 5;

/** What becomes of an event after failed delivery number `attempt`. @throws what `retryIf` throws. */
export function eventOutcome(
  policy: ResolvedRetryPolicy,
  error: unknown,
  attempt: number,
  random: number,
): EventOutcome {
  if (attempt >= policy.attempts) return { kind: "dead" };
  if (policy.retryIf?.(error, attempt) === false) return { kind: "dead" };
  return { kind: "retry", delayMs: retryDelay(policy, attempt, random) };
}

/** Whether an event was delivered so often that whoever handled it must have ended over it. */
export function hasCrashed(policy: ResolvedRetryPolicy, attempt: number): boolean {
  return attempt > policy.attempts + SILENT_ENDS;
}

/** An error as it is kept with a dead letter. */
export function deadLetterError(error: unknown): DeadLetterError {
  if (!(error instanceof Error)) {
    return { code: "UNKNOWN", message: textOf(error) };
  }
  const { issues } = error as { readonly issues?: unknown };
  return {
    code: textOf(AegisError.is(error) ? error.code : error.name),
    message: textOf(error.message),
    ...(Array.isArray(issues) && issues.length > 0 ? { issues } : {}),
  };
}

/** Text as it is: what is thrown in JavaScript may hold anything, and must not keep a dead letter from being written. */
function textOf(value: unknown): string {
  return typeof value === "string" ? value : show(value);
}
