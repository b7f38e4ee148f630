// Checks of what programmers pass in: each names the option, the value and what is allowed.

import { suggest } from "./suggest.ts";

/** A value as a message quotes it: short, and never more than it needs. */
export function show(value: unknown): string {
  if (typeof value === "string") {
    return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value);
  }
  if (value === null || ["number", "boolean", "undefined", "bigint"].includes(typeof value)) {
    return String(value);
  }
  if (Array.isArray(value)) return "an array";
  const name: unknown = typeof value === "object"
    ? Object.getPrototypeOf(value)?.constructor?.name
    : undefined;
  return typeof name === "string" && name !== "" && name !== "Object"
    ? `an instance of ${name.slice(0, 60)}`
    : `a value of type ${typeof value}`;
}

/** Whether a value is what braces make: an object, of this realm or another, that is of no class. */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null ||
    Object.getPrototypeOf(prototype) === null;
}

/** Checks that `options` has no key but `allowed`. @throws {TypeError} naming the key, and what was meant. */
export function assertKeys(options: object, allowed: readonly string[], where: string): void {
  for (const key in options) {
    if (!allowed.includes(key)) {
      throw new TypeError(
        `Cannot use option "${key}" ${where}: there is no such option; ${suggest(key, allowed)}`,
      );
    }
  }
}

/** Checks something that may be left out and is yes or no. @throws {TypeError} when it is neither. */
export function assertBoolean(value: unknown, where: string): void {
  if (value === undefined || typeof value === "boolean") return;
  throw new TypeError(`Cannot use ${show(value)} as ${where}: it must be a boolean`);
}

/** Checks a time-out in milliseconds. @throws {TypeError | RangeError} when it is none. */
export function assertTimeout(value: unknown, where: string): asserts value is number {
  if (typeof value !== "number") {
    throw new TypeError(
      `Cannot use ${show(value)} as ${where}: it must be a number of milliseconds`,
    );
  }
  if (!(value > 0 && value < Infinity)) {
    throw new RangeError(
      `Cannot use ${value} as ${where}: it must be a finite number of milliseconds over 0`,
    );
  }
}

/** Checks a limit of concurrency. @throws {TypeError | RangeError} when it is none. */
export function assertConcurrency(value: unknown, where: string): asserts value is number {
  if (typeof value !== "number") {
    throw new TypeError(`Cannot use ${show(value)} as ${where}: it must be a number`);
  }
  if (value !== Infinity && !(Number.isInteger(value) && value >= 1)) {
    throw new RangeError(
      `Cannot use ${value} as ${where}: it must be a whole number of at least 1`,
    );
  }
}

/** Checks an optional signal. @throws {TypeError} when it is something else. */
export function assertSignal(
  value: unknown,
  where: string,
): asserts value is AbortSignal | undefined {
  if (value === undefined || value instanceof AbortSignal) return;
  throw new TypeError(
    `Cannot use ${show(value)} as option "signal" ${where}: it must be an AbortSignal`,
  );
}
