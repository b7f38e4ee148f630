// Commands that cannot be read: a dead letter each, and an end for whoever has sent them and waits.

import type { Priority } from "../domain/command.ts";
import { failureOf } from "../domain/command_error.ts";
import { idOf } from "../domain/command_id.ts";
import { isFinal, pendingRecord } from "../domain/command_record.ts";
import { progressJson } from "../domain/command_signal.ts";
import { progressSubject, RECORD_HEADER, STATE_HEADER } from "../domain/command_subject.ts";
import { ConflictError } from "../domain/error.ts";
import type { Delivery } from "../ports/stream.ts";
import type { CommandHandler } from "./command.ts";
import type { CommandRecords } from "./command_records.ts";
import type { DeadLetterWriter } from "./dead_letter_writer.ts";
import type { Runtime } from "./runtime.ts";

/** What they are ended with. */
export interface UnreadParts {
  readonly runtime: Runtime;
  readonly service: string;
  readonly instanceId: string;
  readonly records: CommandRecords;
}

/** The queue that one came from. */
export interface UnreadQueue {
  readonly handler: CommandHandler;
  readonly priority: Priority;
  readonly deadLetters: DeadLetterWriter;
}

/** How soon one comes again whose dead letter or record could not be written, in milliseconds. */
const AGAIN_MS = 10_000;
const RECORD_MS = 5_000;

/** Makes a dead letter of a command that nobody can read, and ends its record, if its sender has written one. */
export async function buryUnread(
  parts: UnreadParts,
  queue: UnreadQueue,
  delivery: Delivery,
  error: unknown,
): Promise<void> {
  try {
    await queue.deadLetters.write(delivery, delivery.attempt, "unreadable", error);
    await endRecord(parts, queue, delivery, error);
    delivery.term();
  } catch (fault) {
    parts.runtime.logger.warn("A command that cannot be read comes again", { error: fault });
    delivery.giveBack(AGAIN_MS);
  }
}

async function endRecord(
  { runtime, service, instanceId, records }: UnreadParts,
  { handler, priority }: UnreadQueue,
  { message, attempt }: Delivery,
  error: unknown,
): Promise<void> {
  const { messaging } = runtime.transport;
  // The id is in the body; the headers of this SDK's senders say which record it has.
  const revision = messaging.header(message, RECORD_HEADER);
  const name = messaging.header(message, "Nats-Msg-Id");
  if (revision === undefined || name === undefined || !name.endsWith(`:${revision}`)) return;
  const token = name.slice(0, -revision.length - 1);
  const id = idOf(token);
  if (id === undefined) return;
  const now = runtime.clock.now();
  for (;;) {
    const kept = await records.readAtHand(token);
    if (kept.record !== undefined && isFinal(kept.record.state)) break;
    const facts = { id, service, command: handler.command, priority };
    const record = kept.record ??
      pendingRecord({ ...facts, maxRetries: 0, timeoutMs: 0, createdAt: now }, undefined);
    try {
      await records.write(
        token,
        {
          ...record,
          state: "failed",
          error: failureOf(error),
          instanceId,
          delivery: attempt,
          finishedAt: now,
          updatedAt: now,
        },
        kept.revision,
        {
          codec: kept.codec ?? runtime.codec,
          expiresAt: runtime.clock.monotonic() + RECORD_MS,
        },
      );
      break;
    } catch (fault) {
      // Somebody has taken it back meanwhile.
      if (!ConflictError.is(fault)) throw fault;
    }
  }
  const told = progressJson({ commandId: id, percent: 0, status: "failed", timestampMs: now });
  messaging.publish(progressSubject(token), told, undefined, { [STATE_HEADER]: "failed" });
}
