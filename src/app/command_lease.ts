// Leases: the server hears in time that commands are in work, and who has not been heard lets go of them before others begin.

import type { Clock, Timer } from "../ports/clock.ts";
import type { CommandRun } from "./command_run.ts";

/**
 * What waited for longer than this until it was delivered, in milliseconds, is told of at once, and whatever is in work at
 * the first look: a server that comes back after it was killed takes the time at which a message was stored for that of
 * its last delivery, unless it was told of it since (the sources of 2.9.10 and 2.10.27, and seen on 2.15.1).
 */
const WAITED_MS = 100;
/** The part of the ack wait after which the server hears of a command at the latest. */
const WORD_SHARE = 1 / 3;
/** The part of it that lies between the end of a lease and the moment at which others may begin. */
const MARGIN_SHARE = 1 / 10;
/** How often leases are looked at, in milliseconds at most: while there are some, and while there are none. */
const LOOK_MS = 50;
const IDLE_LOOK_MS = 1_000;
/**
 * How much too early a server may deliver again after it was restarted, in milliseconds: it remembers the times of
 * deliveries and words to the second, downwards (2.9.10 to 2.15.1; once it was 1,054).
 */
const RESTART_MS = 1_200;
/** What a server heard so shortly before it was killed it may have forgotten, in milliseconds at most, and of the ack wait. */
const FORGOTTEN_MS = 250;
const FORGOTTEN_SHARE = 1 / 4;
/** After how long a process that is awake has read what had come before, in milliseconds at most, and as a part of the ack wait. */
const READ_MS = 250;
const READ_SHARE = 1 / 8;

/** What a lease is kept by at least, in milliseconds, where a server delivers again sooner than any handler can ask for. */
const MIN_MS = 100;

/** How long a command is its instance's after the server has heard of it, by the ack wait, in milliseconds. */
export function leaseOf(ackWaitMs: number): number {
  return ackWaitMs * (1 - MARGIN_SHARE);
}

/** The ack wait that the server is given, in milliseconds: none of a lease is left when it delivers again. */
export function serverAckWaitOf(ackWaitMs: number): number {
  return Math.max(ackWaitMs, Math.ceil(leaseOf(ackWaitMs)) + RESTART_MS);
}

/** The other way round: the longest ack wait that leases can have at a server, by the one that it goes by. */
export function ackWaitAt(serverMs: number): number {
  return Math.max(MIN_MS, Math.min(serverMs, (serverMs - RESTART_MS) / (1 - MARGIN_SHARE)));
}

/** Keeps the leases of the commands of one instance. */
export class LeaseKeeper {
  readonly #clock: Clock;
  readonly #held: ReadonlySet<CommandRun>;
  readonly #shortest: () => number;
  #ackWaitMs: number;
  /** When it was looked last. */
  #lookedAt: number;
  /** The look before, when everything that has come since has been read only after it. */
  #readSince: number;
  #timer: Timer | undefined;
  #closed = false;

  /** Keeps those of `held`, whose ack waits are at the time what `shortest` gives, or longer. */
  constructor(clock: Clock, shortest: () => number, held: ReadonlySet<CommandRun>) {
    this.#clock = clock;
    this.#shortest = shortest;
    this.#ackWaitMs = shortest();
    this.#held = held;
    this.#lookedAt = this.#readSince = clock.monotonic();
  }

  /** Begins, and goes on until it is stopped. */
  start(): void {
    this.#lookedAt = this.#readSince = this.#clock.monotonic();
    this.#arm();
  }

  /** There is something to keep that was not there before. */
  began(run: CommandRun): void {
    const { attempt, storedAt } = run.delivery;
    // Should the clocks differ it is told of a little later.
    if (attempt > 1 || this.#clock.now() - storedAt > WAITED_MS) {
      this.#tell(run, this.#clock.monotonic());
    }
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

  /** The bus went away: its server may have been killed, and have forgotten the last words. */
  away(): void {
    const now = this.#clock.monotonic();
    for (const run of this.#held) {
      if (now - run.heardAt < forgottenMs(run)) run.lentAt = run.lentBefore;
    }
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

  get #readMs(): number {
    return Math.min(READ_MS, this.#ackWaitMs * READ_SHARE);
  }

  #arm(): void {
    this.#ackWaitMs = this.#shortest();
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
        if (!run.told || now - run.wordAt >= run.ackWaitMs * WORD_SHARE) this.#tell(run, now);
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
    run.told = true;
    run.wordAt = now;
    // The server counts from when it hears of it, which is after now, and it says that it has.
    run.delivery.working(() => {
      // Once it was over somebody else may have it: no word brings it back.
      const heardAt = this.#clock.monotonic();
      if (heardAt >= run.leaseEnd || now <= run.lentAt) return;
      if (heardAt - run.heardAt >= forgottenMs(run)) run.lentBefore = run.lentAt;
      run.heardAt = heardAt;
      run.lentAt = now;
    });
  }
}

function forgottenMs({ ackWaitMs }: CommandRun): number {
  return Math.min(FORGOTTEN_MS, ackWaitMs * FORGOTTEN_SHARE);
}
