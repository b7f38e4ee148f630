// The state of a candidate in an election, what it can learn, and what it can do.

import { CLOCK_SHARE, type FailoverPolicy } from "./lease_policy.ts";
import type { LeaseRecord } from "./lease_record.ts";

/** What a key has: a record, something that is none, or nothing. */
export type LeaseContent = LeaseRecord | "garbage" | "absent";

/** What became known. Times are monotonic milliseconds of this process. */
export type LeaseObservation =
  /** What the key has; of nothing the revision is 0, or that of its removal. `askedAt` is for what was read. */
  | {
    readonly kind: "seen";
    readonly revision: number;
    readonly content: LeaseContent;
    readonly askedAt?: number;
  }
  /** A read came to nothing. */
  | { readonly kind: "unread" }
  /** A write was stored. */
  | { readonly kind: "stored"; readonly write: number; readonly revision: number }
  /** A write was refused, for the key has another revision. */
  | { readonly kind: "conflict"; readonly write: number }
  /** A write was not answered: it may be stored, now or later. */
  | { readonly kind: "unknown"; readonly write: number }
  /** The store went away, or came back. It is a hint: nothing rests on its being told. */
  | { readonly kind: "link"; readonly up: boolean }
  /** Time has passed. */
  | { readonly kind: "timer" }
  /** More of it has passed than the clock shows, for the machine slept: rights from before that are so much shorter. */
  | { readonly kind: "slept"; readonly ms: number }
  /** The leader is to let go, and to stand for election no more. */
  | { readonly kind: "stop" };

/** What to do. Of writes and reads one at a time is under way, and each is to be answered by an observation. */
export type LeaseAction =
  /** Write the record where the key has this revision; 0, or that of its removal, where it must not be there. */
  | {
    readonly kind: "write";
    readonly write: number;
    readonly revision: number;
    readonly record: LeaseRecord;
    readonly withinMs: number;
  }
  /** Read the key, from where writes are decided. */
  | { readonly kind: "read"; readonly withinMs: number }
  /** This process leads from now on, with this fencing token. */
  | { readonly kind: "lead"; readonly token: number }
  /** It leads no more. */
  | { readonly kind: "yield"; readonly end: LeaseEnd }
  /** Nothing more is to come. */
  | { readonly kind: "over" };

/**
 * Why a leadership ended: it was let go of; this process stood still for so long that it could not renew the lease, which
 * what it runs may be the cause of; or something else took it, such as an outage of the store.
 */
export type LeaseEnd = "released" | "standstill" | "taken";

/** What was seen last, and when it was seen first. */
export interface LeaseSighting {
  readonly revision: number;
  readonly content: LeaseContent;
  readonly at: number;
  /** How long it must stay as it is before it may be written over. */
  readonly waitMs: number;
}

/** A write of one's own that may be stored. */
export interface LeaseAttempt {
  readonly write: number;
  readonly revision: number;
  readonly record: LeaseRecord;
  /** The time before it was sent. */
  readonly sentAt: number;
}

/** Where one candidate stands. */
export interface LeaseState {
  readonly holder: string;
  readonly writer: string;
  readonly policy: FailoverPolicy;
  /** For how long a write gives the right to lead, from before it was sent. */
  readonly rightMs: number;
  /** How long a write or a read may take. */
  readonly requestMs: number;
  /** By what the lease of somebody else is multiplied, to wait for it. */
  readonly waitFactor: number;
  /** `leaving` is from the last thing that is done until it is answered. */
  readonly stage: "standing" | "stopping" | "leaving" | "over";
  /** When anything happened last, and when it did after a standstill of this process. */
  readonly steppedAt: number;
  readonly stoodAt: number;
  readonly linked: boolean;
  readonly seen: LeaseSighting | undefined;
  /** The leadership; it is over at `until`, even if nobody has come to say so. */
  readonly right: { readonly token: number; readonly until: number } | undefined;
  /** The own writes that may have come, or may still come, on top of what was seen. */
  readonly attempts: readonly LeaseAttempt[];
  /** The write that is not answered yet. */
  readonly pending: LeaseAttempt | undefined;
  readonly reading: boolean;
  /** Whether the key must be read before anything is written. */
  readonly stale: boolean;
  /** When to read at the earliest, after a read that came to nothing. */
  readonly readAt: number;
  /** When the leader renews its lease. */
  readonly renewAt: number;
  /** A revision at which a write was refused although nothing newer is seen, and when to try it again. */
  readonly refused: { readonly revision: number; readonly until: number } | undefined;
  /** How many writes there were. */
  readonly writes: number;
  /** The highest fencing token that was seen, and what revisions are added to. */
  readonly highest: number;
  readonly base: number;
}

/** What comes of an observation. */
export interface LeaseStep {
  readonly state: LeaseState;
  readonly actions: readonly LeaseAction[];
  /** When to come again with a `timer` at the latest; undefined while only what happens can change anything. */
  readonly dueAt: number | undefined;
}

/** What a request may take of the lease: after one renewal that is lost there is time for the next. */
const REQUEST_SHARE = 0.2;
/** And how long it may take at most, unless heartbeats are further apart, in milliseconds. */
const MOST_REQUEST_MS = 2_000;

/** A candidate that knows nothing yet. `writer` is to be new in each life of the instance. */
export function newLease(holder: string, writer: string, policy: FailoverPolicy): LeaseState {
  return {
    holder,
    writer,
    policy,
    rightMs: policy.electionTimeoutMs * (1 - CLOCK_SHARE),
    // Heartbeats may come faster than the store answers.
    requestMs: Math.max(
      policy.heartbeatIntervalMs,
      Math.min(policy.electionTimeoutMs * REQUEST_SHARE, MOST_REQUEST_MS),
    ),
    waitFactor: 1 + CLOCK_SHARE,
    stage: "standing",
    steppedAt: Infinity,
    stoodAt: -Infinity,
    linked: true,
    seen: undefined,
    right: undefined,
    attempts: [],
    pending: undefined,
    reading: false,
    stale: true,
    readAt: -Infinity,
    renewAt: Infinity,
    refused: undefined,
    writes: 0,
    highest: 0,
    base: 0,
  };
}

/** Whether it is decided for now who leads: this one, or the one whose record is waited for. */
export function isSettled({ right, seen, stale, reading, pending }: LeaseState): boolean {
  return right !== undefined ||
    seen !== undefined && seen.waitMs > 0 && !stale && !reading && pending === undefined;
}

/** Whether it leads at that time. Ask at each use: a process that stood still wakes up as no leader. */
export function leadsAt({ right }: LeaseState, now: number): boolean {
  return right !== undefined && now < right.until;
}
