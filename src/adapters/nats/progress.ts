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
  readonly #onNobody: () => void;

  /** Makes one that is waited for until `expiresAt`, on the monotonic clock; `onNobody`: the consumer is not served. */
  constructor(
    subject: string,
    expiresAt: number,
    onHeard: () => void,
    onNobody: () => void,
  ) {
    this.subject = subject;
    this.expiresAt = expiresAt;
    this.#onHeard = onHeard;
    this.#onNobody = onNobody;
  }

  answered(message: NatsMessage): void {
    if (message.isNoResponders) this.#onNobody();
    else this.#onHeard();
  }

  failed(): void {
    // It is not said what became of it.
  }
}
