// Stopping: what a service has taken is finished and answered, within a time that can be cut short.

import type { Clock } from "../ports/clock.ts";
import type { Responder } from "./responder.ts";

/** How long handlers that were aborted have to notice, in milliseconds. */
const ABORT_MS = 1_000;
/** How long the server has at least to hear of it, however short the time is, in milliseconds. */
const LEAST_MS = 500;

/** Ends what a responder does. */
export class Stopping {
  readonly #responder: Responder;
  readonly #clock: Clock;
  readonly #hurry = Promise.withResolvers<void>();
  #hurried = false;

  constructor(responder: Responder) {
    this.#responder = responder;
    this.#clock = responder.runtime.clock;
  }

  /** Waits no longer for what takes its time. */
  hurry(): void {
    this.#hurried = true;
    this.#hurry.resolve();
  }

  /**
   * Takes no more, waits for handlers and for answers that could not be sent, and gives up on them at the moment `end`.
   */
  async run(end: number): Promise<void> {
    const { runtime: { logger, transport }, service, replies } = this.#responder;
    await this.#responder.drain(this.#least(end));
    if (!await this.#within(end, this.#responder.whenIdle())) {
      logger.warn(`${service} aborts what still runs`, { inFlight: this.#responder.inFlight });
      this.#responder.abort();
      await settled(this.#clock, ABORT_MS, this.#responder.whenIdle());
    }
    await this.#within(end, replies.whenSent());
    if (replies.kept > 0) {
      logger.warn(`${service} stops with answers that it could not send`, {
        answers: replies.kept,
      });
    }
    if (transport.status === "connected") {
      await settled(this.#clock, this.#least(end), transport.messaging.flush());
    }
    await this.close();
  }

  /** Lets go of everything at once. */
  async close(): Promise<void> {
    await this.#responder.drain(LEAST_MS);
    await this.#responder.close(LEAST_MS);
  }

  /** Whether the work has ended when the time is over, or when it was cut short. */
  async #within(end: number, work: Promise<void>): Promise<boolean> {
    let ended = false;
    const done = work.then(() => {
      ended = true;
    });
    const ms = this.#hurried ? 0 : Math.max(0, end - this.#clock.monotonic());
    await settled(
      this.#clock,
      ms,
      this.#hurried ? done : Promise.race([this.#hurry.promise, done]),
    );
    return ended;
  }

  #least(end: number): number {
    return Math.max(LEAST_MS, this.#hurried ? 0 : end - this.#clock.monotonic());
  }
}

/** Resolves when the work has ended, well or badly, and after `ms` at the latest. */
function settled(clock: Clock, ms: number, work: Promise<void>): Promise<void> {
  return new Promise((resolve) => {
    const timer = clock.setTimer(ms, resolve);
    const done = (): void => {
      timer.cancel();
      resolve();
    };
    work.then(done, done);
  });
}
