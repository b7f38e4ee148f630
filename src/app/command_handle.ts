// Handles of commands: progress, result, cancel and status, from whichever process.

import { type CommandRecord, isFinal, type ProgressStep } from "../domain/command_record.ts";
import { progressJson } from "../domain/command_signal.ts";
import { cancelSubject, progressSubject, STATE_HEADER } from "../domain/command_subject.ts";
import { notFound, resultOf } from "../domain/command_error.ts";
import { ConflictError, TimeoutError } from "../domain/error.ts";
import { show } from "../domain/check.ts";
import type { Stamp } from "../domain/stamp.ts";
import type { BusStreams } from "./bus_streams.ts";
import { checkResultOptions } from "./command_input.ts";
import type { CommandRecords } from "./command_records.ts";
import type { Ending, Tracked } from "./command_tracked.ts";
import type { CommandTracker } from "./command_tracker.ts";
import type { CommandHandle, ResultOptions, SignalOptions } from "./command_types.ts";
import { leaveWord, takeOut } from "./command_withdrawn.ts";
import { unlessAborted } from "./pause.ts";
import { assertHere, type Runtime } from "./runtime.ts";

/** What handles are made of. */
export interface HandleParts {
  readonly runtime: Runtime;
  readonly records: CommandRecords;
  readonly tracker: CommandTracker;
  readonly streams: BusStreams;
  readonly stamp: Stamp;
  /** Who takes commands back with them. */
  readonly source: string;
}

/** How long reading or writing a record may take, in milliseconds. */
const RECORD_MS = 5_000;
const SIGNAL = ["signal"];

/** The handle of a command. */
export function handleOf(parts: HandleParts, tracked: Tracked): CommandHandle {
  const { id, service, command } = tracked;
  return Object.freeze({
    id,
    service,
    command,
    progress: (options: SignalOptions = {}) => {
      checkResultOptions(options, "of progress()", SIGNAL);
      return stepsOf(parts, tracked, options.signal);
    },
    result: async (options: ResultOptions = {}) => {
      checkResultOptions(options, "of result()");
      const ending = await endOf(parts, tracked, options);
      if ("error" in ending) throw ending.error;
      return "record" in ending ? resultOf(ending.record) : ending.result;
    },
    cancel: async (reason?: string, options: SignalOptions = {}) => {
      checkResultOptions(options, "of cancel()", SIGNAL);
      return await unlessAborted(options.signal, () => cancel(parts, tracked, reason));
    },
    status: async (options: SignalOptions = {}) => {
      checkResultOptions(options, "of status()", SIGNAL);
      const reading = () => parts.records.read(tracked.token);
      const { record } = await unlessAborted(options.signal, reading);
      if (record === undefined) throw notFound(id);
      return record;
    },
  });
}

/** How it ends, or an error once nobody waits for that any more. */
function endOf(
  { runtime, tracker }: HandleParts,
  tracked: Tracked,
  { timeoutMs = Infinity, signal }: ResultOptions,
): Promise<Ending> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    if (tracked.ending !== undefined) return resolve(tracked.ending);
    let stop = (): void => {};
    const leave = (): void => {
      stop();
      timer?.cancel();
      signal?.removeEventListener("abort", abort);
    };
    const abort = (): void => {
      leave();
      reject(signal!.reason);
    };
    const timer = timeoutMs === Infinity ? undefined : runtime.clock.setTimer(timeoutMs, () => {
      leave();
      const { command, service, id } = tracked;
      reject(
        new TimeoutError(
          `${command} of ${service} had not ended within ${timeoutMs} ms; it goes on, and its result can be asked for again`,
          { details: { id, waiting: true } },
        ),
      );
    });
    signal?.addEventListener("abort", abort, { once: true });
    try {
      stop = tracker.observe(tracked, {
        end: (ending) => {
          timer?.cancel();
          signal?.removeEventListener("abort", abort);
          resolve(ending);
        },
      });
    } catch (error) {
      // Nothing would be heard in this request: nobody waits.
      leave();
      reject(error);
    }
  });
}

/** The steps as they come, the latest where they come faster than they are taken. */
function stepsOf(
  { runtime, tracker }: HandleParts,
  tracked: Tracked,
  signal: AbortSignal | undefined,
): AsyncIterableIterator<ProgressStep> {
  let next: ProgressStep | undefined;
  let begun = false;
  let over = false;
  let stop = (): void => {};
  let waiting: (() => void)[] = [];
  const wake = (): void => {
    const woken = waiting;
    waiting = [];
    for (const resolve of woken) resolve();
  };
  const leave = (): void => {
    over = true;
    stop();
    signal?.removeEventListener("abort", leave);
    wake();
  };
  const begin = (): void => {
    stop = tracker.observe(tracked, {
      step: (step) => {
        next = step;
        wake();
      },
      end: leave,
    });
    begun = true;
    if (!over) signal?.addEventListener("abort", leave, { once: true });
    next ??= tracked.last;
  };
  const steps: AsyncIterableIterator<ProgressStep> = {
    async next() {
      signal?.throwIfAborted();
      if (!begun && !over) begin();
      if (next === undefined && !over) assertHere(runtime);
      while (next === undefined && !over) {
        await new Promise<void>((resolve) => waiting.push(resolve));
      }
      signal?.throwIfAborted();
      if (next === undefined) return { done: true, value: undefined };
      const value = next;
      next = undefined;
      return { done: false, value };
    },
    return() {
      try {
        if (begun && !over) assertHere(runtime);
        leave();
        next = undefined;
        return Promise.resolve({ done: true, value: undefined });
      } catch (error) {
        return Promise.reject(error);
      }
    },
    [Symbol.asyncIterator]: () => steps,
  };
  return steps;
}

async function cancel(
  { runtime, records, tracker, streams, stamp, source }: HandleParts,
  tracked: Tracked,
  reason: string | undefined,
): Promise<CommandRecord> {
  if (reason !== undefined && typeof reason !== "string") {
    throw new TypeError(
      `Cannot use ${show(reason)} as the reason to cancel a command: it must be a string`,
    );
  }
  const { id, token } = tracked;
  const { clock, transport } = runtime;
  const isTold = () => tracked.ending !== undefined && "result" in tracked.ending;
  for (;;) {
    const told = isTold();
    const { record, revision, codec = runtime.codec } = await records.read(token);
    if (record === undefined) throw notFound(id);
    // A service of the original's tells its result and writes no record: that one is done as well.
    if (isFinal(record.state) || told) {
      tracker.known(tracked, record);
      return record;
    }
    // It has ended while its record was read, which may be that of before.
    if (isTold()) continue;
    const now = clock.now();
    const cancelled: CommandRecord = {
      ...record,
      state: "cancelled",
      cancelledBy: source,
      reason,
      finishedAt: now,
      updatedAt: now,
      dueAt: undefined,
    };
    // First the word: whoever reads in the record that it is cancelled removes it.
    const unsay = await leaveWord(runtime, streams, stamp, { token, record, revision });
    try {
      await records.write(token, cancelled, revision, {
        codec,
        expiresAt: clock.monotonic() + RECORD_MS,
      });
    } catch (error) {
      if (!ConflictError.is(error)) throw error;
      // It has begun, gone on or ended meanwhile.
      await unsay();
      continue;
    }
    tracker.known(tracked, cancelled);
    const headers = { [STATE_HEADER]: "cancelled" };
    const ended = progressJson({
      commandId: id,
      percent: record.percent,
      status: "cancelled",
      timestampMs: now,
    });
    try {
      // Whoever does not hear of it finds it in the record.
      const body = JSON.stringify({ reason, by: source });
      transport.messaging.publish(cancelSubject(token), body, undefined, headers);
      transport.messaging.publish(progressSubject(token), ended, undefined, headers);
    } catch {
      // The bus has just gone away.
    }
    await takeOut(streams, record);
    return cancelled;
  }
}
