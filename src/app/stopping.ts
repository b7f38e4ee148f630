// Stopping: what a service runs is finished and answered, within a time that can be cut short.

import { deferred } from "../domain/deferred.ts";
import type { Clock, Timer } from "../ports/clock.ts";
import type { Runtime } from "./runtime.ts";
import type { Work } from "./work.ts";

/** How long handlers that were aborted have to notice, in milliseconds. */
const ABORT_MS = 1_000;
/** How long the server and hooks have at least, however short the time is, in milliseconds. */
export const LEAST_MS = 500;

/** Ends what a service does. */
export class Stopping {
  readonly #work: Work;
  readonly #service: string;
  readonly #runtime: Runtime;
  readonly #clock: Clock;
  readonly #over = deferred<void>();
  #isOver = false;
  #end = Infinity;
  #timer: Timer | undefined;

  constructor(runtime: Runtime, service: string, work: Work) {
    this.#runtime = runtime;
    this.#service = service;
    this.#work = work;
    this.#clock = runtime.clock;
  }

  /** Gives all of it `graceMs` from now. */
  begin(graceMs: number): void {
    if (graceMs === 0) return this.hurry();
    this.#end = this.#clock.monotonic() + graceMs;
    this.#timer = this.#clock.setTimer(graceMs, () => this.hurry());
  }

  /** Waits no longer for what takes its time. */
  hurry(): void {
    this.#isOver = true;
    this.#over.resolve();
    this.finish();
  }

  /** Needs its time no longer. */
  finish(): void {
    this.#timer?.cancel();
  }

  /**
   * Takes no more, hands back what waits for its turn, waits for handlers, for answers that could not be sent and for
   * acknowledgements that the server has not confirmed, and gives up on them when the time is over.
   */
  async run(): Promise<void> {
    const { logger, transport } = this.#runtime;
    const [service, work] = [this.#service, this.#work];
    await this.within(work.drain(this.#left()), LEAST_MS);
    work.handBack();
    if (!await this.within(work.whenIdle())) {
      logger.warn(`${service} aborts what still runs`, { inFlight: work.inFlight });
      work.abort();
      await settled(this.#clock, ABORT_MS, work.whenIdle());
    }
    await this.within(work.whenSettled());
    if (work.unsettled > 0) {
      logger.warn(`${service} stops with answers that it could not send`, {
        answers: work.unsettled,
      });
    }
    if (transport.status === "connected") {
      const flushed = transport.messaging.flush().catch(() => {
        // The bus went away or was closed: there is nothing to wait for.
      });
      await this.within(flushed, LEAST_MS);
    }
    await this.#close();
  }

  /** Lets go of everything at once. */
  async close(): Promise<void> {
    await settled(this.#clock, LEAST_MS, this.#work.drain(LEAST_MS));
    await this.#close();
  }

  /**
   * Whether the work has ended when the time is over or was cut short; then it has `leastMs` more.
   *
   * @throws what the work failed with, if it did in time.
   */
  async within(work: Promise<unknown>, leastMs = 0): Promise<boolean> {
    let ended = false;
    const done = work.finally(() => {
      ended = true;
    });
    await Promise.race([done, this.#over.promise]);
    if (!ended) await settled(this.#clock, leastMs, done);
    return ended;
  }

  #close(): Promise<void> {
    return settled(this.#clock, LEAST_MS, this.#work.close(LEAST_MS));
  }

  #left(): number {
    return Math.max(LEAST_MS, this.#isOver ? 0 : this.#end - this.#clock.monotonic());
  }
}

/** Resolves when the work has ended, well or badly, and after `ms` at the latest. */
function settled(clock: Clock, ms: number, work: Promise<unknown>): Promise<void> {
  return new Promise((resolve) => {
    const timer = clock.setTimer(ms, resolve);
    const done = (): void => {
      timer.cancel();
      resolve();
    };
    work.then(done, done);
  });
}
