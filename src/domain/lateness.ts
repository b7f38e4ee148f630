// Lateness: how long a request lay about before anybody could look at it, without trusting anybody's clock.

const WINDOW_MS = 60_000;
const MAX_SENDERS = 10_000;
/** Clocks are read in whole milliseconds, and one after the other. */
const SLACK_MS = 5;

/**
 * Estimates for how long a message waited between its sending and now.
 *
 * Clocks of two machines may be hours apart, so a time stamp alone says nothing. The difference between the local
 * clock and a sender's time stamps has a smallest value, seen when a message came straight through; what a message
 * shows beyond that, it waited. And no message waited here for longer than this process was not listening, so a
 * sender's clock that is set back cannot make its messages look late.
 */
export class Lateness {
  #offsets = new Map<string, number>();
  #previous = new Map<string, number>();
  #rotateAt: number | undefined;

  /**
   * How long a message waited, in milliseconds.
   *
   * @param sender Whose clock `sentAt` was read on.
   * @param sentAt When it was sent, in milliseconds since the epoch, on that clock.
   * @param now The same moment as now on the local clock.
   * @param unheard For how long at most this process had not been listening, in milliseconds.
   */
  observe(sender: string, sentAt: number, now: number, unheard: number): number {
    if (
      this.#rotateAt === undefined || now >= this.#rotateAt || this.#offsets.size >= MAX_SENDERS
    ) {
      this.#previous = this.#offsets;
      this.#offsets = new Map();
      this.#rotateAt = now + WINDOW_MS;
    }
    const offset = now - sentAt;
    const known = Math.min(
      this.#offsets.get(sender) ?? Infinity,
      this.#previous.get(sender) ?? Infinity,
    );
    // Of this window alone: what an earlier one saw must be forgotten, or a clock that was set back looks late for good.
    this.#offsets.set(sender, Math.min(this.#offsets.get(sender) ?? Infinity, offset));
    // Of a sender never heard before only this is known: clocks that agree, or a difference that waiting cannot explain.
    if (known === Infinity) {
      return offset >= 0 && offset <= unheard + SLACK_MS ? Math.min(offset, unheard) : 0;
    }
    return Math.min(Math.max(0, offset - known), unheard);
  }
}
