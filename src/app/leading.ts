// Leading: whether this instance is the one of its group that acts, as handlers of every kind ask.

import { AegisError, NotActiveError } from "../domain/error.ts";

/** Who knows whether this instance leads. */
export interface Leading {
  /**
   * The fencing token while it leads, else undefined. The clock is looked at each time: a process that stood still does not
   * lead, whatever it was before.
   */
  readonly token: number | undefined;
  /** Whether it lost a leadership since this process stood still, for which what it runs may have been the cause. */
  readonly stoodStill?: boolean;
}

/** The error of who is asked for what only the leader does. */
export function notActive(service: string, what: string): NotActiveError {
  return new NotActiveError(
    `${what} was not begun: this instance of ${service} stands by, and another one leads`,
    { details: { sent: false } },
  );
}

/** The error that a handler is told, and its caller, when the leadership has ended in which it began. */
export function leadershipLost(service: string, what: string): NotActiveError {
  return new NotActiveError(
    `${what} was aborted: this instance of ${service} leads no longer, and another one may have begun`,
    { details: { sent: true } },
  );
}

/** The error of what ran as the leadership was lost by a standstill of its process, of which it may be the cause. */
export function stoodStill(what: string): AegisError {
  return new AegisError(
    "LEASE_LOST",
    `${what} came to nothing: its process was blocked, or stood still, for longer than the lease of a leader, and leads no longer`,
  );
}
