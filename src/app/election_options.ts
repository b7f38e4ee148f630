// Options of services of which one instance alone is active.

import { assertKeys, isPlainObject, show } from "../domain/check.ts";
import { FAILOVER_KEYS, type FailoverPolicy, resolveFailover } from "../domain/lease_policy.ts";

/** The option `singleActive` of a service: one of `failover`, or times of one's own, and a group. */
export interface SingleActiveOptions extends Partial<FailoverPolicy> {
  /**
   * The group within which one instance leads, of letters, digits, `_` and `-`, at most 128: instances of a service in
   * different groups each have their own leader.
   *
   * @default {"default"}
   */
  readonly group?: string;
}

/** The same, complete. */
export interface SingleActiveSettings {
  /** The times. */
  readonly policy: FailoverPolicy;
  /** The group. */
  readonly group: string;
}

const GROUP = /^[a-zA-Z0-9_-]{1,128}$/;

/**
 * The settings that options come to; undefined where there are none.
 *
 * @throws {TypeError} for an option that is none or of the wrong kind, {RangeError} for times that cannot be, or not together.
 */
export function singleActiveSettings(
  options: unknown,
  service: string,
): SingleActiveSettings | undefined {
  if (options === undefined) return undefined;
  const where = `of option "singleActive" of service "${service}"`;
  if (!isPlainObject(options)) {
    throw new TypeError(
      `Cannot use ${
        show(options)
      } as option "singleActive" of service "${service}": it must be times, such as failover.balanced`,
    );
  }
  assertKeys(options, [...FAILOVER_KEYS, "group"], where);
  const { group = "default", ...times } = options as SingleActiveOptions;
  if (typeof group !== "string" || !GROUP.test(group)) {
    throw new TypeError(
      `Cannot use ${
        show(group)
      } as "group" ${where}: it must hold letters, digits, "_" and "-" alone, at most 128`,
    );
  }
  return { policy: resolveFailover(times, where), group };
}
