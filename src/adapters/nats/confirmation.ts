// A confirmation: an acknowledgement that is a request, to which the broker says that it has it.

import type { Expiring } from "../../domain/timer_wheel.ts";
import type { NatsMessage } from "./message.ts";
import type { Unanswered, Waiter } from "./requests.ts";

/** Whom to tell what becomes of it. */
export interface Confirming {
  /** There is an answer, which may be that nobody takes acknowledgements. */
  answered(confirmation: Confirmation, message: NatsMessage): void;
  /** There will be none. */
  failed(confirmation: Confirmation, why: Unanswered, error: Error | undefined): void;
}

/** One confirmation. */
export class Confirmation implements Waiter {
  /** What tells its message from others. */
  readonly key: string;
  subject: string;
  expiresAt = 0;
  slot = 0;
  wheelPrevious: Expiring | undefined = undefined;
  wheelNext: Expiring | undefined = undefined;
  /** When the message is to come again, on the monotonic clock. */
  readonly dueAt: number;
  /** Whether it is not said again. */
  readonly once: boolean;
  /** Whether its answer is waited for. */
  underWay = false;
  readonly #owner: Confirming;

  /** Makes one that tells `owner`. */
  constructor(
    owner: Confirming,
    key: string,
    subject: string,
    dueAt: number,
    once: boolean,
  ) {
    this.#owner = owner;
    this.key = key;
    this.subject = subject;
    this.dueAt = dueAt;
    this.once = once;
  }

  answered(message: NatsMessage): void {
    this.underWay = false;
    this.#owner.answered(this, message);
  }

  failed(why: Unanswered, error: Error | undefined): void {
    this.underWay = false;
    this.#owner.failed(this, why, error);
  }
}
