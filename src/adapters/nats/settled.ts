// Waiting with a limit, for a server that may stand still.

/** The longest time that a timer takes. */
const MAX_MS = 2 ** 31 - 1;

/** Resolves when the work has ended, well or badly, and after `ms` at the latest. */
export function settledWithin(ms: number, work: Promise<unknown>): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, Math.min(ms, MAX_MS));
    const done = (): void => {
      clearTimeout(timer);
      resolve();
    };
    work.then(done, done);
  });
}
