// The lease: an election as a state machine over one record in a store with conditional writes.
//
// A leader's right ends on its own clock: the time before the write that renewed it, plus the lease, less a tenth. Others
// write over a record only at the revision that they saw unchanged for the lease that it names, plus a tenth, on theirs. No
// clock is ever compared with that of another machine, and no message says anything by when it comes. The store's revision
// of the write that took over is the fencing token.

import { type LeaseRecord, MOST_BASE, tokenOf } from "./lease_record.ts";
import {
  leadsAt,
  type LeaseAction,
  type LeaseAttempt,
  type LeaseContent,
  type LeaseEnd,
  type LeaseObservation,
  type LeaseSighting,
  type LeaseState,
  type LeaseStep,
} from "./lease_state.ts";

/** What an observation at the time `now` comes to. */
export function stepLease(
  state: LeaseState,
  observation: LeaseObservation,
  now: number,
): LeaseStep {
  const draft: Draft = { ...state, steppedAt: now };
  const actions: LeaseAction[] = [];
  if (stoodStill(state, now)) draft.stoodAt = now;
  if (draft.right !== undefined && !leadsAt(draft, now)) {
    const stood = now - draft.stoodAt < draft.rightMs;
    yieldNow(draft, actions, stood ? "standstill" : "taken");
  }
  observe(draft, observation, now, actions);
  const dueAt = decide(draft, now, actions);
  return { state: draft, actions, dueAt };
}

type Draft = { -readonly [Key in keyof LeaseState]: LeaseState[Key] };

function observe(
  draft: Draft,
  observation: LeaseObservation,
  now: number,
  actions: LeaseAction[],
): void {
  switch (observation.kind) {
    case "seen": {
      const { askedAt } = observation;
      if (askedAt !== undefined) draft.reading = draft.stale = false;
      see(draft, observation, now, actions);
      break;
    }
    case "unread":
      draft.reading = false;
      draft.readAt = now + draft.policy.retryIntervalMs;
      if (draft.stage === "stopping") draft.stage = "leaving";
      break;
    case "stored": {
      const { write, revision } = observation;
      const attempt = answered(draft, write);
      if (attempt !== undefined) see(draft, { revision, content: attempt.record }, now, actions);
      break;
    }
    case "conflict": {
      const attempt = answered(draft, observation.write);
      if (attempt === undefined) break;
      const until = now + draft.policy.retryIntervalMs;
      draft.refused = { revision: attempt.revision, until };
      draft.stale = true;
      if (draft.stage === "leaving") draft.stage = "stopping";
      break;
    }
    case "unknown":
      if (answered(draft, observation.write) !== undefined) draft.stale = true;
      break;
    case "link":
      draft.linked = observation.up;
      if (!observation.up) break;
      // Who leads writes at once, and who waits has missed what was written meanwhile.
      draft.readAt = -Infinity;
      if (draft.right !== undefined) draft.renewAt = now;
      else draft.stale = true;
      break;
    case "slept":
      age(draft, observation.ms);
      if (draft.right !== undefined && !leadsAt(draft, now)) yieldNow(draft, actions, "taken");
      break;
    case "stop":
      if (draft.stage === "standing") draft.stage = "stopping";
      if (draft.right !== undefined) yieldNow(draft, actions, "released");
      break;
    case "timer":
      break;
  }
}

/** What gives a right is older than the clock shows. Who waits has waited no longer for that. */
function age(draft: Draft, ms: number): void {
  const older = (attempt: LeaseAttempt) => ({ ...attempt, sentAt: attempt.sentAt - ms });
  const { pending, right } = draft;
  draft.attempts = draft.attempts.map(older);
  draft.pending = pending && older(pending);
  draft.right = right && { ...right, until: right.until - ms };
  draft.renewAt -= ms;
}

/** A write was answered, or will not be: the attempt, unless it is known already what it came to. */
function answered(draft: Draft, write: number): LeaseAttempt | undefined {
  const { pending } = draft;
  if (pending?.write === write) {
    draft.pending = undefined;
    return pending;
  }
  return draft.attempts.find((attempt) => attempt.write === write);
}

function see(
  draft: Draft,
  found: { readonly revision: number; readonly content: LeaseContent; readonly askedAt?: number },
  now: number,
  actions: LeaseAction[],
): void {
  const { revision, content, askedAt = -Infinity } = found;
  const before = draft.seen;
  if (before !== undefined) {
    if (revision === before.revision && isSame(content, before.content)) return;
    // Old news, unless the store has lost what it had: then it is what was read since.
    if (revision < before.revision && askedAt < before.at) return;
    if (revision > before.revision) draft.stale = false;
  }
  const { attempts } = draft;
  draft.attempts = [];
  draft.seen = { revision, content, at: now, waitMs: waitFor(draft, content, revision) };
  if (isReadable(content)) {
    draft.base = content.base;
    draft.highest = Math.max(draft.highest, tokenOf(content, revision));
    if (content.writer === draft.writer) {
      const attempt = attempts.find(({ write }) => write === content.write);
      // Its answer says nothing new, and may never come.
      if (draft.pending?.write === content.write) draft.pending = undefined;
      return confirm(draft, attempt, revision, now, actions);
    }
  }
  // Whoever wrote it, it is no longer ours.
  if (draft.right !== undefined) yieldNow(draft, actions, "taken");
}

/** An own write is what the key has. What is not known any more gives no right, but can be written over at once. */
function confirm(
  draft: Draft,
  attempt: LeaseAttempt | undefined,
  revision: number,
  now: number,
  actions: LeaseAction[],
): void {
  if (attempt === undefined || draft.stage !== "standing") return;
  const until = attempt.sentAt + draft.rightMs;
  if (draft.right !== undefined) {
    draft.right = { token: draft.right.token, until: Math.max(until, draft.right.until) };
  } else if (now < until) {
    const token = tokenOf(attempt.record, revision);
    draft.right = { token, until };
    actions.push({ kind: "lead", token });
  }
}

function waitFor(draft: Draft, content: LeaseContent, revision: number): number {
  if (isReadable(content)) {
    const free = content.released || content.writer === draft.writer;
    return free ? 0 : content.leaseMs * draft.waitFactor;
  }
  const { seen, policy } = draft;
  // Nobody has ever led here.
  if (content === "absent" && revision === 0 && seen === undefined) return 0;
  // Somebody removed it, or wrote over it: who led by what was there may not have heard of it.
  return Math.max(policy.electionTimeoutMs * draft.waitFactor, seen?.waitMs ?? 0);
}

/** The leadership is over, and none of the writes that were made in it gives a new one. */
function yieldNow(draft: Draft, actions: LeaseAction[], end: LeaseEnd): void {
  draft.right = undefined;
  draft.renewAt = Infinity;
  draft.attempts = [];
  actions.push({ kind: "yield", end });
}

/**
 * Whether this process stood still until now. While the store is there, something happens to a leader that is awake at each
 * heartbeat, be it that one was not answered in time. A heartbeat is heard of when the process goes on, so that of two
 * standstills in a row that cost the lease one is half as long as the right, which is no less than this.
 */
function stoodStill({ linked, steppedAt, requestMs, policy }: LeaseState, now: number): boolean {
  return linked && now - steppedAt > requestMs + policy.retryIntervalMs / 2;
}

/** What to do next; when to look again. */
function decide(draft: Draft, now: number, actions: LeaseAction[]): number | undefined {
  const idle = draft.pending === undefined && !draft.reading;
  const at = !idle
    ? Infinity
    : draft.stage === "standing"
    ? stand(draft, now, actions)
    : leave(draft, now, actions);
  const dueAt = Math.min(at, draft.right?.until ?? Infinity);
  return dueAt === Infinity ? undefined : dueAt;
}

function stand(draft: Draft, now: number, actions: LeaseAction[]): number {
  const { seen, linked, right } = draft;
  if (!linked) return Infinity;
  if (seen === undefined || draft.stale) {
    return now < draft.readAt ? draft.readAt : read(draft, actions);
  }
  const at = right === undefined ? takeoverAt(draft, seen) : draft.renewAt;
  if (now < at) return at;
  return write(draft, seen, { token: right?.token, released: false }, now, actions);
}

/** Gives a record of one's own to the next, after whatever was under way has come to an end. */
function leave(draft: Draft, now: number, actions: LeaseAction[]): number {
  const { seen, stage, linked, attempts } = draft;
  if (stage === "over") return Infinity;
  const own = seen !== undefined && isReadable(seen.content) && !seen.content.released &&
      seen.content.writer === draft.writer
    ? seen.content
    : undefined;
  if (stage === "stopping" && linked && (own !== undefined || attempts.length > 0)) {
    if (draft.stale) return read(draft, actions);
    if (own !== undefined) {
      draft.stage = "leaving";
      const token = tokenOf(own, seen!.revision);
      return write(draft, seen!, { token, released: true }, now, actions);
    }
  }
  draft.stage = "over";
  actions.push({ kind: "over" });
  return Infinity;
}

function takeoverAt({ refused }: Draft, seen: LeaseSighting): number {
  const at = seen.at + seen.waitMs;
  return refused?.revision === seen.revision ? Math.max(at, refused.until) : at;
}

function read(draft: Draft, actions: LeaseAction[]): number {
  draft.reading = true;
  actions.push({ kind: "read", withinMs: draft.requestMs });
  return Infinity;
}

function write(
  draft: Draft,
  seen: LeaseSighting,
  { token, released }: Pick<LeaseRecord, "token" | "released">,
  now: number,
  actions: LeaseAction[],
): number {
  const { holder, writer, policy, highest, requestMs: withinMs } = draft;
  const { electionTimeoutMs: leaseMs, heartbeatIntervalMs } = policy;
  // Where revisions have begun anew, tokens go on from the highest.
  const base = draft.base + seen.revision >= highest ? draft.base : Math.min(highest, MOST_BASE);
  const number = ++draft.writes;
  const record = { holder, writer, write: number, leaseMs, base, token, released };
  const { revision } = seen;
  const attempt: LeaseAttempt = { write: number, revision, record, sentAt: now };
  // Those that are too old to give a right need not be known any more.
  const known = draft.attempts.filter(({ sentAt }) => now < sentAt + draft.rightMs);
  draft.attempts = [...known, attempt];
  draft.pending = attempt;
  draft.renewAt = now + heartbeatIntervalMs;
  actions.push({ kind: "write", write: number, revision, record, withinMs });
  return Infinity;
}

function isReadable(content: LeaseContent): content is LeaseRecord {
  return typeof content === "object";
}

function isSame(one: LeaseContent, other: LeaseContent): boolean {
  if (!isReadable(one) || !isReadable(other)) return one === other;
  return one.writer === other.writer && one.write === other.write;
}
