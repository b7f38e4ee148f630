// Sweeping: a stream of the original's has all of `commands.>`, and so stores what is told of commands as well. Nobody takes
// it from there, and when the stream is full queued commands give way to it: so it is removed again.

import {
  callbackSubject,
  cancelSubject,
  commandStream,
  progressSubject,
} from "../domain/command_subject.ts";
import { AegisError, TimeoutError, UnavailableError } from "../domain/error.ts";
import type { Timer } from "../ports/clock.ts";
import type { BusStreams } from "./bus_streams.ts";
import type { CommandRun } from "./command_run.ts";
import type { Runtime } from "./runtime.ts";

/** How long after something was told it is removed, in milliseconds: by then it is stored. */
const SWEEP_MS = 1_000;
/** After how much is told it is not waited for longer, and how soon after the last time at least, in milliseconds. */
const MANY = 500;
const SOON_MS = 100;
/** Of how many commands with ids of their own it is removed at a time; those of one sender of this SDK count as one. */
const AT_ONCE = 32;
/** How many wait for that at most; of others it stays there. */
const MAX_WAITING = 10_000;
/** A token of an id that a sender of this SDK has made, with what all of its ids have in common. */
const MADE = /^([0-9a-f]{16})\.[0-9a-z]+$/;
const SUBJECTS = [progressSubject, callbackSubject, cancelSubject];

/** Removes what is told of the commands of one instance from a stream that is not this SDK's. */
export class CommandSweeper {
  readonly #runtime: Runtime;
  readonly #streams: BusStreams;
  readonly #own: string;
  readonly #tokens = new Set<string>();
  #stream = "";
  #told = 0;
  #timer: Timer | undefined;
  /** When that rings, in monotonic milliseconds. */
  #dueAt = Infinity;
  #sweptAt = -Infinity;
  /** Nothing is removed any more. */
  #over = false;

  constructor(runtime: Runtime, streams: BusStreams, service: string) {
    this.#runtime = runtime;
    this.#streams = streams;
    this.#own = commandStream(service);
  }

  /** Something was told of a command. */
  told({ stream, token }: Pick<CommandRun, "stream" | "token">): void {
    if (stream === this.#own || this.#over) return;
    this.#stream = stream;
    this.#told++;
    const made = MADE.exec(token);
    if (this.#tokens.size < MAX_WAITING) this.#tokens.add(made === null ? token : `${made[1]}.*`);
    this.#arm(this.#told < MANY ? SWEEP_MS : 0);
  }

  /** Asks for the last time, and waits for nothing: what is not stored by now stays there. */
  close(): void {
    this.#over = true;
    this.#timer?.cancel();
    if (this.#tokens.size > 0) void this.#sweep();
  }

  #arm(ms: number): void {
    const { clock } = this.#runtime;
    const now = clock.monotonic();
    const at = Math.max(now + ms, this.#sweptAt + SOON_MS);
    if (at >= this.#dueAt) return;
    this.#timer?.cancel();
    this.#dueAt = at;
    this.#timer = clock.setTimer(at - now, () => void this.#sweep());
  }

  async #sweep(): Promise<void> {
    this.#dueAt = Infinity;
    this.#told = 0;
    const { view } = this.#streams.ports;
    const tokens = [...this.#tokens].slice(0, AT_ONCE);
    for (const token of tokens) this.#tokens.delete(token);
    try {
      await Promise.all(
        tokens.flatMap((token) =>
          SUBJECTS.map((subjectOf) => view?.purge(this.#stream, { filter: subjectOf(token) }))
        ),
      );
    } catch (error) {
      if (UnavailableError.is(error) || TimeoutError.is(error)) {
        for (const token of tokens) this.#tokens.add(token);
      } else if (AegisError.is(error, "PERMISSION_DENIED")) this.#giveUp(error);
    }
    this.#sweptAt = this.#runtime.clock.monotonic();
    if (this.#tokens.size > 0 && !this.#over) this.#arm(SWEEP_MS);
  }

  #giveUp(error: AegisError): void {
    this.#over = true;
    this.#runtime.logger.warn(
      `What is told of commands stays in the stream ${this.#stream}, where commands may give way to it: it may not be purged`,
      { error },
    );
  }
}
