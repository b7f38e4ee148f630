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

/** What all dead letters of one handler have in common. */
export interface DeadLetterParts {
  readonly runtime: Runtime;
  readonly streams: EventStreams;
  readonly stamp: Stamp;
  readonly service: string;
  readonly instanceId: string;
  readonly handlerId: string;
  readonly pattern: string;
  readonly mode: "compete" | "broadcast";
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
        mode: this.#parts.mode,
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
    const { message } = delivery;
    // The stream has all headers by their names; a message that was delivered can only be asked for those that one knows.
    const stored = await streams.ports.store.read(facts.stream, facts.sequence, message.subject);
    const original = stored?.sequence === facts.sequence
      ? stored
      : { data: message.data.slice(), headers: this.#knownHeaders(delivery) };
    const subject = deadLetterSubject("events", facts.service, eventTypeOf(message.subject));
    const store = (data: Uint8Array, elsewhere: boolean) =>
      streams.publish(
        "deadLetters",
        stamp,
        subject,
        data,
        deadLetterHeaders(original.headers, facts, elsewhere),
      );
    try {
      await store(original.data, false);
    } catch (error) {
      if (!AegisError.is(error, "PAYLOAD_TOO_LARGE")) throw error;
      // With the facts beside them the bytes are more than a message takes. They stay in their stream, where a replay finds them.
      await store(new Uint8Array(0), true);
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
