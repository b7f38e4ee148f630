// Pauses: waiting for a while, or for something, unless a signal ends it.

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

/** What a promise comes to, unless a signal aborts before: then it rejects with its reason. */
export async function unless<T>(signal: AbortSignal | undefined, work: PromiseLike<T>): Promise<T> {
  if (signal === undefined) return await work;
  let abort = (): void => {};
  const aborted = new Promise<never>((_resolve, reject) => {
    abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/** What work comes to that begins unless a signal has aborted. When that aborts later it goes on, and nobody waits for it. */
export async function unlessAborted<T>(
  signal: AbortSignal | undefined,
  begin: () => PromiseLike<T>,
): Promise<T> {
  signal?.throwIfAborted();
  return await unless(signal, begin());
}
