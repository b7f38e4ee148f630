// Leases: the server hears in time that commands are in work, and who has not been heard lets go of them before others begin.

import type { Clock, Timer } from "../ports/clock.ts";
import type { CommandRun } from "./command_run.ts";

/** The part of the ack wait after which the server hears of a command at the latest. */
const WORD_SHARE = 1 / 3;
/** The part of it that lies between the end of a lease and the moment at which others may begin. */
const MARGIN_SHARE = 1 / 10;
/** How often leases are looked at, in milliseconds at most: while there are some, and while there are none. */
const LOOK_MS = 50;
const IDLE_LOOK_MS = 1_000;
/** After how long a process that is awake has read what had come before, in milliseconds at most, and as a part of the ack wait. */
const READ_MS = 250;
const READ_SHARE = 1 / 8;

/** How long a command is its instance's after the server has heard of it, by the ack wait, in milliseconds. */
export function leaseOf(ackWaitMs: number): number {
  return ackWaitMs * (1 - MARGIN_SHARE);
}

/** Keeps the leases of the commands of one instance. */
export class LeaseKeeper {
  readonly #clock: Clock;
  readonly #held: ReadonlySet<CommandRun>;
  readonly #ackWaitMs: number;
  readonly #readMs: number;
  /** When it was looked last. */
  #lookedAt: number;
  /** The look before, when everything that has come since has been read only after it. */
  #readSince: number;
  #timer: Timer | undefined;
  #closed = false;

  /** Keeps those of `held`, whose ack waits are `ackWaitMs` or longer. */
  constructor(clock: Clock, ackWaitMs: number, held: ReadonlySet<CommandRun>) {
    this.#clock = clock;
    this.#ackWaitMs = ackWaitMs;
    this.#held = held;
    this.#readMs = Math.min(READ_MS, ackWaitMs * READ_SHARE);
    this.#lookedAt = this.#readSince = clock.monotonic();
  }

  /** Begins, and goes on until it is stopped. */
  start(): void {
    this.#lookedAt = this.#readSince = this.#clock.monotonic();
    this.#arm();
  }

  /** There is something to keep that was not there before. */
  wake(): void {
    if (this.#held.size > 1 || this.#closed) return;
    this.#timer?.cancel();
    this.#arm();
  }

  /**
   * When what comes in now was sent at the earliest, from which on the ack wait runs: a process, or all that it runs on, may
   * have stood still while it lay here.
   */
  sentAfter(now: number): number {
    return now - this.#lookedAt >= this.#readMs ? this.#lookedAt : this.#readSince;
  }

  /** Tells the server of all that is in work: it may have heard nothing for a while. */
  tellAll(): void {
    const now = this.#clock.monotonic();
    for (const run of this.#held) this.#tell(run, now);
  }

  /** Says no more: whoever still has something in hand is waited for no longer, and others get it. */
  stop(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  #arm(): void {
    const idle = this.#held.size === 0;
    const everyMs = idle
      ? Math.min(IDLE_LOOK_MS, this.#ackWaitMs * READ_SHARE)
      : Math.min(LOOK_MS, this.#ackWaitMs / 10);
    this.#timer = this.#clock.setTimer(everyMs, () => {
      if (this.#closed) return;
      const now = this.#clock.monotonic();
      this.#look(now);
      for (const run of this.#held) {
        run.checkLease();
        const { ackWaitMs } = run.handler.settings;
        if (now - run.wordAt >= ackWaitMs * WORD_SHARE) this.#tell(run, now);
      }
      this.#arm();
    });
  }

  #look(now: number): void {
    if (now - this.#lookedAt < this.#readMs) return;
    this.#readSince = this.#lookedAt;
    this.#lookedAt = now;
  }

  #tell(run: CommandRun, now: number): void {
    if (run.stage === "over") return;
    run.wordAt = now;
    const end = now + leaseOf(run.handler.settings.ackWaitMs);
    // The server counts from when it hears of it, which is after now, and it says that it has.
    run.delivery.working(() => {
      // Once it was over somebody else may have it: no word brings it back.
      if (this.#clock.monotonic() < run.leaseEnd) run.leaseEnd = Math.max(run.leaseEnd, end);
    });
  }
}
