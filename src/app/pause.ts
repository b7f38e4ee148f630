// Pauses: waiting for a while, unless a signal ends it.

import type { Runtime } from "./runtime.ts";

/** Resolves after `ms`. Rejects with the signal's reason when that aborts before. */
export function pause(
  { clock }: Pick<Runtime, "clock">,
  ms: number,
  signal?: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      timer.cancel();
      reject(signal?.reason);
    };
    const timer = clock.setTimer(ms, () => {
      signal?.removeEventListener("abort", abort);
      resolve();
    });
    signal?.addEventListener("abort", abort, { once: true });
  });
}
