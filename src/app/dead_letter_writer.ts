// Writing dead letters: stored to the byte, with the reason, before the event is taken from its stream.

import {
  type DeadLetterFacts,
  deadLetterHeaders,
  deadLetterSubject,
} from "../domain/dead_letter.ts";
import { AegisError } from "../domain/error.ts";
import { eventTypeOf } from "../domain/event_type.ts";
import type { Stamp } from "../domain/stamp.ts";
import type { Delivery } from "../ports/stream.ts";
import type { EventStreams } from "./event_streams.ts";
import type { Runtime } from "./runtime.ts";

/** How long storing one may take, in milliseconds. */
const TIMEOUT_MS = 5_000;

/** Stores the dead letters of one service. */
export class DeadLetterWriter {
  readonly #runtime: Runtime;
  readonly #streams: EventStreams;
  readonly #stamp: Stamp;

  constructor(runtime: Runtime, streams: EventStreams, stamp: Stamp) {
    this.#runtime = runtime;
    this.#streams = streams;
    this.#stamp = stamp;
  }

  /** Stores one; resolves when it is stored. @throws {AegisError} when it is not, for whatever reason. */
  async write(delivery: Delivery, facts: DeadLetterFacts): Promise<void> {
    const { store } = this.#streams.ports;
    const { message } = delivery;
    // The stream has all headers by their names; a message that was delivered can only be asked for those that one knows.
    const stored = await store.read(facts.stream, facts.sequence, message.subject);
    const original = stored?.sequence === facts.sequence
      ? stored
      : { data: message.data.slice(), headers: this.#knownHeaders(delivery) };
    const subject = deadLetterSubject("events", facts.service, eventTypeOf(message.subject));
    await this.#streams.name("deadLetters", this.#stamp);
    try {
      await this.#publish(
        subject,
        original.data,
        deadLetterHeaders(original.headers, facts, false),
      );
    } catch (error) {
      if (!AegisError.is(error, "PAYLOAD_TOO_LARGE")) throw error;
      // With the facts beside them the bytes are more than a message takes. They stay in their stream, where a replay finds them.
      const none = new Uint8Array(0);
      await this.#publish(subject, none, deadLetterHeaders(original.headers, facts, true));
    }
  }

  async #publish(
    subject: string,
    body: Uint8Array,
    headers: Readonly<Record<string, string>>,
  ): Promise<void> {
    const { store } = this.#streams.ports;
    try {
      await store.publish(subject, body, headers, TIMEOUT_MS);
    } catch (error) {
      if (!AegisError.is(error, "STREAM_NOT_FOUND")) throw error;
      await this.#streams.renewed("deadLetters", this.#stamp);
      await store.publish(subject, body, headers, TIMEOUT_MS);
    }
  }

  #knownHeaders({ message }: Delivery): Record<string, string> {
    const headers: Record<string, string> = {};
    for (const name of ["Nats-Msg-Id", "traceparent"]) {
      const value = this.#runtime.transport.messaging.header(message, name);
      if (value !== undefined) headers[name] = value;
    }
    return headers;
  }
}
