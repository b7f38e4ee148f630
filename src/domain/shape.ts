// The shape of bodies: what no honest sender writes is refused before anybody walks it.

import { ValidationError } from "./error.ts";

/** How deep a body may nest, the envelope included. */
export const MAX_DEPTH: number = 64;

/** Refuses what no honest sender writes: bodies nested without end, and keys that would replace a prototype. */
export function assertShape(value: unknown, depth: number): void {
  if (typeof value !== "object" || value === null) return;
  if (depth > MAX_DEPTH) {
    throw new ValidationError(`Cannot read the body: it nests deeper than ${MAX_DEPTH} levels`);
  }
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const item: unknown = value[i];
      if (typeof item === "object") assertShape(item, depth + 1);
    }
    return;
  }
  for (const key in value) {
    if (key === "__proto__") {
      throw new ValidationError('Cannot read the body: it has a key "__proto__"');
    }
    const item = (value as Record<string, unknown>)[key];
    if (typeof item === "object") assertShape(item, depth + 1);
  }
}
