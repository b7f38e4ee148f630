// Endings: how an attempt ends for everybody else: its record first, then whoever waits for it, then the queue.

import { failureOf } from "../domain/command_error.ts";
import { type CommandRecord, type CommandState, isFinal } from "../domain/command_record.ts";
import { completionJson, completionValue, progressJson } from "../domain/command_signal.ts";
import { callbackSubject, progressSubject, STATE_HEADER } from "../domain/command_subject.ts";
import type { DeadLetterReason } from "../domain/dead_letter.ts";
import { AegisError, SerializationError } from "../domain/error.ts";
import { assertWritten } from "../domain/written.ts";
import type { BusStreams } from "./bus_streams.ts";
import type { Cancel } from "./command_cancels.ts";
import type { Done } from "./command_claim.ts";
import type { CommandLedger, Written } from "./command_ledger.ts";
import type { CommandRun } from "./command_run.ts";
import { removeWord } from "./command_withdrawn.ts";
import type { DeadLetterWriter } from "./dead_letter_writer.ts";
import { pause } from "./pause.ts";
import type { Runtime } from "./runtime.ts";

/** What endings are made with. */
export interface EndingsParts {
  readonly runtime: Runtime;
  readonly streams: BusStreams;
  readonly ledger: CommandLedger;
  /** Those of the queue that a command came from. */
  readonly deadLettersOf: (run: CommandRun) => DeadLetterWriter;
  /** Whether the instance stops. */
  readonly isStopping: () => boolean;
}

/** What becomes of a record; `lean` where it must be small. */
type Change = (record: CommandRecord, lean: boolean) => CommandRecord;

/** How soon a dead letter is tried again that could not be stored, in milliseconds. */
const DEAD_LETTER_RETRY_MS = 2_000;
/** How soon a command comes again whose word could not be removed, in milliseconds. */
const WORD_RETRY_MS = 1_000;

/** Ends attempts. Each resolves when it is done, or nobody can do it any more, and never rejects. */
export class CommandEndings {
  readonly #parts: EndingsParts;
  #trouble: Error | undefined;

  constructor(parts: EndingsParts) {
    this.#parts = parts;
  }

  /** Why the last dead letter is not stored, if it is not. */
  get trouble(): Error | undefined {
    return this.#trouble;
  }

  /** It has come to a result. */
  async completed(run: CommandRun, result: unknown): Promise<void> {
    let error: AegisError | undefined;
    await this.#guard(run, async () => {
      // A record would leave it out as a part of itself.
      assertWritten(result, "written");
      const kept = await this.#write(run, "completed", (record) => ({
        ...record,
        percent: 100,
        result: result ?? null,
        error: undefined,
      }));
      if (!kept) return;
      this.#tellResult(run, result);
      run.delivery.ack();
    }, (fault) => error = fault);
    // A result that no record can hold will be the same the next time.
    if (error === undefined) return;
    const { service, handler } = run;
    const reason = new SerializationError(
      `The result of ${handler.command} of ${service} cannot be kept: ${error.message}`,
      {
        cause: error,
        ...(error.code === "PAYLOAD_TOO_LARGE" ? { code: "PAYLOAD_TOO_LARGE" } : {}),
      },
    );
    await this.failed(run, "failed", reason);
  }

  /** It has failed, and is tried again after a while. */
  async retrying(run: CommandRun, error: unknown, delayMs: number): Promise<void> {
    await this.#guard(run, async () => {
      const { clock } = this.#parts.runtime;
      const written = await this.#writeStep(run, (record, lean) => ({
        ...record,
        state: "retrying",
        error: failureOf(error, lean),
        dueAt: clock.now() + Math.ceil(delayMs),
        updatedAt: clock.now(),
      }));
      if (written.kind === "written") run.delivery.giveBack(delayMs);
      else if (written.kind === "ended") run.delivery.ack();
    });
  }

  /** It has failed for good. */
  async failed(
    run: CommandRun,
    reason: DeadLetterReason,
    error: unknown,
    state: "failed" | "timed_out" = "failed",
  ): Promise<void> {
    await this.#guard(run, async () => {
      // First the dead letter: whoever reads in the record that it failed finds it there.
      const buried = await this.#bury(run, reason, error);
      if (buried === "over") return;
      if (buried === "not") return run.delivery.giveBack(DEAD_LETTER_RETRY_MS);
      const kept = await this.#write(run, state, (record, lean) => ({
        ...record,
        error: failureOf(error, lean),
      }));
      if (!kept) return;
      this.#tellEnd(run, state);
      run.delivery.term();
    });
  }

  /** It was taken back. */
  async cancelled(run: CommandRun, { recorded, by, reason }: Cancel): Promise<void> {
    if (recorded) return run.delivery.ack();
    await this.#guard(run, async () => {
      const kept = await this.#write(run, "cancelled", (record) => ({
        ...record,
        cancelledBy: by,
        reason,
      }));
      if (!kept) return;
      this.#tellEnd(run, "cancelled");
      run.delivery.ack();
    });
  }

  /** Another instance is to run it, which this one has not begun. */
  givenBack(run: CommandRun): Promise<void> {
    return this.#passOn(run, 0);
  }

  /** Another instance is to run it, which this one has begun: it stops, or leads no longer, and its attempt does not count. */
  handedOver(run: CommandRun): Promise<void> {
    return this.#passOn(run, 1);
  }

  async #passOn(run: CommandRun, handovers: 0 | 1): Promise<void> {
    const { clock } = this.#parts.runtime;
    await this.#guard(run, async () => {
      const written = await this.#writeStep(run, (record) => ({
        ...record,
        state: "pending",
        attempts: Math.max(0, record.attempts - 1),
        handovers: record.handovers + handovers,
        instanceId: undefined,
        updatedAt: clock.now(),
      }));
      if (written.kind === "written") run.delivery.giveBack(0);
      else if (written.kind === "ended") run.delivery.ack();
    });
  }

  /**
   * It had ended before: whoever waits for it may not have heard of that. Word that it was taken back leaves the queue before
   * the message, which comes again where that cannot be, and so with it; word that alone says so leaves after it.
   */
  async again(run: CommandRun, { record, word }: Done): Promise<void> {
    const { streams } = this.#parts;
    if (word === "beside" && !await removeWord(streams, run)) {
      return run.delivery.giveBack(WORD_RETRY_MS);
    }
    if (record.state === "completed") this.#tellResult(run, record.result);
    else if (isFinal(record.state)) this.#tellEnd(run, record.state);
    run.delivery.ack();
    if (word === "alone") await removeWord(streams, run);
  }

  /** Writes the last record; false where it is not this instance's to write any more. */
  async #write(
    run: CommandRun,
    state: CommandState,
    change: Change,
  ): Promise<boolean> {
    const now = this.#parts.runtime.clock.now();
    const written = await this.#writeStep(run, (record, lean) => ({
      ...change(record, lean),
      state,
      dueAt: undefined,
      finishedAt: now,
      updatedAt: now,
    }));
    // Somebody took it back a moment before: the queue needs it no longer.
    if (written.kind === "ended") run.delivery.ack();
    return written.kind === "written";
  }

  /** Writes a record with the last step of progress in it, as much of it as there is room for: how it ended matters more. */
  async #writeStep(run: CommandRun, change: Change): Promise<Written> {
    const { ledger } = this.#parts;
    const step = run.progress?.last;
    const ways: readonly ((record: CommandRecord) => CommandRecord)[] = [
      (record) => change({ ...record, ...step }, false),
      (record) => change({ ...record, ...step, data: record.data }, false),
    ];
    for (const way of ways) {
      try {
        return await ledger.write(run, way);
      } catch (error) {
        if (!SerializationError.is(error)) throw error;
      }
    }
    return await ledger.write(run, (record) => change(record, true));
  }

  /**
   * Stores the dead letter, as long as it takes; `not` when that is not waited for any more, `over` when the command has
   * become somebody else's meanwhile, or has ended.
   */
  async #bury(
    run: CommandRun,
    reason: DeadLetterReason,
    error: unknown,
  ): Promise<"done" | "not" | "over"> {
    const { runtime, ledger, deadLettersOf, isStopping } = this.#parts;
    const { clock } = runtime;
    for (;;) {
      if (clock.monotonic() >= run.leaseEnd) {
        // A dead letter of a command that goes on elsewhere would be a lie.
        const { kind } = await ledger.check(run);
        if (kind === "ended") run.delivery.ack();
        if (kind !== "written") return "over";
      }
      try {
        await deadLettersOf(run).write(run.delivery, run.attempt, reason, error);
        this.#trouble = undefined;
        return "done";
      } catch (fault) {
        this.#trouble = fault as Error;
        // Who may never store one has the error in the log and in the record: a command that never ends helps nobody.
        if (AegisError.is(fault, "PERMISSION_DENIED")) return "done";
        // The command keeps its place until the dead letter is stored.
        if (isStopping() || runtime.transport.status === "closed") return "not";
        await pause(runtime, DEAD_LETTER_RETRY_MS);
      }
    }
  }

  /** Does it; `onUnkept` is told when the record cannot hold what is to be written, and can say it otherwise. */
  async #guard(
    run: CommandRun,
    work: () => Promise<void>,
    onUnkept?: (error: AegisError) => void,
  ): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (onUnkept !== undefined && SerializationError.is(error)) return onUnkept(error);
      // The bus is closed, or the server refuses: the command comes again, here or elsewhere.
      run.log.error("The record of a command could not be written; it comes again", { error });
    }
  }

  #tellResult(run: CommandRun, result: unknown): void {
    const { codec, token, command: { messageId: id } } = run;
    const json = codec.text === undefined ? undefined : codec.encode(result ?? null);
    const body = typeof json === "string"
      ? completionJson(id, json)
      : codec.encode(completionValue(id, result));
    // One that is too large to be told is in the record all the same.
    if (!this.#publish(callbackSubject(token), body, undefined)) this.#tellEnd(run, "completed");
  }

  #tellEnd(run: CommandRun, state: CommandState): void {
    const { token, command: { messageId: commandId }, record } = run;
    const body = progressJson({
      commandId,
      percent: record?.percent ?? 0,
      status: state,
      timestampMs: this.#parts.runtime.clock.now(),
    });
    this.#publish(progressSubject(token), body, { [STATE_HEADER]: state });
  }

  #publish(
    subject: string,
    body: string | Uint8Array,
    headers: Readonly<Record<string, string>> | undefined,
  ): boolean {
    try {
      this.#parts.runtime.transport.messaging.publish(subject, body, undefined, headers);
      return true;
    } catch (error) {
      // While the bus is away nobody hears anything: whoever waits reads the record when it is back.
      return !SerializationError.is(error);
    }
  }
}
