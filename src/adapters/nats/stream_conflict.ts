// What is there and what is wanted, where they differ: one error for streams and consumers.

import { ConflictError } from "../../domain/error.ts";

/** A setting that differs. */
export interface Difference {
  /** Its name in the port. */
  readonly setting: string;
  /** Its value there. */
  readonly is: unknown;
  /** The value that was asked for. */
  readonly wanted: unknown;
}

/**
 * The error for what is there with other settings; the first of them is in `details`.
 *
 * @param what what was to be done: "make the stream EVENTS"
 * @param reason why it cannot be: "there is one with other settings"
 */
export function settingsConflict(
  what: string,
  reason: string,
  differences: readonly Difference[],
  cause?: unknown,
): ConflictError {
  const named = differences.map(({ setting, is, wanted }) =>
    `${setting} is ${JSON.stringify(is)}, wanted ${JSON.stringify(wanted)}`
  );
  const list = named.length === 0 ? "" : `: ${named.join("; ")}`;
  return new ConflictError(`Cannot ${what}: ${reason}${list}`, {
    cause,
    details: { ...differences[0] },
  });
}
