// Failover policies: how long a leader may be silent, how often it renews its lease, and how soon what failed is tried again.

import { assertKeys, show } from "./check.ts";

/** The times of an election. They must fit one another; `createService` says which do not. */
export interface FailoverPolicy {
  /**
   * The lease: how long a leader that is not heard of stays the leader, in milliseconds, from 100 to 600,000. It steps down
   * by itself a tenth before that, on its own clock, and others follow a tenth after it, on theirs.
   */
  readonly electionTimeoutMs: number;
  /** How often the leader renews its lease, in milliseconds, at least 10. */
  readonly heartbeatIntervalMs: number;
  /** How soon what failed is tried again, in milliseconds, at least 10. */
  readonly retryIntervalMs: number;
}

/**
 * How much faster or slower than true time a clock may run, as a share. A leader counts so much less than the lease on its
 * own clock, and those who wait so much more on theirs: they meet where the lease ends in true time, and never before.
 */
export const CLOCK_SHARE = 0.1;

/** The names of the times. */
export const FAILOVER_KEYS: readonly (keyof FailoverPolicy)[] = [
  "electionTimeoutMs",
  "heartbeatIntervalMs",
  "retryIntervalMs",
];
const [LEAST_MS, MOST_MS] = [100, 600_000];
/** More often than this nobody should write to the store, or ask it. */
const LEAST_INTERVAL_MS = 10;

/**
 * Times for the option `singleActive`: how soon another instance takes over from a leader that died, against how long a
 * pause the leader survives. After `stop()` the next one follows within milliseconds with each of them.
 *
 * - `aggressive`: within a second; a leader may be cut off or blocked for up to 390 ms.
 * - `balanced`: within 3 seconds; for up to 1.3 seconds.
 * - `conservative`: within 12 seconds; for up to 6.5 seconds.
 *
 * @example
 * ```ts
 * import { connect, createService, failover, rpc } from "@aegis/sdk";
 * import { strictEqual } from "node:assert/strict";
 *
 * await using bus = await connect({ servers: "memory:" });
 * const pay = rpc("pay", { exclusive: true }, (_, ctx) => ({ token: ctx.fencingToken }));
 * const singleActive = failover.balanced; // or times of one's own: { electionTimeoutMs: 3_000 }
 * await using payments = createService("payments", { bus, handlers: [pay], singleActive });
 * await payments.start();
 * strictEqual(payments.isLeader(), true);
 * ```
 */
export const failover: Readonly<
  Record<"aggressive" | "balanced" | "conservative", FailoverPolicy>
> = Object.freeze({
  aggressive: policyOf(600),
  balanced: policyOf(2_000),
  conservative: policyOf(10_000),
});

function policyOf(electionTimeoutMs: number): FailoverPolicy {
  return Object.freeze({
    electionTimeoutMs,
    heartbeatIntervalMs: electionTimeoutMs / 4,
    retryIntervalMs: electionTimeoutMs / 10,
  });
}

/** Whether a lease may be of that length. */
export function isLeaseMs(value: unknown): value is number {
  return typeof value === "number" && value >= LEAST_MS && value <= MOST_MS;
}

/**
 * The policy with what is left out filled in: the lease of `failover.balanced`, a quarter of the lease between two
 * heartbeats, and a tenth of it before what failed is tried again.
 *
 * @param where what the policy belongs to, for messages
 * @throws {TypeError} for a field that is none or no number, {RangeError} for times that cannot be, or not together.
 */
export function resolveFailover(given: Partial<FailoverPolicy>, where: string): FailoverPolicy {
  assertKeys(given, FAILOVER_KEYS, where);
  for (const key of FAILOVER_KEYS) {
    const value: unknown = given[key];
    if (value === undefined) continue;
    const of = `as "${key}" ${where}`;
    if (typeof value !== "number") {
      throw new TypeError(`Cannot use ${show(value)} ${of}: it must be a number of milliseconds`);
    }
    if (key === "electionTimeoutMs" && !isLeaseMs(value)) {
      throw new RangeError(
        `Cannot use ${value} ${of}: it must be a number of milliseconds from ${LEAST_MS} to ${MOST_MS}`,
      );
    }
    if (!(value >= LEAST_INTERVAL_MS && value < Infinity)) {
      throw new RangeError(
        `Cannot use ${value} ${of}: it must be a finite number of milliseconds from ${LEAST_INTERVAL_MS} on`,
      );
    }
  }
  const { electionTimeoutMs = failover.balanced.electionTimeoutMs } = given;
  const {
    heartbeatIntervalMs = electionTimeoutMs / 4,
    retryIntervalMs = Math.min(electionTimeoutMs / 10, heartbeatIntervalMs),
  } = given;
  if (retryIntervalMs > heartbeatIntervalMs) {
    throw new RangeError(
      `Cannot use retryIntervalMs ${retryIntervalMs} with heartbeatIntervalMs ${heartbeatIntervalMs} ${where}: ` +
        `what failed must be tried again before the next heartbeat; make retryIntervalMs at most ${heartbeatIntervalMs}`,
    );
  }
  // One renewal may be lost: it is given up after an interval, and the next one must still come in time.
  const leastMs = (2 * heartbeatIntervalMs + retryIntervalMs) / (1 - CLOCK_SHARE);
  if (electionTimeoutMs < leastMs) {
    throw new RangeError(
      `Cannot use heartbeatIntervalMs ${heartbeatIntervalMs} and retryIntervalMs ${retryIntervalMs} with ` +
        `electionTimeoutMs ${electionTimeoutMs} ${where}: one lost heartbeat would end the leadership; ` +
        `make electionTimeoutMs at least ${Math.ceil(leastMs)}, or the intervals shorter`,
    );
  }
  return { electionTimeoutMs, heartbeatIntervalMs, retryIntervalMs };
}
