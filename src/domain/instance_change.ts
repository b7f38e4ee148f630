// What a heartbeat changes of an instance, and what it only says again.

import type { ServiceInstance } from "./instance.ts";

/** Whether two descriptions of an instance differ in no more than their load and the time of their heartbeat. */
export function isSameInstance(before: ServiceInstance, after: ServiceInstance): boolean {
  const { load, lastHeartbeat } = after;
  return isEqual({ ...before, load, lastHeartbeat }, after);
}

/** The same instance with the load and the time of another heartbeat. What has not changed is kept once. */
export function renewed(
  instance: ServiceInstance,
  { load, lastHeartbeat }: ServiceInstance,
): ServiceInstance {
  return Object.freeze({ ...instance, lastHeartbeat, load: shared(load) });
}

/** A value that nobody can change, for all who look at it share it. */
export function shared<T>(value: T): T {
  if (typeof value === "object" && value !== null) {
    Object.freeze(value);
    for (const inner of Object.values(value)) shared(inner);
  }
  return value;
}

/** Whether two values that were read from JSON are the same. */
function isEqual(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  const [one, other] = [a as Record<string, unknown>, b as Record<string, unknown>];
  const keys = Object.keys(one);
  return Array.isArray(a) === Array.isArray(b) && keys.length === Object.keys(other).length &&
    keys.every((key) => Object.hasOwn(other, key) && isEqual(one[key], other[key]));
}
