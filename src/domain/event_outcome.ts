// What becomes of an event whose handler failed: it is tried again after a while, or it is dead.

import { AegisError } from "./error.ts";
import type { DeadLetterError } from "./dead_letter.ts";
import { type ResolvedRetryPolicy, retryDelay } from "./retry.ts";
import { show } from "./check.ts";

/** What becomes of it. */
export type EventOutcome =
  | { readonly kind: "retry"; readonly delayMs: number }
  | { readonly kind: "dead" };

/** How often an event was delivered, this time included, and how often of these it was tried and not handed back before. */
export interface Delivered {
  readonly attempt: number;
  readonly tries: number;
}

/**
 * From how many deliveries on an event is a suspect. A process that ends takes along all that it had at hand, which is no
 * proof against any of it.
 */
const SUSPECT_FROM = 4;
/** How often a suspect may have begun, by itself, and never ended. */
const MAX_BEGUN = 3;

/** What becomes of an event after a delivery that failed. @throws what `retryIf` throws. */
export function eventOutcome(
  policy: ResolvedRetryPolicy,
  error: unknown,
  delivered: Delivered,
  random: number,
): EventOutcome {
  const outcome = standstillOutcome(policy, delivered, random);
  if (outcome.kind === "dead" || policy.retryIf?.(error, delivered.attempt) !== false) {
    return outcome;
  }
  return { kind: "dead" };
}

/** What becomes of an event that may have cost its leader the leadership. */
export function standstillOutcome(
  policy: ResolvedRetryPolicy,
  { attempt, tries }: Delivered,
  random: number,
): EventOutcome {
  return tries >= policy.attempts
    ? { kind: "dead" }
    : { kind: "retry", delayMs: retryDelay(policy, attempt, random) };
}

/** Whether an event was delivered so often that whoever handled it may have ended over it. */
export function isSuspect(policy: ResolvedRetryPolicy, attempt: number): boolean {
  return attempt >= SUSPECT_FROM && attempt > policy.attempts;
}

/** Whether processes have ended over a suspect that has begun so often, and not merely while they had it at hand. */
export function isGuilty(begun: number): boolean {
  return begun >= MAX_BEGUN;
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
