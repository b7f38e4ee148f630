// Signals of commands: how far one is, that it is done, and that it is not wanted any more. Each goes out once, to whoever
// listens; what must not be lost is in the command's record.

import { float, isRecord, quote } from "./envelope.ts";
import { ValidationError } from "./error.ts";
import { assertShape } from "./shape.ts";

/** How far a command is. */
export interface CommandProgress {
  /** The command's id. */
  readonly commandId: string;
  /** How much of it is done, in percent; a finite number. */
  readonly percent: number;
  /** What is being done, for people. */
  readonly status: string;
  /** When that was, in milliseconds since the epoch on the clock of the instance; 0 where it did not say. */
  readonly timestampMs: number;
}

/** That a command is done. */
export interface CommandCompletion {
  /** The command's id. */
  readonly commandId: string;
  /** What came of it. */
  readonly result: unknown;
}

/** That a command is not wanted any more. */
export interface CommandCancel {
  /** Why. */
  readonly reason?: string;
  /** Who says so. */
  readonly by?: string;
}

/** What the protocol says of a command that is done. The original sends nothing for others. */
const COMPLETED = "completed";

/** Progress as JSON, its keys in the order of the protocol. */
export function progressJson(progress: CommandProgress): string {
  return `{"command_id":${quote(progress.commandId)},"progress":${progress.percent},"status":${
    quote(progress.status)
  },"timestamp":${float(progress.timestampMs / 1_000)}}`;
}

/** Progress as the object that a codec encodes. */
export function progressValue(progress: CommandProgress): Record<string, unknown> {
  return {
    command_id: progress.commandId,
    progress: progress.percent,
    status: progress.status,
    timestamp: progress.timestampMs / 1_000,
  };
}

/** That a command is done, as JSON. `resultJson` is the JSON of its result. */
export function completionJson(commandId: string, resultJson: string): string {
  return `{"command_id":${quote(commandId)},"status":"${COMPLETED}","result":${resultJson}}`;
}

/** That a command is done, as the object that a codec encodes. */
export function completionValue(commandId: string, result: unknown): Record<string, unknown> {
  // What a handler that returns nothing gives is null; a codec would leave an undefined key out.
  return { command_id: commandId, status: COMPLETED, result: result ?? null };
}

/**
 * The progress that a decoded body holds; undefined when it holds none. Anybody may send one: fields that are not known
 * are ignored, and the percentage is whatever finite number was sent.
 */
export function readProgress(body: unknown): CommandProgress | undefined {
  if (!isRecord(body)) return undefined;
  const { command_id: commandId, progress: percent, status, timestamp } = body;
  if (typeof commandId !== "string" || commandId === "" || !isNumber(percent)) return undefined;
  return {
    commandId,
    percent,
    status: typeof status === "string" ? status : "",
    timestampMs: isNumber(timestamp) ? timestamp * 1_000 : 0,
  };
}

/**
 * The completion that a decoded body holds; undefined when it holds none, or a result that no honest sender writes. Fields
 * that are not known are ignored.
 */
export function readCompletion(body: unknown): CommandCompletion | undefined {
  if (!isRecord(body)) return undefined;
  const { command_id: commandId, status, result = null } = body;
  if (typeof commandId !== "string" || commandId === "" || status !== COMPLETED) return undefined;
  try {
    assertShape(result, 2);
  } catch (error) {
    if (error instanceof ValidationError) return undefined;
    throw error;
  }
  return { commandId, result };
}

/**
 * What a decoded body says of a cancel; undefined when it is no cancel. A message without a body is one, for which
 * `body` is `undefined`: then nobody has said why, or who. What is not text is ignored.
 */
export function readCancel(body: unknown): CommandCancel | undefined {
  if (body === undefined || body === null) return {};
  if (!isRecord(body)) return undefined;
  const { reason, by } = body;
  return {
    ...(typeof reason === "string" ? { reason } : {}),
    ...(typeof by === "string" ? { by } : {}),
  };
}

function isNumber(value: unknown): value is number {
  return Number.isFinite(value);
}
