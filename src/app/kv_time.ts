// The broker's time: what it was when the broker said it, and how long ago that is on a clock that never jumps.

import { TimeoutError } from "../domain/error.ts";
import type { StreamView } from "../ports/stream.ts";
import type { Runtime } from "./runtime.ts";

/** After how long it is asked for again, in milliseconds: two clocks never run quite alike. */
const MAX_AGE_MS = 600_000;
const ASK_MS = 2_000;
/** For how long the broker's word is that of just now, in milliseconds: those who ask for many keys ask it once. */
const SURE_MS = 50;
/** What comes later than this after it was stored, in milliseconds, has waited somewhere, or the broker's clock was set back. */
const LATE_MS = 1_000;
/** For how long nobody doubts the time again, in milliseconds, where it was right and what came had waited. */
const WAITED_MS = 5_000;

/** Knows the time of one broker. Nobody's time of day is ever looked at. */
export class BrokerTime {
  readonly #runtime: Runtime;
  /** The broker's time when this side's monotonic clock was at 0. */
  #origin: number | undefined;
  /** When the broker itself has said it, on this side's monotonic clock. */
  #heardAt = 0;
  #asking: Promise<number> | undefined;
  #rightUntil = -Infinity;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
    // The machine may have slept meanwhile, and its clock with it; or another broker is there.
    runtime.transport.onStatus((status) => {
      if (status === "connected") this.#origin = undefined;
    });
  }

  /** The time, in milliseconds since the epoch, behind by the way of one message at the most; undefined while unknown. */
  now(): number | undefined {
    return this.#origin === undefined ? undefined : this.#origin + this.#runtime.clock.monotonic();
  }

  /** Hears what time it is. */
  set(now: number): void {
    this.#heardAt = this.#runtime.clock.monotonic();
    this.#origin = now - this.#heardAt;
  }

  /** Hears when something was stored that has just come: it cannot be earlier than that. */
  saw(storedAt: number): void {
    const now = this.now();
    if (now !== undefined && storedAt > now) {
      this.#origin = storedAt - this.#runtime.clock.monotonic();
    }
  }

  /**
   * Looks at when something was stored that has just been, as far as one can tell. Where that is long ago the broker's clock
   * may have been set back, or another server's clock is in its place: the time is not known then until it was asked for.
   */
  doubt(storedAt: number, view: StreamView, stream: string, filter: string): void {
    const now = this.now();
    const { clock } = this.#runtime;
    if (now === undefined || now - storedAt <= LATE_MS) return;
    if (clock.monotonic() < this.#rightUntil) return;
    const before = this.#origin!;
    this.#origin = undefined;
    this.known(view, stream, filter).then(() => {
      if (Math.abs(this.#origin! - before) < LATE_MS) {
        this.#rightUntil = clock.monotonic() + WAITED_MS;
      }
    }, () => {
      // Whoever needs it asks again.
    });
  }

  /** The time, by the broker's word of just now: nothing is removed by an older one. */
  async sure(view: StreamView, stream: string, filter: string): Promise<number> {
    if (this.#runtime.clock.monotonic() - this.#heardAt > SURE_MS) this.#origin = undefined;
    return await this.known(view, stream, filter);
  }

  /** The time, which is asked for where it is not known. */
  async known(view: StreamView, stream: string, filter: string): Promise<number> {
    const now = this.now();
    const isOld = this.#runtime.clock.monotonic() - this.#heardAt > MAX_AGE_MS;
    if (now === undefined || isOld) {
      this.#asking ??= this.#ask(view, stream, filter).finally(() => this.#asking = undefined);
    }
    if (now === undefined) return await this.#asking!;
    // What is old is good enough until there is better.
    this.#asking?.catch(() => undefined);
    return now;
  }

  async #ask(view: StreamView, stream: string, filter: string): Promise<number> {
    const follow = view.follow(stream, {
      filter,
      from: "new",
      headersOnly: true,
      onMessage() {},
      onCaughtUp() {},
      onLost() {},
    });
    let isLate = false;
    const timer = this.#runtime.clock.setTimer(ASK_MS, () => {
      isLate = true;
      follow.stop();
    });
    try {
      this.set(await follow.began);
      return this.now()!;
    } catch (error) {
      throw isLate ? new TimeoutError(`Cannot ask for the time of ${stream}: no answer`) : error;
    } finally {
      timer.cancel();
      follow.stop();
    }
  }
}
