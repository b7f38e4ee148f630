// Subscription plans: the consumer that a handler of events needs, by its names and settings.

import {
  assertDurableName,
  eventDurable,
  eventSubject,
  instanceDurable,
} from "../domain/event_type.ts";
import type { ConsumerConfig } from "../ports/stream.ts";
import type { EventHandler } from "./on.ts";

/** Who serves a handler. */
export interface ServedBy {
  /** The service. */
  readonly service: string;
  /** Its version. */
  readonly version: string;
  /** The instance. */
  readonly instanceId: string;
  /** Whether the program chose the id of the instance, so that it can come back under it. */
  readonly hasOwnId: boolean;
}

/** How long the consumer of an instance outlasts it, in milliseconds. */
const EPHEMERAL_MS = 60_000;
/** How long a named one does whose instance has a random id, under which it will not come back. */
const FORGOTTEN_MS = 86_400_000;
/** How many events all instances together may have in hand; the server's default would be too few for fast handlers. */
const MAX_ACK_PENDING = 20_000;

/**
 * What all instances of a handler have in common: dead letters and replays name it. What stands behind the pattern of one
 * for every instance is no token that a pattern can have, so that it is no other handler's name.
 */
export function handlerIdOf({ pattern, settings }: EventHandler, service: string): string {
  const { name, mode } = settings;
  return name ?? `${eventDurable(service, pattern)}${mode === "broadcast" ? "=+each" : ""}`;
}

/** Whether the consumer is of this instance alone, and removed with it. */
export function isEphemeral({ settings: { mode, name } }: EventHandler): boolean {
  return mode === "broadcast" && name === undefined;
}

/** The consumer that a handler needs. @throws {TypeError} when its name would be too long for a server. */
export function consumerOf(handler: EventHandler, by: ServedBy): ConsumerConfig {
  const { pattern, settings } = handler;
  const { mode, ackWaitMs, ordered, from } = settings;
  const id = handlerIdOf(handler, by.service);
  const name = mode === "broadcast" ? instanceDurable(id, by.instanceId) : id;
  assertDurableName(
    name,
    `the durable of the handler of "${pattern}" of service "${by.service}"; give the handler a "name" of its own`,
  );
  return {
    name,
    description: `${
      mode === "broadcast" ? `instance ${by.instanceId} of ` : ""
    }${by.service} on ${pattern}`,
    filter: eventSubject(pattern),
    from,
    ackWaitMs,
    maxAckPending: ordered ? 1 : MAX_ACK_PENDING,
    inactiveThresholdMs: mode === "compete"
      ? 0
      : isEphemeral(handler)
      ? EPHEMERAL_MS
      : by.hasOwnId
      ? 0
      : FORGOTTEN_MS,
  };
}
