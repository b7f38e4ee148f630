// Patience: what a server cannot do at the moment, for it elects a leader or has just started, is asked for again.

import { AegisError } from "../domain/error.ts";
import { type ResolvedRetryPolicy, resolveRetry, retryDelay } from "../domain/retry.ts";
import { pause } from "./pause.ts";
import type { Runtime } from "./runtime.ts";

/** How long it is asked for, in milliseconds, beyond the first time. */
const PATIENCE_MS = 10_000;
const AGAIN: ResolvedRetryPolicy = resolveRetry({
  attempts: 1_000_000,
  initialDelayMs: 50,
  maxDelayMs: 1_000,
});

/**
 * What the work comes to, which is done again as long as the server is there and says that it cannot do it now: by an error
 * with one of `codes`.
 */
export async function patiently<T>(
  runtime: Runtime,
  work: () => Promise<T>,
  codes: readonly string[] = ["SERVICE_UNAVAILABLE"],
): Promise<T> {
  const { clock, random, transport } = runtime;
  const end = clock.monotonic() + PATIENCE_MS;
  for (let attempt = 1;; attempt++) {
    try {
      return await work();
    } catch (error) {
      const wait = retryDelay(AGAIN, attempt, random.next());
      if (
        !AegisError.is(error) || !codes.includes(error.code) || transport.status !== "connected" ||
        clock.monotonic() + wait > end
      ) throw error;
      await pause(runtime, wait);
    }
  }
}
