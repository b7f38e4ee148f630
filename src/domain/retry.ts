// Retries: how often, how soon, and of what.

import { AegisError } from "./error.ts";
import { show } from "./check.ts";
import { suggest } from "./suggest.ts";

/** How something that failed is tried again; the same shape everywhere. */
export interface RetryPolicy {
  /** How often it is tried in all, the first time included. @default {3} */
  readonly attempts?: number;
  /** The wait before the second attempt, in milliseconds. @default {20} */
  readonly initialDelayMs?: number;
  /** The longest wait, in milliseconds. @default {1000} */
  readonly maxDelayMs?: number;
  /** By what the wait grows from attempt to attempt. @default {2} */
  readonly factor?: number;
  /** The share of each wait that is left to chance, 0 to 1, so that callers do not come back all at once. @default {0.5} */
  readonly jitter?: number;
  /** Whether to try again after this error. `attempt` counts from 1. It can only narrow what is safe to repeat. */
  readonly retryIf?: (error: unknown, attempt: number) => boolean;
}

/** A policy with every field decided. */
export type ResolvedRetryPolicy =
  & Required<Omit<RetryPolicy, "retryIf">>
  & Pick<RetryPolicy, "retryIf">;

const LIMITS = {
  attempts: [1, 1_000_000],
  initialDelayMs: [0, 86_400_000],
  maxDelayMs: [0, 86_400_000],
  factor: [1, 100],
  jitter: [0, 1],
} as const;

/**
 * The policy with its defaults filled in: `defaults`, and where those say nothing the ones of {@linkcode RetryPolicy}.
 *
 * @throws {TypeError} for a field that is none or of the wrong kind, {RangeError} for a number out of range.
 */
export function resolveRetry(
  policy: RetryPolicy,
  defaults: RetryPolicy = {},
): ResolvedRetryPolicy {
  if (typeof policy !== "object" || policy === null || Array.isArray(policy)) {
    throw new TypeError(
      `Cannot use ${
        show(policy)
      } as "retry": it must be a policy, such as { attempts: 3 }, or false`,
    );
  }
  for (const [key, value] of Object.entries(policy)) {
    if (value === undefined) continue;
    if (key === "retryIf") {
      if (typeof value !== "function") {
        throw new TypeError(`Cannot use ${show(value)} as "retry.retryIf": it must be a function`);
      }
      continue;
    }
    const limits = LIMITS[key as keyof typeof LIMITS];
    if (limits === undefined) {
      throw new TypeError(
        `Cannot use "retry.${key}": there is no such option; ${
          suggest(key, [...Object.keys(LIMITS), "retryIf"])
        }`,
      );
    }
    const number = value as unknown;
    if (typeof number !== "number" || !(number >= limits[0] && number <= limits[1])) {
      throw new RangeError(
        `Cannot use ${show(number)} as "retry.${key}": it must be a number from ${limits[0]} to ${
          limits[1]
        }`,
      );
    }
  }
  const given = Object.entries(policy).filter(([, value]) => value !== undefined);
  const all: RetryPolicy = { ...defaults, ...Object.fromEntries(given) };
  const { attempts = 3, initialDelayMs = 20, maxDelayMs = 1_000, factor = 2, jitter = 0.5 } = all;
  if (!Number.isInteger(attempts)) {
    throw new RangeError(`Cannot use ${attempts} as "retry.attempts": it must be a whole number`);
  }
  return {
    attempts,
    initialDelayMs,
    maxDelayMs,
    factor,
    jitter,
    ...(all.retryIf === undefined ? {} : { retryIf: all.retryIf }),
  };
}

/** The wait after failed attempt number `attempt` (from 1), in milliseconds. `random` is 0 ≤ n < 1. */
export function retryDelay(policy: ResolvedRetryPolicy, attempt: number, random: number): number {
  // After a thousand attempts the power is infinite, and no wait times infinity is no number.
  const grown = policy.initialDelayMs * policy.factor ** (attempt - 1) || 0;
  const full = Math.min(policy.maxDelayMs, grown);
  return full * (1 - policy.jitter * random);
}

/**
 * Whether a failed call may be made again without the risk of running it twice: it was never delivered, or was
 * refused before it ran, or it may run twice (`idempotent`).
 */
export function isSafeToRetry(error: unknown, idempotent: boolean): boolean {
  if (!AegisError.is(error)) return false;
  const repeatable = idempotent || error.details.idempotent === true;
  switch (error.code) {
    case "SERVICE_UNAVAILABLE":
    case "BUSY":
    case "NOT_ACTIVE":
    case "ELECTING":
      // A handler may have run and have thrown such an error of another service that it called.
      return repeatable || error.details.sent !== true;
    case "INTERNAL_ERROR":
    case "TIMEOUT":
      return repeatable;
    default:
      return false;
  }
}
