// Withdrawn commands: of what is taken back before it begins there is word in its queue as well, for a message waits there
// until an instance comes, and its record may be gone by then.

import type { CommandRecord } from "../domain/command_record.ts";
import { commandStream, RECORD_HEADER, withdrawnSubject } from "../domain/command_subject.ts";
import type { Stamp } from "../domain/stamp.ts";
import type { BusStreams } from "./bus_streams.ts";
import type { CommandRun } from "./command_run.ts";

/** How long the word may take, in milliseconds. */
const WORD_MS = 2_000;

/** What is known of one that is about to be taken back. */
export interface Withdrawal {
  readonly token: string;
  readonly record: CommandRecord;
  readonly revision: number;
}

/** Whether no instance has ever had a command. */
export function neverBegan({ sequence }: CommandRecord): boolean {
  return sequence === undefined;
}

/**
 * Leaves word that a command which has not begun is not to; what is given takes the word back. Best effort: where it cannot
 * be left, the record says so for as long as it is kept.
 */
export async function leaveWord(
  streams: BusStreams,
  stamp: Stamp,
  { token, record, revision }: Withdrawal,
): Promise<() => Promise<void>> {
  const nothing = () => Promise.resolve();
  if (!neverBegan(record)) return nothing;
  const { service } = record;
  try {
    const stream = await streams.name(`commands.${service}`, stamp);
    // Somebody else's may delete a command to make room for the word.
    if (stream !== commandStream(service)) return nothing;
    const { store } = streams.ports;
    const headers = { [RECORD_HEADER]: String(revision) };
    const left = await store.publish(withdrawnSubject(service, token), "", headers, WORD_MS);
    return async () => {
      await store.remove(stream, left.sequence).catch(() => undefined);
    };
  } catch {
    return nothing;
  }
}

/** Takes a command that has begun before out of its queue: whoever has it hears of its end in another way. Best effort. */
export async function takeOut(streams: BusStreams, record: CommandRecord): Promise<void> {
  const { stream, sequence } = record;
  if (stream === undefined || sequence === undefined) return;
  await streams.ports.store.remove(stream, sequence).catch(() => undefined);
}

/** Whether there is word of a command that has no record any more. */
export async function isWithdrawn(streams: BusStreams, run: CommandRun): Promise<boolean> {
  const record = run.header(RECORD_HEADER);
  // What came without a record was never taken back by it.
  if (record === undefined) return false;
  const word = await streams.ports.store.last(run.stream, withdrawnSubject(run.service, run.token));
  return word?.headers[RECORD_HEADER] === record;
}

/** Removes the word of a command that is taken out of its queue. Best effort. */
export async function removeWord(
  streams: BusStreams,
  { stream, service, token }: CommandRun,
): Promise<void> {
  const { store } = streams.ports;
  try {
    const word = await store.last(stream, withdrawnSubject(service, token));
    if (word !== undefined) await store.remove(stream, word.sequence);
  } catch {
    // It lies there, of no use and no harm to any other command.
  }
}
