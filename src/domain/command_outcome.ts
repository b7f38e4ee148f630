// What becomes of a command whose attempt failed or was cut short: it is tried again after a while, or it has failed.

import { isFinalError } from "./command_error.ts";
import type { CommandRecord } from "./command_record.ts";
import { type ResolvedRetryPolicy, retryDelay } from "./retry.ts";

/** What becomes of it. */
export type CommandOutcome =
  | { readonly kind: "retry"; readonly delayMs: number }
  | { readonly kind: "failed" };

const HANDOVER = Object.freeze({ kind: "handover" });
const FAILED: CommandOutcome = Object.freeze({ kind: "failed" });
/**
 * How many attempts may be cut short by their instances and not count. An instance may be stopped or cut off for no fault of
 * a command; one that is the cause of it must not go from one to the next for ever.
 */
const MAX_HANDOVERS = 10;

/**
 * What becomes of a command after failed attempt number `attempt`: it has as many as its sender allows, and its handler.
 *
 * @throws what `retryIf` throws.
 */
export function commandOutcome(
  policy: ResolvedRetryPolicy,
  error: unknown,
  attempt: number,
  maxRetries: number,
  random: number,
): CommandOutcome {
  if (isFinalError(error) || attempt > maxRetries || attempt >= policy.attempts) return FAILED;
  if (policy.retryIf?.(error, attempt) === false) return FAILED;
  return { kind: "retry", delayMs: retryDelay(policy, attempt, random) };
}

/**
 * What becomes of a command whose attempt its instance has cut short, since it stops or leads no longer: another one begins
 * it at once, and the attempt does not count (`handover`), unless the command `isSuspect`, or that has been so too often.
 */
export function handoverOutcome(
  policy: ResolvedRetryPolicy,
  { attempts, handovers, maxRetries }: Pick<
    CommandRecord,
    "attempts" | "handovers" | "maxRetries"
  >,
  isSuspect: boolean,
  random: number,
): CommandOutcome | { readonly kind: "handover" } {
  if (!isSuspect && handovers < MAX_HANDOVERS) return HANDOVER;
  if (attempts > maxRetries || attempts >= policy.attempts) return FAILED;
  return { kind: "retry", delayMs: retryDelay(policy, attempts, random) };
}
