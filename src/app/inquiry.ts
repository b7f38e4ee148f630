// An inquiry: who leads a service, asked once for all calls that wait for it, until somebody says that he does.

import { type ResolvedRetryPolicy, resolveRetry, retryDelay } from "../domain/retry.ts";
import type { Timer } from "../ports/clock.ts";
import type { Runtime } from "./runtime.ts";

/** The waits before it is asked again. Whoever was asked may stand still, which is no answer. */
const AGAIN: ResolvedRetryPolicy = resolveRetry({
  attempts: 1_000_000,
  initialDelayMs: 25,
  maxDelayMs: 100,
});
/** The same, once a stand-by has said that there is no leader, by those who hear of the next one, in milliseconds. */
const TOLD_MS = 500;

/** What an inquiry is made of. */
export interface InquiryParts {
  /** Sends the question, to leaders alone or to all. @throws when it cannot be sent. */
  readonly ask: (leaders: boolean) => void;
  /** Whether it would be heard who is elected. */
  readonly hears: () => boolean;
  /** The last one has left. */
  readonly onLeft: () => void;
}

/** Asks as long as somebody wants to know. */
export class Inquiry {
  /** When it began, in monotonic milliseconds. */
  readonly since: number;
  readonly #runtime: Runtime;
  readonly #parts: InquiryParts;
  readonly #waiting = new Set<() => void>();
  #members = 0;
  #isOver = false;
  #isTold = false;
  #rounds = 0;
  #timer: Timer | undefined;

  constructor(runtime: Runtime, parts: InquiryParts) {
    this.#runtime = runtime;
    this.#parts = parts;
    this.since = runtime.clock.monotonic();
  }

  /** Whether nobody leads or stands by: the server says so, or cannot be asked. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Whether somebody has answered. */
  get isTold(): boolean {
    return this.#isTold;
  }

  /** One more wants to know. */
  join(): void {
    if (this.#members++ === 0) this.#ask();
  }

  /** One wants it no longer. */
  leave(): void {
    if (--this.#members > 0) return;
    this.#timer?.cancel();
    this.#parts.onLeft();
  }

  /** Waits until something is known, for `ms` at most, or until the signal aborts. */
  async wait(ms: number, signal: AbortSignal | undefined): Promise<void> {
    await new Promise<void>((resolve) => {
      const done = (): void => {
        timer.cancel();
        signal?.removeEventListener("abort", done);
        this.#waiting.delete(done);
        resolve();
      };
      const timer = this.#runtime.clock.setTimer(ms, done);
      signal?.addEventListener("abort", done);
      this.#waiting.add(done);
    });
  }

  /** Something is known. */
  wake(): void {
    for (const done of [...this.#waiting]) done();
  }

  /** Somebody has answered. Where it is one that stands by, the leader may yet, and else the next one makes itself heard. */
  told(leads: boolean): void {
    this.#isTold = true;
    if (!leads && !this.#isOver && this.#parts.hears()) this.#arm(TOLD_MS);
    this.wake();
  }

  /** Nobody is there. */
  end(): void {
    this.#isOver = true;
    this.#timer?.cancel();
    this.wake();
  }

  #ask(): void {
    try {
      // Where somebody leads, those that stand by need not say so.
      this.#parts.ask(this.#rounds === 0);
    } catch {
      // The call that is sent next meets the same, and says what.
      return this.end();
    }
    this.#arm(retryDelay(AGAIN, ++this.#rounds, this.#runtime.random.next()));
  }

  #arm(ms: number): void {
    this.#timer?.cancel();
    this.#timer = this.#runtime.clock.setTimer(ms, () => this.#ask());
  }
}
