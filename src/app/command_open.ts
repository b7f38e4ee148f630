// Opening: the record of a command is there before the command is, and what is sent twice with one id has one.

import { show } from "../domain/check.ts";
import { type CommandFacts, type CommandRecord, pendingRecord } from "../domain/command_record.ts";
import { AegisError, ConflictError, UnavailableError } from "../domain/error.ts";
import type { CommandRecords, WriteOptions } from "./command_records.ts";

/** What opening came to. */
export interface Opened {
  /** The revision of the record that waits for the command; undefined where the command is in its queue, or was. */
  readonly revision: number | undefined;
  /** Whether it was written for this sending. */
  readonly fresh: boolean;
  /** The record that was there before. */
  readonly record: CommandRecord | undefined;
}

/**
 * Writes the record of a command that is about to be sent, or finds that of the same one.
 *
 * @throws {ConflictError} when another command has that id.
 * @throws {UnavailableError} when it could not be written in time: then the command was not sent.
 */
export async function openRecord(
  records: CommandRecords,
  token: string,
  facts: CommandFacts,
  dueAt: number | undefined,
  options: WriteOptions,
): Promise<Opened> {
  const pending = pendingRecord(facts, dueAt);
  try {
    for (let expected = 0;;) {
      try {
        const revision = await records.write(token, pending, expected, options);
        return { revision, fresh: true, record: undefined };
      } catch (error) {
        if (!ConflictError.is(error)) throw error;
        const { record, revision } = await records.readUntil(token, options);
        if (record !== undefined) return sameCommand(record, revision, facts, error);
        // Its record was removed: what is sent now is new, unless somebody else is faster again.
        expected = revision;
      }
    }
  } catch (error) {
    if (!AegisError.is(error)) throw error;
    if (error.code !== "TIMEOUT" && error.code !== "SERVICE_UNAVAILABLE") throw error;
    const { service, command } = facts;
    throw new UnavailableError(
      `Cannot send ${command} to ${service} in time: its record is not known to be written; send it again`,
      { cause: error, details: { id: facts.id, sent: false } },
    );
  }
}

function sameCommand(
  record: CommandRecord,
  revision: number,
  { id, service, command }: CommandFacts,
  cause: unknown,
): Opened {
  if (record.service !== service || record.command !== command) {
    throw new ConflictError(
      `Cannot send ${command} to ${service} with the id ${
        show(id)
      }: ${record.command} of ${record.service} was sent with it`,
      { cause, details: { id, service: record.service, command: record.command } },
    );
  }
  // Only one that no instance has ever had may have been lost on the way to its queue.
  const lost = record.state === "pending" && record.sequence === undefined;
  return { revision: lost ? revision : undefined, fresh: false, record };
}
