// What becomes of a command whose attempt failed: it is tried again after a while, or it has failed.

import { isFinalError } from "./command_error.ts";
import { type ResolvedRetryPolicy, retryDelay } from "./retry.ts";

/** What becomes of it. */
export type CommandOutcome =
  | { readonly kind: "retry"; readonly delayMs: number }
  | { readonly kind: "failed" };

const FAILED: CommandOutcome = Object.freeze({ kind: "failed" });

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
