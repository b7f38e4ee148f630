// Options of circuits, and the checks of them.

import { assertKeys, show } from "../domain/check.ts";
import { CIRCUIT_DEFAULTS, type CircuitOptions, type CircuitSettings } from "../domain/circuit.ts";
import { isRecord } from "../domain/envelope.ts";

/** What each may be: from, to, and whether it must be a whole number. */
const LIMITS: Readonly<Record<keyof CircuitOptions, readonly [number, number, boolean]>> = {
  failures: [1, 1_000_000, true],
  failureRate: [Number.MIN_VALUE, 1, false],
  minCalls: [1, 1_000_000, true],
  windowMs: [1, 86_400_000, false],
  slowMs: [Number.MIN_VALUE, Infinity, false],
  openMs: [1, 86_400_000, false],
  probes: [1, 1_000, true],
};

/**
 * The settings of circuits; undefined where there are to be none.
 *
 * @throws {TypeError | RangeError} naming what cannot be.
 */
export function circuitSettings(options: unknown, where: string): CircuitSettings | undefined {
  if (options === undefined || options === false) return undefined;
  if (options === true) return CIRCUIT_DEFAULTS;
  if (!isRecord(options)) {
    throw new TypeError(
      `Cannot use ${
        show(options)
      } as option "circuit" ${where}: it must be an object, true for the defaults, or false for none`,
    );
  }
  assertKeys(options, Object.keys(LIMITS), `of the circuit ${where}`);
  const settings: Record<string, number> = { ...CIRCUIT_DEFAULTS };
  for (const [key, [from, to, isWhole]] of Object.entries(LIMITS)) {
    const value = options[key];
    if (value === undefined) continue;
    if (
      typeof value !== "number" || !(value >= from && value <= to) ||
      (isWhole && !Number.isInteger(value))
    ) {
      const kind = isWhole ? "a whole number" : "a number";
      const least = from === Number.MIN_VALUE ? "over 0" : `from ${from}`;
      throw new (typeof value === "number" ? RangeError : TypeError)(
        `Cannot use ${
          show(value)
        } as "circuit.${key}" ${where}: it must be ${kind} ${least} up to ${to}`,
      );
    }
    settings[key] = value;
  }
  return settings as unknown as CircuitSettings;
}
