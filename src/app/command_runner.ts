// The runner: commands at hand, from their claims to their ends.

import type { CommandRecord, ProgressStep } from "../domain/command_record.ts";
import { crashed, leaseLost, overdue, takenBack } from "../domain/command_error.ts";
import { AegisError } from "../domain/error.ts";
import { isThenable } from "../domain/thenable.ts";
import { goesBack } from "./command_arrival.ts";
import { type Cancel, CommandCancels } from "./command_cancels.ts";
import { claim, type ClaimParts } from "./command_claim.ts";
import { CommandEndings } from "./command_endings.ts";
import { CommandFailures } from "./command_failures.ts";
import { LeftHandlers } from "./command_left.ts";
import type { CommandLedger } from "./command_ledger.ts";
import { CommandProgress } from "./command_progress.ts";
import type { CommandRun } from "./command_run.ts";
import type { CommandSweeper } from "./command_sweeper.ts";
import { Deadlines } from "./deadlines.ts";
import type { DeadLetterWriter } from "./dead_letter_writer.ts";
import type { Measures } from "./measures.ts";
import { runCommand } from "./run_command.ts";

/** What a runner is made of. */
export interface RunnerParts extends ClaimParts {
  readonly ledger: CommandLedger;
  readonly sweeper: CommandSweeper;
  /** By the queue that a command came from. */
  readonly queues: readonly {
    readonly deadLetters: DeadLetterWriter;
    readonly measures: Measures;
  }[];
}

/** How soon a command comes again whose record could not be read or written, in milliseconds. */
const CLAIM_RETRY_MS = 1_000;

/** Runs the commands that it is given, each once. */
export class CommandRunner {
  /** Those at hand. */
  readonly held: ReadonlySet<CommandRun>;
  readonly #parts: RunnerParts;
  readonly #onLeave: (run: CommandRun) => void;
  readonly #endings: CommandEndings;
  readonly #failures: CommandFailures;
  readonly #deadlines: Deadlines<CommandRun>;
  readonly #cancels: CommandCancels;
  readonly #held = new Set<CommandRun>();
  readonly #byToken = new Map<string, CommandRun>();
  readonly #left = new LeftHandlers();
  #stopping = false;

  /** `onLeave` is told of each that is no longer at hand. */
  constructor(parts: RunnerParts, onLeave: (run: CommandRun) => void) {
    this.#parts = parts;
    this.#onLeave = onLeave;
    this.held = this.#held;
    const { runtime, streams, ledger, queues } = parts;
    this.#endings = new CommandEndings({
      runtime,
      streams,
      ledger,
      deadLettersOf: (run) => queues[run.queue]!.deadLetters,
      isStopping: () => this.#stopping,
    });
    this.#failures = new CommandFailures(this.#endings, (run) => this.#measures(run));
    this.#deadlines = new Deadlines(runtime.clock, (run) => this.#late(run));
    this.#cancels = new CommandCancels(runtime, (token, cancel) => this.#onCancel(token, cancel));
  }

  /** Begins to listen for cancels, which must stand before the first command is taken. */
  listen(): void {
    this.#cancels.open();
  }

  /** The command with this token, if it is at hand. */
  find(token: string): CommandRun | undefined {
    return this.#byToken.get(token);
  }

  /** Whether a handler of a command still runs here that was told to end. */
  isOccupied(token: string): boolean {
    return this.#left.has(token);
  }

  /** Runs a command, if it is this instance's to run. */
  start(run: CommandRun): void {
    this.#held.add(run);
    this.#byToken.set(run.token, run);
    void this.#claim(run);
  }

  /** Begins nothing more: what is being claimed is given back as soon as that is done. */
  stop(): void {
    this.#stopping = true;
  }

  /** The bus is back: who was taken back meanwhile is told. */
  returned(): void {
    for (const run of this.#held) {
      if (run.stage !== "running") continue;
      this.#parts.records.readPatiently(run.token).then(({ record }) => {
        const isOver = record?.state === "cancelled" && run.stage === "running";
        if (isOver) this.#cancelled(run, record);
      }, () => {}); // The next write finds it out.
    }
  }

  /** Lets go of everything: a handler that goes on all the same is waited for by nobody, and no timer waits for it. */
  close(withinMs: number): Promise<void> {
    for (const run of this.#held) {
      this.#deadlines.remove(run);
      run.progress?.end();
    }
    return this.#cancels.close(withinMs);
  }

  /** Why the last dead letter is not stored, if it is not. */
  get trouble(): Error | undefined {
    return this.#endings.trouble;
  }

  async #claim(run: CommandRun): Promise<void> {
    const { runtime: { clock } } = this.#parts;
    try {
      const claimed = await claim(this.#parts, run);
      if (claimed.kind === "done") await this.#endings.again(run, claimed);
      else if (claimed.kind === "early") run.delivery.giveBack(claimed.waitMs);
      else if (claimed.kind === "exhausted") {
        run.stage = "ending";
        await this.#endings.failed(run, "crashed", crashed(run.attempt));
      } else if (claimed.kind === "claimed") {
        const cancel = run.takenBack ?? this.#cancels.take(run.token);
        const mayBegin = run.mayBegin() && !this.#stopping && clock.monotonic() < run.leaseEnd;
        if (cancel !== undefined) await this.#endings.cancelled(run, cancel);
        else if (mayBegin) return this.#begin(run);
        else await this.#endings.givenBack(run);
      }
    } catch (error) {
      run.log.warn("A command cannot begin without its record; it comes again", { error });
      // It may have been written all the same: an attempt that never began is not to count.
      if (AegisError.is(error) && error.details.sent === true) await this.#endings.givenBack(run);
      else if (await goesBack(this.#parts.records, run)) run.delivery.giveBack(CLAIM_RETRY_MS);
    }
    this.#leave(run);
  }

  #begin(run: CommandRun): void {
    const { runtime, sweeper } = this.#parts;
    const now = runtime.clock.monotonic();
    run.stage = "running";
    run.begunAt = now;
    run.expiresAt = now + run.timeoutMs;
    this.#deadlines.add(run);
    const keep = (step: ProgressStep) => this.#keep(run, step);
    run.progress = new CommandProgress(runtime, run, keep, () => sweeper.told(run));
    run.onLost = () => this.#lost(run);
    let result: unknown;
    try {
      result = runCommand(runtime, run);
    } catch (error) {
      return this.#failed(run, error);
    }
    if (isThenable(result)) {
      Promise.resolve(result).then(
        (value) => this.#succeeded(run, value),
        (error) => this.#failed(run, error),
      );
    } else this.#succeeded(run, result);
  }

  #succeeded(run: CommandRun, result: unknown): void {
    // Nobody waits for anything of it any more.
    if (run.stage !== "running") return this.#left.remove(run.token);
    if (!run.isOurs) return this.#cutShort(run);
    this.#ending(run);
    this.#measures(run).succeeded(run.tookMs);
    this.#finish(run, this.#endings.completed(run, result));
  }

  #failed(run: CommandRun, error: unknown): void {
    // Nobody waits for anything of it any more.
    if (run.stage !== "running") return this.#left.remove(run.token);
    // What ended for want of time in stop() has not failed.
    if (!run.isOurs || this.#stopping && run.isAborted) return this.#cutShort(run);
    this.#ending(run);
    this.#finish(run, this.#failures.failed(run, error));
  }

  /** Nothing is taken of an attempt whose instance stops, or leads no longer: the next one has the command. */
  #cutShort(run: CommandRun): void {
    this.#ending(run);
    this.#finish(run, this.#failures.cutShort(run));
  }

  /** Its time is over. */
  #late(run: CommandRun): void {
    run.checkLease();
    if (run.stage !== "running") return;
    if (!run.isOurs) {
      this.#left.add(run.token);
      return this.#cutShort(run);
    }
    const tookMs = run.tookMs;
    const error = overdue(`${run.handler.command} of ${run.service}`, tookMs);
    run.log.warn(error.message, { attempt: run.attempt });
    this.#measures(run).failed("TIMEOUT", tookMs);
    this.#giveUp(run, error);
    this.#finish(run, this.#endings.failed(run, "timed_out", error, "timed_out"));
  }

  #onCancel(token: string, cancel: Cancel): boolean {
    const run = this.#byToken.get(token);
    if (run?.stage === "claiming" && cancel.recorded) {
      // The claim may have been written a moment before, and its answer not have been looked at.
      run.takenBack = cancel;
      return true;
    }
    if (run?.stage !== "running") {
      // One that is in no record is remembered until it is claimed.
      return run !== undefined && run.stage !== "claiming";
    }
    this.#cancel(run, cancel);
    return true;
  }

  #cancel(run: CommandRun, cancel: Cancel): void {
    this.#measures(run).failed("CANCELLED", run.tookMs);
    this.#giveUp(run, takenBack(run.handler.command, cancel.by, cancel.reason));
    this.#finish(run, this.#endings.cancelled(run, cancel));
  }

  /** Another instance may begin it from now on: whatever its handler gives is dropped. */
  #lost(run: CommandRun): void {
    if (run.stage !== "running") return;
    const error = leaseLost(run.handler.command);
    run.log.warn(error.message, { attempt: run.attempt });
    this.#measures(run).failed("LEASE_LOST", run.tookMs);
    this.#giveUp(run, error);
    this.#leave(run);
  }

  /** Ends an attempt whose handler has not returned. */
  #giveUp(run: CommandRun, error: unknown): void {
    this.#ending(run);
    this.#left.add(run.token);
    run.abort(error);
  }

  /** Keeps a step in the record, where it is found out too that somebody has taken the command back. */
  async #keep(run: CommandRun, step: ProgressStep): Promise<void> {
    const { runtime: { clock }, ledger } = this.#parts;
    try {
      const written = await ledger.write(
        run,
        (record) => ({ ...record, ...step, updatedAt: clock.now() }),
      );
      if (run.stage !== "running") return;
      if (written.kind === "ended" && written.record.state === "cancelled") {
        this.#cancelled(run, written.record);
      } else if (written.kind !== "written") this.#lost(run);
    } catch (error) {
      run.log.warn("The progress of a command could not be kept", { error });
    }
  }

  /** Its record says that it was taken back. */
  #cancelled(run: CommandRun, { cancelledBy: by, reason }: CommandRecord): void {
    this.#cancel(run, {
      recorded: true,
      ...(by === undefined ? {} : { by }),
      ...(reason === undefined ? {} : { reason }),
    });
  }

  #ending(run: CommandRun): void {
    run.stage = "ending";
    this.#deadlines.remove(run);
    run.progress?.end();
  }

  #finish(run: CommandRun, ended: Promise<void>): void {
    void ended.then(() => this.#leave(run));
  }

  #leave(run: CommandRun): void {
    if (!this.#held.delete(run)) return;
    run.stage = "over";
    this.#byToken.delete(run.token);
    this.#parts.sweeper.told(run);
    this.#onLeave(run);
  }

  #measures(run: CommandRun): Measures {
    return this.#parts.queues[run.queue]!.measures;
  }
}
