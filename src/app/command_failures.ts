// Failures: attempts that came to nothing, and what becomes of their commands.

import { neverEnded } from "../domain/command_error.ts";
import { AegisError } from "../domain/error.ts";
import type { CommandEndings } from "./command_endings.ts";
import type { CommandRun } from "./command_run.ts";
import { stoodStill } from "./leading.ts";
import type { Measures } from "./measures.ts";
import { UnfitCommand } from "./run_command.ts";

/** Ends attempts that came to nothing. Each resolves when that is done, and never rejects. */
export class CommandFailures {
  readonly #endings: CommandEndings;
  readonly #measuresOf: (run: CommandRun) => Measures;

  constructor(endings: CommandEndings, measuresOf: (run: CommandRun) => Measures) {
    this.#endings = endings;
    this.#measuresOf = measuresOf;
  }

  /** Its handler failed, or it could not be handled. */
  failed(run: CommandRun, error: unknown): Promise<void> {
    if (error instanceof UnfitCommand) {
      this.#measuresOf(run).failed("INVALID_REQUEST", run.tookMs);
      return this.#endings.failed(run, "invalid", error.error);
    }
    this.#measuresOf(run).failed(AegisError.is(error) ? error.code : "error", run.tookMs);
    const outcome = run.outcome(error);
    return outcome.kind === "failed"
      ? this.#endings.failed(run, "failed", outcome.error)
      : this.#again(run, error, outcome.delayMs);
  }

  /** Its instance stops, or leads no longer. */
  cutShort(run: CommandRun): Promise<void> {
    const outcome = run.handover();
    if (outcome.kind === "handover") return this.#endings.handedOver(run);
    const what = `${run.handler.command} of ${run.service}`;
    const error = run.isSuspect ? stoodStill(what) : neverEnded(what);
    this.#measuresOf(run).failed(error.code, run.tookMs);
    return outcome.kind === "failed"
      ? this.#endings.failed(run, "failed", error)
      : this.#again(run, error, outcome.delayMs);
  }

  #again(run: CommandRun, error: unknown, delayMs: number): Promise<void> {
    run.log.warn(`Attempt ${run.attempt} of ${run.handler.command} failed; it is tried again`, {
      error,
      delayMs: Math.round(delayMs),
    });
    return this.#endings.retrying(run, error, delayMs);
  }
}
