// Running a handler of events: the body read and checked, a span around it.

import { isOfVersion, readEvent } from "../domain/event.ts";
import { EVENTS_PREFIX, eventTypeOf } from "../domain/event_type.ts";
import { ValidationError } from "../domain/error.ts";
import { HEADER } from "../domain/header.ts";
import { validate } from "../domain/schema.ts";
import type { Handling } from "./event_handling.ts";
import { HandlerContext } from "./handler_context.ts";
import type { EventHandler, ReceivedEvent } from "./on.ts";
import { codecOf, decodeBody, type Runtime } from "./runtime.ts";

/** Why an event cannot be handled, whatever its handler does: it would fail again in the same way. */
export class Unfit {
  readonly reason: "invalid" | "unreadable";
  readonly error: unknown;

  constructor(reason: "invalid" | "unreadable", error: unknown) {
    this.reason = reason;
    this.error = error;
  }
}

/** An event of another version than its handler is for: it is for others, and has not failed. */
export class OtherVersion {
  readonly version: string;

  constructor(version: string) {
    this.version = version;
  }
}

/**
 * Runs the handler; a promise where it, or a schema, is asynchronous.
 *
 * @throws {Unfit} when the message is no event, or its payload is not what the schema asks for.
 * @throws {OtherVersion} when it is of another major version than the definition that is handled.
 * @throws what the handler threw.
 */
export function runEvent(runtime: Runtime, handler: EventHandler, handling: Handling): unknown {
  read(runtime, handling);
  return runtime.spans === undefined
    ? checkPayload(handler, handling)
    : runTraced(runtime, handler, handling);
}

function read(runtime: Runtime, handling: Handling): void {
  const { message } = handling.delivery;
  try {
    const codec = codecOf(runtime, message);
    const event = readEvent(decodeBody(codec, message), runtime.fresh);
    const type = `${event.domain}.${event.eventType}`;
    if (`${EVENTS_PREFIX}.${type}` !== message.subject) {
      throw new ValidationError(
        `Cannot read an event: it came as ${
          eventTypeOf(message.subject)
        }, and its body says ${type}`,
      );
    }
    handling.event = event;
  } catch (error) {
    throw new Unfit("unreadable", error);
  }
}

async function runTraced(
  { spans }: Runtime,
  handler: EventHandler,
  handling: Handling,
): Promise<void> {
  const { domain, eventType } = handling.event!;
  const parent = handling.header(HEADER.traceparent);
  const span = spans!.startEvent("consumer", `${domain}.${eventType}`, parent);
  handling.span = span?.traceparent;
  try {
    await checkPayload(handler, handling);
    span?.end();
  } catch (error) {
    if (error instanceof OtherVersion) span?.end();
    else span?.end(error instanceof Unfit ? error.error : error);
    throw error;
  }
}

function checkPayload(handler: EventHandler, handling: Handling): unknown {
  const { payload, version } = handling.event!;
  const { payload: schema, version: wanted } = handler.settings;
  const isOurs = wanted === undefined ? "yes" : isOfVersion(version, wanted);
  if (isOurs === "no") throw new OtherVersion(version);
  if (schema === undefined) return run(handler, handling, payload);
  let checked: unknown;
  try {
    checked = validate(
      schema,
      payload,
      () => `The payload of ${eventTypeOf(handling.delivery.message.subject)} is not valid`,
    );
  } catch (error) {
    throw unfit(error, isOurs, version);
  }
  return checked instanceof Promise
    ? checked.then((valid) => run(handler, handling, valid), (error) => {
      throw unfit(error, isOurs, version);
    })
    : run(handler, handling, checked);
}

/** What a schema says of a payload it will say again; that a schema itself failed may be different next time. */
function unfit(error: unknown, isOurs: "yes" | "maybe", version: string): unknown {
  if (!ValidationError.is(error)) return error;
  return isOurs === "yes" ? new Unfit("invalid", error) : new OtherVersion(version);
}

function run(handler: EventHandler, handling: Handling, payload: unknown): unknown {
  const event = handling.event!;
  const received: ReceivedEvent = {
    id: event.messageId,
    type: `${event.domain}.${event.eventType}`,
    version: event.version,
    payload,
    timestamp: event.timestamp,
    source: event.source,
    traceId: event.traceId,
    correlationId: event.correlationId,
    sequence: handling.sequence,
    storedAt: handling.delivery.storedAt,
  };
  return handler.run(received as never, new HandlerContext(handling));
}
