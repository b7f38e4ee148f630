// Writing dead letters: stored to the byte, with the reason, before the message is taken from its stream.

import {
  type DeadLetterFacts,
  deadLetterHeaders,
  type DeadLetterKind,
  type DeadLetterReason,
  deadLetterSubject,
  typeOfSubject,
} from "../domain/dead_letter.ts";
import { AegisError } from "../domain/error.ts";
import { deadLetterError } from "../domain/event_outcome.ts";
import type { Stamp } from "../domain/stamp.ts";
import type { Delivery } from "../ports/stream.ts";
import type { BusStreams } from "./bus_streams.ts";
import type { Runtime } from "./runtime.ts";

/** What all dead letters of one handler have in common. */
export interface DeadLetterParts {
  readonly runtime: Runtime;
  readonly streams: BusStreams;
  readonly stamp: Stamp;
  readonly service: string;
  readonly instanceId: string;
  readonly handlerId: string;
  readonly kind: DeadLetterKind;
  /** What it handles, for people: the pattern of events, or the name of a command. */
  readonly handles: string;
  readonly mode: "compete" | "broadcast";
  readonly source: { readonly stream: string };
}

/** Stores the dead letters of one handler. */
export class DeadLetterWriter {
  readonly #parts: DeadLetterParts;

  constructor(parts: DeadLetterParts) {
    this.#parts = parts;
  }

  /** Stores one; resolves when it is stored. @throws {AegisError} when it is not, for whatever reason. Both are logged. */
  async write(
    delivery: Delivery,
    attempts: number,
    reason: DeadLetterReason,
    error: unknown,
  ): Promise<void> {
    const { runtime: { clock, logger, metrics }, service, instanceId, kind } = this.#parts;
    const { handles, handlerId: handler, mode, source } = this.#parts;
    const { sequence } = delivery;
    const fields = { service, instance: instanceId, reason, sequence, attempts };
    const what = kind === "events" ? "event" : "command";
    try {
      await this.#store(delivery, {
        service,
        instanceId,
        handler,
        mode,
        reason,
        error: deadLetterError(error),
        attempts,
        deadAt: clock.timestamp(),
        subject: delivery.message.subject,
        stream: source.stream,
        sequence,
        storedAt: delivery.storedAt,
      });
    } catch (fault) {
      logger.error(`A dead letter could not be stored; the ${what} stays where it is`, {
        ...fields,
        error: fault,
      });
      throw fault;
    }
    logger.error(
      `${kind === "events" ? "An event of" : "A command"} ${handles} has become a dead letter`,
      { ...fields, error },
    );
    metrics.increment(`aegis_${what}_dead_letters_total`, { service, [what]: handles, reason });
  }

  async #store(delivery: Delivery, facts: DeadLetterFacts): Promise<void> {
    const { streams, stamp, kind } = this.#parts;
    const { message } = delivery;
    // The stream has all headers by their names; a message that was delivered can only be asked for those that one knows.
    const stored = await streams.ports.store.read(facts.stream, facts.sequence, message.subject);
    const original = stored?.sequence === facts.sequence
      ? stored
      : { data: message.data.slice(), headers: this.#knownHeaders(delivery) };
    const subject = deadLetterSubject(kind, facts.service, typeOfSubject(kind, message.subject));
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
