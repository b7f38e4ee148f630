// Writing dead letters: stored to the byte, with the reason, before the event is taken from its stream.

import {
  type DeadLetterFacts,
  deadLetterHeaders,
  type DeadLetterReason,
  deadLetterSubject,
} from "../domain/dead_letter.ts";
import { AegisError } from "../domain/error.ts";
import { deadLetterError } from "../domain/event_outcome.ts";
import { eventTypeOf } from "../domain/event_type.ts";
import type { Stamp } from "../domain/stamp.ts";
import type { Delivery } from "../ports/stream.ts";
import type { Handling } from "./event_handling.ts";
import type { Source } from "./event_source.ts";
import type { EventStreams } from "./event_streams.ts";
import type { Runtime } from "./runtime.ts";

/** How long storing one may take, in milliseconds. */
const TIMEOUT_MS = 5_000;

/** What all dead letters of one handler have in common. */
export interface DeadLetterParts {
  readonly runtime: Runtime;
  readonly streams: EventStreams;
  readonly stamp: Stamp;
  readonly service: string;
  readonly instanceId: string;
  readonly handlerId: string;
  readonly pattern: string;
  readonly source: Source;
}

/** Stores the dead letters of one handler. */
export class DeadLetterWriter {
  readonly #parts: DeadLetterParts;

  constructor(parts: DeadLetterParts) {
    this.#parts = parts;
  }

  /** Stores one; resolves when it is stored. @throws {AegisError} when it is not, for whatever reason. Both are logged. */
  async write(handling: Handling, reason: DeadLetterReason, error: unknown): Promise<void> {
    const { runtime: { clock, logger, metrics }, service, instanceId, pattern } = this.#parts;
    const { delivery, sequence, attempt } = handling;
    const fields = { service, instance: instanceId, reason, sequence, attempts: attempt };
    try {
      await this.#store(delivery, {
        service,
        instanceId,
        handler: this.#parts.handlerId,
        reason,
        error: deadLetterError(error),
        attempts: attempt,
        deadAt: clock.timestamp(),
        subject: delivery.message.subject,
        stream: this.#parts.source.stream,
        sequence,
        storedAt: delivery.storedAt,
      });
    } catch (fault) {
      logger.error("A dead letter could not be stored; the event stays where it is", {
        ...fields,
        error: fault,
      });
      throw fault;
    }
    logger.error(`An event of ${pattern} has become a dead letter`, { ...fields, error });
    metrics.increment("aegis_event_dead_letters_total", { service, event: pattern, reason });
  }

  async #store(delivery: Delivery, facts: DeadLetterFacts): Promise<void> {
    const { streams, stamp } = this.#parts;
    const { store } = streams.ports;
    const { message } = delivery;
    // The stream has all headers by their names; a message that was delivered can only be asked for those that one knows.
    const stored = await store.read(facts.stream, facts.sequence, message.subject);
    const original = stored?.sequence === facts.sequence
      ? stored
      : { data: message.data.slice(), headers: this.#knownHeaders(delivery) };
    const subject = deadLetterSubject("events", facts.service, eventTypeOf(message.subject));
    await streams.name("deadLetters", stamp);
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
    const { streams, stamp } = this.#parts;
    const { store } = streams.ports;
    try {
      await store.publish(subject, body, headers, TIMEOUT_MS);
    } catch (error) {
      if (!AegisError.is(error, "STREAM_NOT_FOUND")) throw error;
      await streams.renewed("deadLetters", stamp);
      await store.publish(subject, body, headers, TIMEOUT_MS);
    }
  }

  #knownHeaders({ message }: Delivery): Record<string, string> {
    const headers: Record<string, string> = {};
    for (const name of ["Nats-Msg-Id", "traceparent"]) {
      const value = this.#parts.runtime.transport.messaging.header(message, name);
      if (value !== undefined) headers[name] = value;
    }
    return headers;
  }
}
