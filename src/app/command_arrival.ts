// Arrivals: what a delivery of a command holds, and how one goes back that does not begin here.

import { readCommand } from "../domain/command.ts";
import { isCommandId, tokenOf } from "../domain/command_id.ts";
import { claimStep } from "../domain/command_record.ts";
import { ValidationError } from "../domain/error.ts";
import type { Delivery } from "../ports/stream.ts";
import type { CommandRecords } from "./command_records.ts";
import type { CommandRun } from "./command_run.ts";
import { codecOf, decodeBody, type Runtime } from "./runtime.ts";

/** What the body of a delivery holds. */
export type ReadCommand = Pick<CommandRun, "command" | "token" | "codec">;

/** Reads a delivery of `stream` to the handler of `command`. @throws {ValidationError | SerializationError} */
export function readDelivery(
  runtime: Runtime,
  command: string,
  stream: string,
  { message, sequence }: Delivery,
): ReadCommand {
  const codec = codecOf(runtime, message);
  const read = readCommand(decodeBody(codec, message), runtime.fresh);
  if (read.command !== command) {
    throw new ValidationError(
      `Cannot read a command: it came as ${command}, and its body says ${read.command}`,
    );
  }
  // The same for every delivery, so that its record is found again.
  const messageId = read.messageId === "" ? `${stream}-${sequence}` : read.messageId;
  if (!isCommandId(messageId)) {
    throw new ValidationError("Cannot read a command: its id is too long to keep a record of it");
  }
  return { command: { ...read, messageId }, token: tokenOf(messageId), codec };
}

/**
 * Gives a delivery back; false where that would take the command from somebody. A server that was killed forgets its last
 * deliveries and makes them again, to whoever asks, and each one that goes back counts: the next instance to have it would
 * take that for the end of an ack wait. False too where nobody can tell.
 */
export async function goesBack(
  records: CommandRecords,
  { token, stream, delivery: { sequence, attempt: delivery } }: Pick<
    CommandRun,
    "token" | "stream" | "delivery"
  >,
): Promise<boolean> {
  try {
    const { record } = await records.readAtHand(token);
    return claimStep(record, { stream, sequence, delivery }, Infinity, 0) !== "held";
  } catch {
    // The bus is away, or the server cannot say: it comes again after its ack wait.
    return false;
  }
}

/**
 * How long one rests that comes for the `attempt`th time and finds no slot, in milliseconds. What was asked for cannot be
 * taken back when other commands take the slots, and so would fetch it again and again; but while it rests nobody else has
 * it either, and its queue must not be taken for empty.
 */
export function restOf(attempt: number): number {
  return attempt < 3 ? 0 : Math.min(16, 2 ** (attempt - 3));
}
