// A message that is followed: what it says is worked out when it is read.

import type { StoredMessage } from "../../ports/stream.ts";
import type { AckFields } from "./ack_subject.ts";
import { parseHeaders } from "./header_block.ts";
import type { NatsMessage } from "./message.ts";

/** A message as a consumer delivers it, which is the message as its stream holds it. */
export class FollowedMessage implements StoredMessage {
  readonly sequence: number;
  readonly storedAt: number;
  readonly #message: NatsMessage;
  #headers: Readonly<Record<string, string>> | undefined;

  /** Makes it. */
  constructor(message: NatsMessage, { sequence, storedAt }: AckFields) {
    this.sequence = sequence;
    this.storedAt = storedAt;
    this.#message = message;
  }

  get subject(): string {
    return this.#message.subject;
  }

  get data(): Uint8Array {
    return this.#message.data;
  }

  get headers(): Readonly<Record<string, string>> {
    return this.#headers ??= parseHeaders(this.#message.headerBlock);
  }
}
