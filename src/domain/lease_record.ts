// The record of a lease: what the leader of a group leaves in the store for those who wait.

import { isRecord } from "./envelope.ts";
import { isLeaseMs } from "./lease_policy.ts";

/** The record of a group. No time is in it: the clock of another machine says nothing here. */
export interface LeaseRecord {
  /** The instance that leads. */
  readonly holder: string;
  /** One life of that instance: an instance that was started again must wait for itself. */
  readonly writer: string;
  /** Which of this writer's writes it is, from 1. */
  readonly write: number;
  /** How long the holder's lease is, in milliseconds: others wait for that, whatever their own would be. */
  readonly leaseMs: number;
  /** What the revision of a takeover is added to for its fencing token; 0 unless revisions once began anew. */
  readonly base: number;
  /** The fencing token of the leadership; undefined in the write of the takeover itself, whose revision it comes from. */
  readonly token: number | undefined;
  /** Whether the holder has let go of it, so that nobody needs to wait. */
  readonly released: boolean;
}

/** The bucket of all elections. */
export const LEADERS_BUCKET = "service_leaders";

/** The key of a group. A name of a service or a group has no dot in it, so that no two groups have the same key. */
export function leaderKey(service: string, group: string): string {
  return `${service}.${group}`;
}

/** Tokens beyond this are nobody's: a few more would not be whole numbers any longer. */
const MOST_TOKEN = 2 ** 52;
/** Bases beyond this are nobody's: a revision is still to be added, and the sum has to be a token. */
export const MOST_BASE: number = 2 ** 50;

/** A record as it is stored. */
export function leaseRecordValue(record: LeaseRecord): Record<string, unknown> {
  return {
    holder: record.holder,
    writer: record.writer,
    write: record.write,
    lease_ms: record.leaseMs,
    token_base: record.base,
    fencing_token: record.token ?? null,
    released: record.released,
  };
}

/**
 * The record that a value is which has that revision; undefined where it is none. Fields that it does not know are somebody's
 * who is newer, and do no harm; a lease longer than any may be would keep everybody out, and is none. Nor is a token that no
 * takeover up to that revision can have given: the next ones would have to be higher still.
 */
export function readLeaseRecord(value: unknown, revision: number): LeaseRecord | undefined {
  if (!isRecord(value)) return undefined;
  const { holder, writer, write, lease_ms, token_base = 0, fencing_token, released } = value;
  const known = typeof holder === "string" && typeof writer === "string" && isCount(write) &&
    isLeaseMs(lease_ms) && isCount(token_base) && token_base <= MOST_BASE &&
    typeof released === "boolean" &&
    (fencing_token == null ||
      (isCount(fencing_token) && fencing_token <= token_base + revision));
  if (!known) return undefined;
  const token = fencing_token ?? undefined;
  return { holder, writer, write, leaseMs: lease_ms, base: token_base, token, released };
}

function isCount(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) < MOST_TOKEN;
}

/** The fencing token of whoever leads by a record at that revision. */
export function tokenOf(record: LeaseRecord, revision: number): number {
  return record.token ?? record.base + revision;
}
