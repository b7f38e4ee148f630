// Errors of commands: what somebody who waits for a result gets, and what a record keeps of what a handler threw.

import type { CommandFailure, CommandRecord } from "./command_record.ts";
import { deadLetterError } from "./event_outcome.ts";
import {
  AegisError,
  CommandError,
  type Issue,
  RpcError,
  TimeoutError,
  ValidationError,
} from "./error.ts";
import { headerJson } from "./header.ts";

/** How much data of an error is kept, and how much of its issues, as JSON. */
const MAX_DATA = 65_536;
const MAX_MESSAGE = 4_096;
const MAX_LEAN = 1_024;
const MAX_ISSUES = 1_000;

/** There is no record of that id: it was never sent, or its time is over. */
export function notFound(id: string): AegisError {
  return new AegisError(
    "COMMAND_NOT_FOUND",
    `There is no record of command ${id}: it was never sent, or its record was kept for as long as its bucket says`,
    { details: { id } },
  );
}

/** The result of a command that is completed. @throws the error that it came to, where it came to none. */
export function resultOf(record: CommandRecord): unknown {
  const { id, service, command, attempts, error, state } = record;
  const what = `${command} of ${service}`;
  const details = { id, service, command, attempts };
  switch (state) {
    case "completed":
      return record.result ?? null;
    case "timed_out":
      throw new TimeoutError(`${what} was not done within ${record.timeoutMs} ms`, { details });
    case "cancelled": {
      const { reason, cancelledBy: by } = record;
      throw takenBack(what, by, reason, details);
    }
    default: {
      const { code, message, issues, data } = error ??
        { code: "UNKNOWN", message: "nobody knows why" };
      throw issues !== undefined && code === "INVALID_REQUEST"
        ? new ValidationError(message, issues, { details })
        : new CommandError(code, message, { attempts, data, details });
    }
  }
}

/** An error as it is kept; `lean` where a record has no room for what goes along with it. */
export function failureOf(error: unknown, lean = false): CommandFailure {
  const { code, message, issues } = deadLetterError(error);
  if (lean) return { code, message: message.slice(0, MAX_LEAN) };
  const { data } = CommandError.is(error) || RpcError.is(error)
    ? error as { readonly data?: unknown }
    : { data: undefined };
  const json = data === undefined ? undefined : headerJson(data, MAX_DATA);
  return {
    code,
    message: message.slice(0, MAX_MESSAGE),
    ...(issues === undefined ? {} : { issues: fewer(issues) }),
    ...(json === undefined ? {} : { data: JSON.parse(json) }),
  };
}

/** As many of the issues as there is room for, the first ones. */
function fewer(issues: readonly Issue[]): readonly Issue[] {
  let kept = issues.slice(0, MAX_ISSUES);
  while (kept.length > 0 && headerJson(kept, MAX_DATA) === undefined) {
    kept = kept.slice(0, kept.length >> 1);
  }
  return kept;
}

/** Somebody took it back. */
export function takenBack(
  what: string,
  by: string | undefined,
  reason: string | undefined,
  details: Readonly<Record<string, unknown>> = {},
): AegisError {
  const why = reason === undefined ? "" : `: ${reason}`;
  return new AegisError("CANCELLED", `${what} was cancelled by ${by ?? "somebody"}${why}`, {
    details: { ...details, reason, by },
  });
}

/** The time of an attempt is over. */
export function overdue(what: string, tookMs: number): TimeoutError {
  return new TimeoutError(`${what} was not done within ${Math.round(tookMs)} ms`);
}

/** The lease of an attempt is over. */
export function leaseLost(what: string): AegisError {
  return new AegisError(
    "LEASE_LOST",
    `${what} is let go of: the server was not reached for as long as it waits, and another instance may run it`,
  );
}

/** Its instances stopped, or lost the leadership, again and again, while it ran. */
export function neverEnded(what: string): AegisError {
  return new AegisError(
    "CRASHED",
    `${what} never came to an end: whatever ran it has stopped, or has lost the leadership, time and again`,
  );
}

/** Its processes ended, again and again, while it ran. */
export function crashed(attempts: number): CommandError {
  return new CommandError(
    "CRASHED",
    `Whatever ran it ended without a word, the last time in attempt ${attempts}`,
    { attempts },
  );
}

/** Whether an error says that there is no use in trying again. */
export function isFinalError(error: unknown): boolean {
  return typeof error === "object" && error !== null &&
    (error as { readonly final?: unknown }).final === true;
}
