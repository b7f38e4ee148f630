// Thenables: values that are to be waited for.

/** Whether a value is to be waited for. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  // A function may be a thenable too, as the builders of some query libraries are.
  return (typeof value === "object" ? value !== null : typeof value === "function") &&
    typeof (value as { then?: unknown }).then === "function";
}
