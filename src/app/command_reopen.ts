// Commands that are found again: by their id, or as dead letters, which get another run.

import { readCommand, sentAt } from "../domain/command.ts";
import { notFound } from "../domain/command_error.ts";
import { assertCommandId, isCommandId, tokenOf } from "../domain/command_id.ts";
import { type CommandRecord, type CommandState, pendingRecord } from "../domain/command_record.ts";
import { parseCommandSubject, RECORD_HEADER } from "../domain/command_subject.ts";
import { ConflictError } from "../domain/error.ts";
import type { CommandRecords } from "./command_records.ts";
import { codecOf, decodeBody, type Runtime } from "./runtime.ts";

/** How long writing a record may take, in milliseconds. */
const RECORD_MS = 5_000;
/** How a command stands of which a dead letter tells. One that is completed may have been tried again since. */
const DEAD: readonly CommandState[] = ["failed", "timed_out"];

/** The record of a command. @throws {AegisError} with code `COMMAND_NOT_FOUND`. */
export async function find(
  records: CommandRecords,
  id: string,
): Promise<{ readonly record: CommandRecord; readonly token: string }> {
  assertCommandId(id);
  const token = tokenOf(id);
  const { record } = await records.read(token);
  if (record === undefined) throw notFound(id);
  return { record, token };
}

/**
 * Writes into the record of a dead command that it waits, with all its attempts; the headers that it is published with.
 *
 * Undefined where it was done or taken back after that: the dead letter is of no use any more.
 *
 * @throws {ConflictError} when it waits or runs: it was sent or replayed again.
 */
export async function reopen(
  runtime: Runtime,
  records: CommandRecords,
  { id: letter, subject, service }: {
    readonly id: string;
    readonly subject: string;
    readonly service: string;
  },
  body: Uint8Array,
): Promise<Record<string, string> | undefined> {
  const read = readBody(runtime, subject, body);
  // One that nobody can read has no record.
  if (read === undefined || !isCommandId(read.command.messageId)) return {};
  const { command, codec } = read;
  const { messageId: id, priority, maxRetries, timeoutMs } = command;
  const token = tokenOf(id);
  // One that is damaged keeps nobody from another run.
  const { record, revision } = await records.readAtHand(token);
  const createdAt = sentAt(command);
  // Whoever replayed it before may have ended before it was published: then it is published now, and runs once.
  const begun = record?.state === "pending" && record.sequence === undefined &&
    record.createdAt === createdAt;
  if (record?.state === "completed" || record?.state === "cancelled") return undefined;
  if (record !== undefined && !begun && !DEAD.includes(record.state)) {
    throw new ConflictError(
      `Cannot replay dead letter ${letter}: command ${id} is ${record.state}, since it was sent or replayed again`,
      { details: { id, state: record.state } },
    );
  }
  const facts = {
    id,
    service: parseCommandSubject(subject)?.service ?? service,
    command: command.command,
    priority,
    maxRetries,
    timeoutMs,
    createdAt,
  };
  const written = begun ? revision : await records.write(
    token,
    pendingRecord(facts, undefined),
    revision,
    { codec, expiresAt: runtime.clock.monotonic() + RECORD_MS },
  );
  return { "Nats-Msg-Id": `${token}:${written}`, [RECORD_HEADER]: String(written) };
}

function readBody(runtime: Runtime, subject: string, data: Uint8Array) {
  const message = { subject, data };
  try {
    const codec = codecOf(runtime, message);
    return { command: readCommand(decodeBody(codec, message), runtime.fresh), codec };
  } catch {
    return undefined;
  }
}
