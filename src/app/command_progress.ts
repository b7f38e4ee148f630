// Progress: told as often as a person can see it, kept for the next attempt, and never waited for.

import { show } from "../domain/check.ts";
import type { ProgressStep } from "../domain/command_record.ts";
import { progressJson, progressValue } from "../domain/command_signal.ts";
import { DATA_HEADER, progressSubject } from "../domain/command_subject.ts";
import { headerJson } from "../domain/header.ts";
import type { Timer } from "../ports/clock.ts";
import type { CommandRun } from "./command_run.ts";
import type { Runtime } from "./runtime.ts";

/** How many steps may go out at once, and how soon there is room for another one, in milliseconds. */
const BURST = 8;
const EVERY_MS = 100;
/** How often the record is written at most, in milliseconds. */
const KEEP_MS = 250;
/** How much data goes along with a step, as JSON; what is more is in the record alone. */
const MAX_DATA = 32_768;
/** How much of a status is told and kept, in characters. */
const MAX_STATUS = 1_024;

const encoder = new TextEncoder();

/** The progress of one attempt. */
export class CommandProgress {
  readonly #runtime: Runtime;
  readonly #run: CommandRun;
  readonly #keep: (step: ProgressStep) => Promise<void>;
  readonly #onTold: () => void;
  #last: ProgressStep | undefined;
  /** The data of the last step as they were when it was said, encoded; undefined once they are in it. */
  #encoded: string | Uint8Array | undefined;
  #room = BURST;
  #roomAt: number;
  #untold = false;
  #unkept = false;
  #keeping = false;
  #keptAt = -Infinity;
  #timer: Timer | undefined;
  /** After how long that rings. */
  #timerMs = 0;

  /** Tells how far `run` is; `keep` writes a step into its record, and `onTold` is called for each that goes out. */
  constructor(
    runtime: Runtime,
    run: CommandRun,
    keep: (step: ProgressStep) => Promise<void>,
    onTold: () => void,
  ) {
    this.#runtime = runtime;
    this.#run = run;
    this.#keep = keep;
    this.#onTold = onTold;
    this.#roomAt = runtime.clock.monotonic();
    this.#last = run.lastProgress;
  }

  /** The last step, of this attempt or of those before it. */
  get last(): ProgressStep | undefined {
    const encoded = this.#encoded;
    if (encoded !== undefined) {
      this.#encoded = undefined;
      const data: unknown = typeof encoded === "string"
        ? JSON.parse(encoded)
        : this.#run.codec.decode(encoded);
      this.#last = { ...this.#last!, data };
    }
    return this.#last;
  }

  /** There is a new step. */
  report(percent: unknown, status: unknown, data: unknown): void {
    if (typeof percent !== "number" || !(percent >= 0 && percent <= 100)) {
      throw new RangeError(
        `Cannot use ${show(percent)} as progress: it must be a number from 0 to 100`,
      );
    }
    if (status !== undefined && typeof status !== "string") {
      throw new TypeError(
        `Cannot use ${show(status)} as the status of progress: it must be a string`,
      );
    }
    const last = this.#last;
    // As they are now: a handler may go on with the same object, and what has no encoding is its mistake.
    if (data !== undefined) this.#encoded = this.#copyOf(data);
    this.#last = {
      percent: Math.max(percent, last?.percent ?? 0),
      status: status?.slice(0, MAX_STATUS),
      data: last?.data,
    };
    this.#untold = true;
    this.#unkept = true;
    const now = this.#runtime.clock.monotonic();
    this.#tell(now);
    // What the next attempt needs is kept at once; how far this one is can wait a little, and most end before.
    if (data !== undefined && this.#mayKeep(now)) this.#write(now);
    if (this.#untold || this.#unkept) this.#arm();
  }

  /** The attempt ends: tells the last step, if that was not told. */
  end(): void {
    this.#timer?.cancel();
    if (this.#untold) this.#publish();
  }

  #copyOf(data: unknown): string | Uint8Array {
    const { codec } = this.#run;
    if (codec.text !== undefined) return codec.encode(data);
    const bytes = codec.encode(data);
    return typeof bytes === "string" ? encoder.encode(bytes) : bytes.slice();
  }

  #tell(now: number): void {
    const grown = Math.floor((now - this.#roomAt) / EVERY_MS);
    if (grown > 0) {
      this.#room = Math.min(BURST, this.#room + grown);
      this.#roomAt += grown * EVERY_MS;
    }
    if (this.#room === 0) return;
    this.#room--;
    this.#publish();
  }

  #arm(): void {
    const ms = this.#untold ? EVERY_MS : KEEP_MS;
    if (this.#timer !== undefined) {
      // What is only to be kept waits longer than what somebody looks at.
      if (ms >= this.#timerMs) return;
      this.#timer.cancel();
    }
    this.#timerMs = ms;
    this.#timer = this.#runtime.clock.setTimer(ms, () => {
      this.#timer = undefined;
      const now = this.#runtime.clock.monotonic();
      if (this.#untold) this.#tell(now);
      if (this.#unkept && this.#mayKeep(now)) this.#write(now);
      if (this.#untold || this.#unkept) this.#arm();
    });
  }

  #mayKeep(now: number): boolean {
    return !this.#keeping && now - this.#keptAt >= KEEP_MS;
  }

  #write(now: number): void {
    this.#unkept = false;
    this.#keptAt = now;
    this.#keeping = true;
    void this.#keep(this.last!).finally(() => {
      this.#keeping = false;
    });
  }

  #publish(): void {
    this.#untold = false;
    const { clock, transport } = this.#runtime;
    const { codec, command, token } = this.#run;
    const { percent, status = "", data } = this.last!;
    const progress = { commandId: command.messageId, percent, status, timestampMs: clock.now() };
    const json = data === undefined ? undefined : headerJson(data, MAX_DATA);
    try {
      transport.messaging.publish(
        progressSubject(token),
        codec.text === undefined ? codec.encode(progressValue(progress)) : progressJson(progress),
        undefined,
        json === undefined ? undefined : { [DATA_HEADER]: json },
      );
      this.#onTold();
    } catch {
      // The bus is away: whoever comes back reads the record, and hears the next step.
    }
  }
}
