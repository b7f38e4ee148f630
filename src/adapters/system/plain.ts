// Any value as one that JSON can write: what a log line needs, since logging must not fail.

/** How deep a value is followed. Deeper parts are named, not written. */
const DEEPEST = 8;

/**
 * A copy of `value` that `JSON.stringify` takes: errors as `{ name, code, message, stack, cause }`, `bigint` as its
 * digits, a cycle as `"[Circular]"`, and what cannot be read as a note that says so.
 */
export function plain(value: unknown): unknown {
  return copied(value, []);
}

/** `value`, or what it becomes where it is an error; for loggers that write everything else well themselves. */
export function plainError(value: unknown): unknown {
  return value instanceof Error ? plain(value) : value;
}

function copied(value: unknown, above: readonly object[]): unknown {
  if (typeof value !== "object" || value === null) return scalar(value);
  if (above.includes(value)) return "[Circular]";
  if (above.length >= DEEPEST) return Array.isArray(value) ? "[Array]" : "[Object]";
  try {
    return contents(value, [...above, value]);
  } catch (error) {
    // A getter, a proxy or a toJSON of somebody else's threw.
    return `[Unreadable: ${error instanceof Error ? error.message : "it throws"}]`;
  }
}

function scalar(value: unknown): unknown {
  switch (typeof value) {
    case "number":
      // JSON would write null for NaN and the infinities, which in a log hides what went wrong.
      return Number.isFinite(value) ? value : String(value);
    case "bigint":
    case "symbol":
      return String(value);
    case "function":
      return `[Function ${value.name}]`;
    default:
      return value;
  }
}

function contents(value: object, above: readonly object[]): unknown {
  if (value instanceof Error) return errorContents(value, above);
  if (Array.isArray(value)) return value.map((item) => copied(item, above));
  if (ArrayBuffer.isView(value)) return `[${value.constructor.name} of ${value.byteLength} bytes]`;
  if (value instanceof Map) return copied([...value.entries()], above);
  if (value instanceof Set) return copied([...value], above);
  if ("toJSON" in value && typeof value.toJSON === "function") {
    return copied(value.toJSON(""), above);
  }
  return copiedKeys(value, Object.keys(value), above);
}

function errorContents(error: Error, above: readonly object[]): unknown {
  const keys = ["name", "code", "message", "stack", "cause", "errors", "details", "issues"];
  return copiedKeys(error, keys.filter((key) => key in error), above);
}

/** Each key on its own, so that one that cannot be read does not take the others along. */
function copiedKeys(
  value: object,
  keys: readonly string[],
  above: readonly object[],
): Record<string, unknown> {
  const copy: Record<string, unknown> = Object.create(null);
  for (const key of keys) {
    try {
      copy[key] = copied((value as Record<string, unknown>)[key], above);
    } catch (error) {
      copy[key] = `[Unreadable: ${error instanceof Error ? error.message : "it throws"}]`;
    }
  }
  return copy;
}
