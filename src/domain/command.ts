// Commands: work that somebody is asked to do, as it stands in the queue; read strictly and written to the byte.

import {
  type Envelope,
  EnvelopeReader,
  envelopeValue,
  float,
  type FreshFields,
  isRecord,
  quote,
  quoteOrNull,
} from "./envelope.ts";
import { flatCopy } from "./flat.ts";
import { assertShape } from "./shape.ts";

/** How urgent a command is. */
export type Priority = "low" | "normal" | "high" | "critical";

/** All priorities, the most urgent first. */
export const PRIORITIES: readonly Priority[] = ["critical", "high", "normal", "low"];

/** What is asked for, as the wire has it. */
export interface CommandMessage extends Envelope {
  /** What is to be done. */
  readonly command: string;
  /** What it is to be done with. */
  readonly payload: Readonly<Record<string, unknown>>;
  /** How urgent it is. */
  readonly priority: Priority;
  /** How often it is tried again after a failure. */
  readonly maxRetries: number;
  /** How long one attempt may take, in milliseconds. */
  readonly timeoutMs: number;
}

/** How often a command is tried again where nobody says. */
export const DEFAULT_MAX_RETRIES = 3;
/** How long an attempt may take where nobody says, in milliseconds. */
export const DEFAULT_COMMAND_TIMEOUT_MS = 300_000;

/** The command as JSON, its keys in the order of the protocol. `payloadJson` is the JSON of the payload. */
export function commandJson(command: CommandMessage, payloadJson: string): string {
  const { middle, tail } = frameOf(command);
  return `{"message_id":${quote(command.messageId)},"trace_id":${
    quote(command.traceId)
  },"correlation_id":${
    // Not by quoteOrNull(), which keeps what it quotes: it is for names, and an id comes once.
    command.correlationId === null ? "null" : quote(
      command.correlationId,
    )},"timestamp":"${command.timestamp}${middle}${payloadJson}${tail}`;
}

/** What lies between time stamp and payload and what follows it: the same for all commands of a kind and a sender. */
interface Frame extends
  Pick<
    CommandMessage,
    "source" | "target" | "command" | "priority" | "maxRetries" | "timeoutMs"
  > {
  readonly middle: string;
  readonly tail: string;
}

let frame: Frame | undefined;

/** The frame of a command, put together once for those that follow one another, as that of events is. */
function frameOf(message: CommandMessage): Frame {
  const { source, target, command, priority, maxRetries, timeoutMs } = message;
  if (
    frame === undefined || frame.command !== command || frame.priority !== priority ||
    frame.maxRetries !== maxRetries || frame.timeoutMs !== timeoutMs || frame.source !== source ||
    frame.target !== target
  ) {
    const middle = `","source":${quoteOrNull(source)},"target":${quoteOrNull(target)},"command":${
      quoteOrNull(command)
    },"payload":`;
    const tail = `,"priority":"${priority}","max_retries":${maxRetries},"timeout":${
      float(timeoutMs / 1_000)
    }}`;
    frame = {
      source,
      target,
      command,
      priority,
      maxRetries,
      timeoutMs,
      middle: flatCopy(middle),
      tail,
    };
  }
  return frame;
}

/** The command as the object that a codec encodes. */
export function commandValue(command: CommandMessage): Record<string, unknown> {
  return {
    ...envelopeValue(command),
    command: command.command,
    payload: command.payload,
    priority: command.priority,
    max_retries: command.maxRetries,
    timeout: command.timeoutMs / 1_000,
  };
}

/**
 * The command that a decoded body holds. `fresh` gives the trace id and the time stamp that it lacks.
 *
 * It gives no id: where the body has none, `messageId` is `""`. A command is stored, and what is delivered again must be
 * the same command again, so whoever reads it derives an id from where it is stored.
 *
 * A whole `max_retries` written as a float, such as 3.0, is refused by the original and taken here: JavaScript cannot tell
 * it from 3.
 *
 * @throws {ValidationError} when it holds none; `issues` name each field.
 */
export function readCommand(body: unknown, fresh: FreshFields): CommandMessage {
  const reader = new EnvelopeReader(body, "a command");
  let command = "", priority: Priority = "normal";
  let maxRetries = DEFAULT_MAX_RETRIES, timeout = DEFAULT_COMMAND_TIMEOUT_MS / 1_000;
  let payload: Record<string, unknown> = {};
  for (const key in reader.body) {
    const value = reader.body[key];
    if (reader.envelope(key, value)) continue;
    if (key === "command") {
      if (typeof value === "string") command = value.trim();
      else reader.wrong(key, "a string", value);
    } else if (key === "payload") {
      if (isRecord(value)) payload = value;
      else reader.wrong(key, "an object", value);
    } else if (key === "priority") {
      if (isPriority(value)) priority = value;
      else reader.wrong(key, '"low", "normal", "high" or "critical"', value);
    } else if (key === "max_retries") {
      const count = countOf(value);
      if (count !== undefined) maxRetries = count;
      else reader.wrong(key, "an integer of 0 or more", value);
    } else if (key === "timeout") {
      if (typeof value === "number" && value > 0 && value < Infinity) timeout = value;
      else reader.wrong(key, "a number of seconds over 0", value);
    } else reader.unknown(key);
  }
  // Where it is there and no string, that was said above.
  if (command === "" && ["undefined", "string"].includes(typeof reader.body.command)) {
    reader.wrong("command", "a name", command);
  }
  // The id becomes part of subjects, where half a surrogate pair has no bytes: two ids would have one record.
  if (reader.messageId?.isWellFormed() === false) {
    reader.wrong("message_id", "text without half a surrogate pair", reader.messageId);
  }
  reader.check();
  assertShape(payload, 2);
  return {
    messageId: reader.messageId ?? "",
    traceId: reader.traceId ?? fresh.traceId(),
    correlationId: reader.correlationId,
    timestamp: reader.timestamp ?? fresh.timestamp(),
    source: reader.source,
    target: reader.target,
    command,
    payload,
    priority,
    maxRetries,
    // A number of seconds near the greatest would be infinite in milliseconds, which is no deadline.
    timeoutMs: Math.min(timeout * 1_000, Number.MAX_SAFE_INTEGER),
  };
}

/** Whether a value is a priority. */
export function isPriority(value: unknown): value is Priority {
  return (PRIORITIES as readonly unknown[]).includes(value);
}

/** A number of retries: the greatest that is exact for all beyond it, which MessagePack reads as a `bigint`. */
function countOf(value: unknown): number | undefined {
  if (typeof value !== "bigint" && !Number.isInteger(value)) return undefined;
  const count = Number(value);
  // Python reads -0 as 0, and so would write it.
  return count >= 0 ? Math.min(count, Number.MAX_SAFE_INTEGER) + 0 : undefined;
}

/** When a command was sent, in milliseconds since the epoch on its sender's clock; 0 where that is no time. */
export function sentAt({ timestamp }: CommandMessage): number {
  return Date.parse(timestamp) || 0;
}
