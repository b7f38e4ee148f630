// Watched signals: looked after before they answer, for a handler that asks sooner than any timer can tell it something.

/**
 * Has a signal looked after before whoever asks it: a handler that goes on after a standstill of its process may do so
 * before the timer that would have told it that its lease is over.
 */
export function watched(signal: AbortSignal, look: () => void): void {
  const { throwIfAborted } = signal;
  const getter = (name: "aborted" | "reason") => {
    const get = Object.getOwnPropertyDescriptor(AbortSignal.prototype, name)!.get!;
    return {
      get: () => {
        look();
        return get.call(signal);
      },
    };
  };
  Object.defineProperties(signal, {
    aborted: getter("aborted"),
    reason: getter("reason"),
    throwIfAborted: {
      value: () => {
        look();
        throwIfAborted.call(signal);
      },
    },
  });
}
