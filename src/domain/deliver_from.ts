// Where a consumer begins: at what is new, at the oldest, at a sequence or at a time.

import { isPlainObject, show } from "./check.ts";

/** A place in a stream. A time is in milliseconds since the epoch, on the broker's clock. */
export type DeliverFrom =
  | "new"
  | "all"
  | { readonly sequence: number }
  | { readonly time: number };

/**
 * Other text is a time to some runtimes too, and not the same one to all: `"1"`, `"05/06/2026"`. A time of day without its
 * zone would be another one on each machine.
 */
const ISO = /^\d{4}(?:-\d\d(?:-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d))?)?)?$/;

/** Reads such a place; a time may also be a `Date` or ISO 8601. @throws {TypeError | RangeError} when it is none. */
export function readFrom(from: unknown, where: string): DeliverFrom {
  if (from === "new" || from === "all") return from;
  const keys = isPlainObject(from) ? Object.keys(from) : [];
  const { sequence, time } = (keys.length === 1 ? from : {}) as Record<string, unknown>;
  if (sequence !== undefined) {
    if (Number.isSafeInteger(sequence) && (sequence as number) >= 1) {
      return { sequence: sequence as number };
    }
    throw new RangeError(
      `Cannot use ${
        show(sequence)
      } as the sequence in ${where}: it must be a whole number of at least 1`,
    );
  }
  if (time !== undefined) {
    const ms = time instanceof Date || typeof time === "number" ||
        (typeof time === "string" && ISO.test(time))
      ? new Date(time).getTime()
      : NaN;
    if (!Number.isNaN(ms)) return { time: ms };
    throw new TypeError(
      `Cannot use ${
        show(time)
      } as the time in ${where}: it must be a Date, milliseconds since the epoch, or ISO 8601 with its zone`,
    );
  }
  throw new TypeError(
    `Cannot use ${show(from)} as ${where}: it must be "new", "all", { sequence } or { time }`,
  );
}

/** Such a place as text, the same for the same place. */
export function fromText(from: DeliverFrom): string {
  if (typeof from === "string") return from;
  return "sequence" in from
    ? `sequence ${from.sequence}`
    : `time ${new Date(from.time).toISOString()}`;
}
