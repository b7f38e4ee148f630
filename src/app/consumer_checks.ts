// What is wrong with a handler's consumer, before it is made and afterwards.

import type { Logger } from "../ports/logger.ts";
import type { ConsumerConfig } from "../ports/stream.ts";

/** By how much the clocks of machines may differ, in milliseconds. */
const SKEW_MS = 60_000;

/** @throws {RangeError} when its messages begin at a time that has not come by the clock of this machine, `now`. */
export function assertBegun({ name, from }: ConsumerConfig, now: number): void {
  if (typeof from !== "object" || !("time" in from) || from.time <= now + SKEW_MS) return;
  throw new RangeError(
    `Cannot use ${name}: its messages begin at a time that has not come, from which a server would begin at once`,
  );
}

/** Says why the ack wait in force is not the one that was asked for, and what to do. */
export function warnOfAckWait(
  logger: Logger,
  { name, ackWaitMs }: ConsumerConfig,
  inForceMs: number,
): void {
  const why = ackWaitMs < inForceMs
    ? `other instances were there, or a newer version has set it: stop all of them before one starts, and it becomes shorter; until then what an instance leaves behind comes to others later`
    : `a newer version has set it, or somebody else: this instance keeps to it`;
  logger.warn(
    `The consumer ${name} has an ack wait of ${inForceMs} ms and not of ${ackWaitMs}, since ${why}`,
  );
}
