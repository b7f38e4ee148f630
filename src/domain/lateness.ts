// Lateness: how long a request lay about before anybody could look at it, without trusting anybody's clock.

import { flatCopy } from "./flat.ts";

const WINDOW_MS = 60_000;
const MAX_SENDERS = 10_000;
/**
 * Clocks are read in whole milliseconds, and one after the other; and what came just before a standstill has waited in the
 * process's own queues for as long as is not called one.
 */
const SLACK_MS = 25;

/** A time in which a process did not listen, in milliseconds. */
export interface Standstill {
  /** When it began, on a clock of one's own: what tells it from another one. */
  readonly since: number;
  /** How long it was at least. */
  readonly least: number;
  /** How long it was at most. */
  readonly most: number;
}

/** What is known of a sender's clock: the smallest difference, and what it was before the standstill that began then. */
interface Known {
  offset: number;
  before: number;
  since: number;
}

/**
 * Estimates for how long a message waited between its sending and now.
 *
 * Clocks of two machines may be hours apart, so a time stamp alone says nothing. The difference between the local
 * clock and a sender's time stamps has a smallest value, seen when a message came straight through; what a message
 * shows beyond that, it waited. And no message waited here for longer than this process was not listening, so a
 * sender's clock that is set back cannot make its messages look late.
 */
export class Lateness {
  #senders = new Map<string, Known>();
  #previous = new Map<string, Known>();
  #rotateAt: number | undefined;

  /**
   * How long a message waited, in milliseconds.
   *
   * @param sender Whose clock `sentAt` was read on.
   * @param sentAt When it was sent, in milliseconds since the epoch, on that clock.
   * @param now The same moment as now on the local clock.
   * @param standstill The time in which this process had not listened, which it had not heard the message for.
   */
  observe(sender: string, sentAt: number, now: number, standstill: Standstill): number {
    const { since, least, most } = standstill;
    if (
      this.#rotateAt === undefined || now >= this.#rotateAt || this.#senders.size >= MAX_SENDERS
    ) {
      this.#previous = this.#senders;
      this.#senders = new Map();
      this.#rotateAt = now + WINDOW_MS;
    }
    const offset = now - sentAt;
    // Of this window alone: what an earlier one saw must be forgotten, or a clock that was set back looks late for good.
    let seen = this.#senders.get(sender);
    if (seen === undefined) {
      seen = { offset: Infinity, before: Infinity, since };
      this.#senders.set(flatCopy(sender), seen);
    } else if (seen.since !== since) {
      seen.before = seen.offset;
      seen.since = since;
    }
    seen.offset = Math.min(seen.offset, offset);
    // What came in the same standstill tells nothing: all of it may have waited.
    const known = Math.min(seen.before, this.#previous.get(sender)?.offset ?? Infinity);
    // Of a sender never heard before only this is known: clocks that agree, or a difference that waiting cannot explain.
    if (known === Infinity) {
      return offset >= 0 && offset <= most + SLACK_MS ? Math.min(offset, least) : 0;
    }
    return Math.min(Math.max(0, offset - known), least);
  }
}
