// A delivery of a consumer, and the one word that it may have.

import type { Delivery } from "../../ports/stream.ts";
import type { AckFields } from "./ack_subject.ts";
import type { Acks } from "./acks.ts";
import type { NatsMessage } from "./message.ts";

/** A message that was delivered over NATS. */
export class NatsDelivery implements Delivery {
  readonly message: NatsMessage;
  /** Where its words go. */
  readonly subject: string;
  readonly sequence: number;
  readonly attempt: number;
  readonly storedAt: number;
  readonly pending: number;
  readonly #acks: Acks;
  #settled = false;
  /** The era in which it was handed over. */
  #era = -1;

  /** Makes the delivery whose acknowledgement goes to `subject`. */
  constructor(
    message: NatsMessage,
    subject: string,
    { sequence, attempt, storedAt, pending }: AckFields,
    acks: Acks,
  ) {
    this.message = message;
    this.sequence = sequence;
    this.attempt = attempt;
    this.storedAt = storedAt;
    this.pending = pending;
    this.subject = subject;
    this.#acks = acks;
  }

  /** It is handed over: from now on its words are for the consumer that has delivered it, and for no other of its name. */
  handOver(): void {
    this.#era = this.#acks.era;
  }

  ack(): void {
    if (this.#isOver) return;
    this.#settled = true;
    this.#acks.ack(this.sequence, this.subject, "+ACK", this.storedAt);
  }

  nak(delayMs: number): void {
    if (this.#isOver) return;
    this.#settled = true;
    this.#acks.nak(this, this.subject, delayMs, false);
  }

  giveBack(delayMs: number): void {
    if (this.#isOver) return;
    this.#settled = true;
    this.#acks.nak(this, this.subject, delayMs, true);
  }

  working(onHeard?: () => void): void {
    if (!this.#isOver) this.#acks.working(this.subject, onHeard);
  }

  term(): void {
    if (this.#isOver) return;
    this.#settled = true;
    this.#acks.ack(this.sequence, this.subject, "+TERM", this.storedAt);
  }

  /** Whether it has had its word, or can have none since its consumer is no more. */
  get #isOver(): boolean {
    return this.#settled || (this.#era >= 0 && this.#era !== this.#acks.era);
  }
}
