// The word that a message is still in work, as a request: the broker says that it heard it.

import type { Expiring } from "../../domain/timer_wheel.ts";
import type { NatsMessage } from "./message.ts";
import type { Waiter } from "./requests.ts";

/** One such word. Where it was not heard there is nothing to do: it is said again before long. */
export class Progress implements Waiter {
  readonly subject: string;
  readonly expiresAt: number;
  slot = 0;
  wheelPrevious: Expiring | undefined = undefined;
  wheelNext: Expiring | undefined = undefined;
  readonly #onHeard: () => void;

  /** Makes one that is waited for until `expiresAt`, on the monotonic clock. */
  constructor(subject: string, expiresAt: number, onHeard: () => void) {
    this.subject = subject;
    this.expiresAt = expiresAt;
    this.#onHeard = onHeard;
  }

  answered(message: NatsMessage): void {
    if (!message.isNoResponders) this.#onHeard();
  }

  failed(): void {
    // It is not said what became of it.
  }
}
