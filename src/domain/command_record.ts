// The record of a command: what became of it so far, in whatever process, and which steps it may take next.

import { isPriority, type Priority } from "./command.ts";
import type { DeadLetterError } from "./dead_letter.ts";
import { isRecord } from "./envelope.ts";

/** Where a command stands. The last four are final. */
export type CommandState =
  | "pending"
  | "running"
  | "retrying"
  | "completed"
  | "failed"
  | "cancelled"
  | "timed_out";

/** A step of progress. */
export interface ProgressStep {
  /** How far it is, 0 to 100. */
  readonly percent: number;
  /** What is being done, for people. */
  readonly status: string | undefined;
  /** What the handler gave along. */
  readonly data: unknown;
}

/** The error that ended a command, or its last attempt, as it is kept. */
export interface CommandFailure extends DeadLetterError {
  /** What the handler's error carried. */
  readonly data?: unknown;
}

/**
 * What is known of a command. Times are milliseconds since the epoch, each on the clock of the process that it is of.
 *
 * Services of the AegisSDK for Python keep no records: of a command that one of those has run it stays `pending`, while
 * `progress()` and `result()` tell what that service says.
 */
export interface CommandRecord<Result = unknown> {
  /** Its id. */
  readonly id: string;
  /** The service that it is for. */
  readonly service: string;
  /** What it asks for. */
  readonly command: string;
  /** Its priority. */
  readonly priority: Priority;
  /** Where it stands. */
  readonly state: CommandState;
  /** How many attempts have begun. Those that an instance gave back, for it stopped or led no longer, are not among them. */
  readonly attempts: number;
  /** How many attempts were given back so after they had begun, at most 10: from then on they count. */
  readonly handovers: number;
  /** How many further attempts the first one may have. */
  readonly maxRetries: number;
  /** How long an attempt may take, in milliseconds. */
  readonly timeoutMs: number;
  /** How far it is, 0 to 100; 100 once it is completed, whatever its handler said last. */
  readonly percent: number;
  /** What it said last that it does. */
  readonly status: string | undefined;
  /** What it gave last along with that. */
  readonly data: unknown;
  /** What it came to, once it is completed. */
  readonly result: Result | undefined;
  /** Why it, or its last attempt, came to nothing. */
  readonly error: CommandFailure | undefined;
  /** The instance that runs it, or had it last. */
  readonly instanceId: string | undefined;
  /** Who took it back, once it is cancelled. */
  readonly cancelledBy: string | undefined;
  /** Why they did. */
  readonly reason: string | undefined;
  /** When it was sent. */
  readonly createdAt: number;
  /** When it may begin at the earliest, where it was sent for later or waits for its next attempt. */
  readonly dueAt: number | undefined;
  /** When its last attempt began. */
  readonly startedAt: number | undefined;
  /** When it ended. */
  readonly finishedAt: number | undefined;
  /** When this was written. */
  readonly updatedAt: number;
  /** The stream of the message that is run. */
  readonly stream: string | undefined;
  /** Its place there. */
  readonly sequence: number | undefined;
  /** By which delivery of it the instance has it. */
  readonly delivery: number | undefined;
}

/** What a command is, beside its payload. */
export interface CommandFacts {
  readonly id: string;
  readonly service: string;
  readonly command: string;
  readonly priority: Priority;
  readonly maxRetries: number;
  readonly timeoutMs: number;
  readonly createdAt: number;
}

/** A message with a command, as it is at hand. */
export interface CommandPlace {
  readonly stream: string;
  readonly sequence: number;
  readonly delivery: number;
}

/** By how much a next attempt may come too early, in milliseconds: the clocks of two instances differ. */
const SOON_MS = 1_000;
const FINAL: readonly CommandState[] = ["completed", "failed", "cancelled", "timed_out"];
const STATES: readonly string[] = ["pending", "running", "retrying", ...FINAL];

/** Whether nothing more becomes of a command. */
export function isFinal(state: CommandState): boolean {
  return FINAL.includes(state);
}

/** The record of a command that was sent. */
export function pendingRecord(facts: CommandFacts, dueAt: number | undefined): CommandRecord {
  return {
    ...facts,
    state: "pending",
    attempts: 0,
    handovers: 0,
    percent: 0,
    status: undefined,
    data: undefined,
    result: undefined,
    error: undefined,
    instanceId: undefined,
    cancelledBy: undefined,
    reason: undefined,
    dueAt,
    startedAt: undefined,
    finishedAt: undefined,
    updatedAt: facts.createdAt,
    stream: undefined,
    sequence: undefined,
    delivery: undefined,
  };
}

/**
 * What an instance that has a command at hand does with it:
 * - `claim`: writes that it runs it, and begins;
 * - `done`: it has ended; the message is not needed any more;
 * - `exhausted`: processes ended over it as often as it may be tried;
 * - `early`: it is not due yet for its next attempt, and comes again then;
 * - `other`: another message of the same command is run, if that is still there; this one is one too many then;
 * - `held`: another delivery of this message, at least as new, has it.
 */
export type ClaimStep = "claim" | "done" | "exhausted" | "early" | "other" | "held";

/**
 * What to do with a command at hand at the time `now`; `record` is undefined where nobody has written one. It may have
 * `maxAttempts`, of the handler and of its sender together.
 */
export function claimStep(
  record: CommandRecord | undefined,
  place: CommandPlace,
  maxAttempts: number,
  now: number,
): ClaimStep {
  if (record === undefined) return "claim";
  if (isFinal(record.state)) return "done";
  const another = record.sequence !== undefined &&
    (record.sequence !== place.sequence || record.stream !== place.stream);
  if (another) return "other";
  if (record.state === "retrying" && (record.dueAt ?? 0) - now > SOON_MS) return "early";
  if (record.state !== "running") return "claim";
  // The server delivers it again only when whoever had it before has not been heard of for the whole ack wait.
  if ((record.delivery ?? 0) >= place.delivery) return "held";
  const allowed = Math.min(record.maxRetries + 1, maxAttempts);
  return record.attempts >= allowed ? "exhausted" : "claim";
}

/** The record of an attempt that begins. */
export function runningRecord(
  record: CommandRecord,
  place: CommandPlace,
  instanceId: string,
  timeoutMs: number,
  now: number,
): CommandRecord {
  return {
    ...record,
    ...place,
    timeoutMs,
    state: "running",
    attempts: record.attempts + 1,
    instanceId,
    dueAt: undefined,
    startedAt: now,
    updatedAt: now,
  };
}

/** The progress that a record holds; undefined where there was none. */
export function progressOf({ percent, status, data }: CommandRecord): ProgressStep | undefined {
  return percent === 0 && status === undefined && data === undefined
    ? undefined
    : { percent, status, data };
}

/** The record as the object that a codec encodes. What is not known is left out. */
export function recordValue(record: CommandRecord): Record<string, unknown> {
  return {
    command_id: record.id,
    service: record.service,
    command: record.command,
    priority: record.priority,
    state: record.state,
    attempts: record.attempts,
    handovers: record.handovers || undefined,
    max_retries: record.maxRetries,
    timeout_ms: record.timeoutMs,
    percent: record.percent,
    status: record.status,
    data: record.data,
    result: record.state === "completed" ? record.result ?? null : undefined,
    error: record.error,
    instance_id: record.instanceId,
    cancelled_by: record.cancelledBy,
    reason: record.reason,
    created_at: record.createdAt,
    due_at: record.dueAt,
    started_at: record.startedAt,
    finished_at: record.finishedAt,
    updated_at: record.updatedAt,
    stream: record.stream,
    sequence: record.sequence,
    delivery: record.delivery,
  };
}

/** The record that a decoded body holds; undefined where it holds none. Fields that it does not know are left alone. */
export function readRecord(body: unknown): CommandRecord | undefined {
  if (!isRecord(body)) return undefined;
  const { command_id: id, service, command, state, priority } = body;
  if (typeof id !== "string" || typeof service !== "string" || typeof command !== "string") {
    return undefined;
  }
  if (!STATES.includes(state as string) || !isPriority(priority)) return undefined;
  return {
    id,
    service,
    command,
    priority,
    state: state as CommandState,
    attempts: number(body.attempts) ?? 0,
    handovers: number(body.handovers) ?? 0,
    maxRetries: number(body.max_retries) ?? 0,
    timeoutMs: number(body.timeout_ms) ?? 0,
    percent: number(body.percent) ?? 0,
    status: text(body.status),
    data: body.data,
    result: state === "completed" ? body.result : undefined,
    error: failure(body.error),
    instanceId: text(body.instance_id),
    cancelledBy: text(body.cancelled_by),
    reason: text(body.reason),
    createdAt: number(body.created_at) ?? 0,
    dueAt: number(body.due_at),
    startedAt: number(body.started_at),
    finishedAt: number(body.finished_at),
    updatedAt: number(body.updated_at) ?? 0,
    stream: text(body.stream),
    sequence: number(body.sequence),
    delivery: number(body.delivery),
  };
}

function number(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}

function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function failure(value: unknown): CommandFailure | undefined {
  if (!isRecord(value)) return undefined;
  const { code, message } = value;
  return typeof code === "string" && typeof message === "string"
    ? value as unknown as CommandFailure
    : undefined;
}
