// Withdrawn commands: of what is taken back before it begins there is word in its queue as well, for a message waits there
// until an instance comes, and its record may be gone by then.

import type { CommandRecord } from "../domain/command_record.ts";
import { AegisError } from "../domain/error.ts";
import { commandStream, RECORD_HEADER, withdrawnSubject } from "../domain/command_subject.ts";
import type { Stamp } from "../domain/stamp.ts";
import type { BusStreams } from "./bus_streams.ts";
import type { CommandRun } from "./command_run.ts";
import { pause } from "./pause.ts";
import type { Runtime } from "./runtime.ts";

/** How long the word may take, in milliseconds. */
const WORD_MS = 2_000;
/** How long it is tried to take it back, and how often. */
const UNSAY_MS = 10_000;
const AGAIN_MS = 250;
/** What the broker cannot do now, and can do again. */
const PASSING: readonly string[] = ["SERVICE_UNAVAILABLE", "TIMEOUT"];

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
 * Leaves word that a command which has not begun is not to; what is given takes the word back. Where it cannot be left, the
 * record says so for as long as it is kept.
 */
export async function leaveWord(
  runtime: Runtime,
  streams: BusStreams,
  stamp: Stamp,
  { token, record, revision }: Withdrawal,
): Promise<() => Promise<void>> {
  const nothing = () => Promise.resolve();
  if (!neverBegan(record)) return nothing;
  const { service } = record;
  let stream: string;
  try {
    stream = await streams.name(`commands.${service}`, stamp);
  } catch {
    return nothing;
  }
  // Somebody else's may delete a command to make room for the word.
  if (stream !== commandStream(service)) return nothing;
  const { store } = streams.ports;
  const subject = withdrawnSubject(service, token);
  const headers = { [RECORD_HEADER]: String(revision), "Nats-Msg-Id": runtime.random.uuid() };
  let sequence: number | undefined;
  // Asked for again it says where the first one is, if that was stored.
  const put = async (): Promise<number> =>
    sequence ??= (await store.publish(subject, "", headers, WORD_MS)).sequence;
  try {
    await put();
  } catch (error) {
    if (!AegisError.is(error) || error.details.sent === false) return nothing;
  }
  return async () => {
    const end = runtime.clock.monotonic() + UNSAY_MS;
    const remove = async (): Promise<unknown> => await store.remove(stream, await put());
    while (!await isDone(remove) && runtime.clock.monotonic() < end) await pause(runtime, AGAIN_MS);
  };
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

/**
 * Removes the word of a command that is about to leave its queue; false when the broker cannot do that now. Who may not do
 * it leaves it there, where it is of no harm to any other command.
 */
export function removeWord(
  streams: BusStreams,
  { stream, service, token }: CommandRun,
): Promise<boolean> {
  const { store } = streams.ports;
  const subject = withdrawnSubject(service, token);
  return isDone(async () => {
    for (let word; (word = await store.last(stream, subject)) !== undefined;) {
      await store.remove(stream, word.sequence);
    }
  });
}

/** Whether it is done, or cannot be at all. */
async function isDone(work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    return !AegisError.is(error) || !PASSING.includes(error.code);
  }
}
