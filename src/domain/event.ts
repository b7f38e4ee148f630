// Events: what has happened, as it stands in the stream; read strictly and written to the byte.

import { show } from "./check.ts";
import {
  type Envelope,
  EnvelopeReader,
  envelopeValue,
  type FreshFields,
  isRecord,
  quote,
  quoteOrNull,
} from "./envelope.ts";
import { flatCopy } from "./flat.ts";
import { assertShape } from "./shape.ts";

/** What happened, as the wire has it. */
export interface EventMessage extends Envelope {
  /** What it is about: the first token of its type. */
  readonly domain: string;
  /** What happened: the rest of its type. */
  readonly eventType: string;
  /** What there is to know of it. */
  readonly payload: Readonly<Record<string, unknown>>;
  /** The version of the payload's shape: two or three numbers with dots between. */
  readonly version: string;
}

const VERSION = /^\d+\.\d+(?:\.\d+)?$/;
const DEFAULT_VERSION = "1.0";

/** The event as JSON, its keys in the order of the protocol. `payloadJson` is the JSON of the payload. */
export function eventJson(event: EventMessage, payloadJson: string): string {
  return `{"message_id":${quote(event.messageId)},"trace_id":${
    quote(event.traceId)
  },"correlation_id":${quoteOrNull(event.correlationId)},"timestamp":"${event.timestamp}${
    middleOf(event)
  }${payloadJson},"version":"${event.version}"}`;
}

/** What lies between time stamp and payload: the same for all events of a type and a publisher. */
interface Middle extends Pick<EventMessage, "source" | "target" | "domain" | "eventType"> {
  readonly json: string;
}

let middle: Middle | undefined;

/**
 * The middle of an event, put together once for those that follow one another. Runtimes put strings together by pointing
 * to the pieces, which an event keeps until it is stored: the fewer there are, the less there is to keep and to collect.
 */
function middleOf({ source, target, domain, eventType }: EventMessage): string {
  if (
    middle?.eventType !== eventType || middle.domain !== domain || middle.source !== source ||
    middle.target !== target
  ) {
    const json = `","source":${quoteOrNull(source)},"target":${quoteOrNull(target)},"domain":${
      quoteOrNull(domain)
    },"event_type":${quoteOrNull(eventType)},"payload":`;
    middle = { source, target, domain, eventType, json: flatCopy(json) };
  }
  return middle.json;
}

/** The event as the object that a codec encodes. */
export function eventValue(event: EventMessage): Record<string, unknown> {
  return {
    ...envelopeValue(event),
    domain: event.domain,
    event_type: event.eventType,
    payload: event.payload,
    version: event.version,
  };
}

/**
 * The event that a decoded body holds. `fresh` gives the ids and the time stamp that it lacks.
 *
 * @throws {ValidationError} when it holds none; `issues` name each field.
 */
export function readEvent(body: unknown, fresh: FreshFields): EventMessage {
  const reader = new EnvelopeReader(body, "an event");
  let domain = "", eventType = "", version = DEFAULT_VERSION;
  let payload: Record<string, unknown> = {};
  for (const key in reader.body) {
    const value = reader.body[key];
    if (reader.envelope(key, value)) continue;
    if (key === "domain") {
      if (typeof value === "string") domain = value.trim();
      else reader.wrong(key, "a string", value);
    } else if (key === "event_type") {
      if (typeof value === "string") eventType = value.trim();
      else reader.wrong(key, "a string", value);
    } else if (key === "payload") {
      if (isRecord(value)) payload = value;
      else reader.wrong(key, "an object", value);
    } else if (key === "version") {
      if (typeof value === "string" && VERSION.test(value)) version = value;
      else reader.wrong(key, "two or three numbers with dots between", value);
    } else reader.unknown(key);
  }
  if (domain === "" && typeof (reader.body.domain ?? "") === "string") {
    reader.wrong("domain", "a name", domain);
  }
  if (eventType === "" && typeof (reader.body.event_type ?? "") === "string") {
    reader.wrong("event_type", "a name", eventType);
  }
  reader.check();
  assertShape(payload, 2);
  return {
    messageId: reader.messageId ?? fresh.uuid(),
    traceId: reader.traceId ?? fresh.traceId(),
    correlationId: reader.correlationId,
    timestamp: reader.timestamp ?? fresh.timestamp(),
    source: reader.source,
    target: reader.target,
    domain,
    eventType,
    payload,
    version,
  };
}

/**
 * Whether an event of this version is for who knows `wanted`: it has the same major version. It may be where it is `1.0`,
 * which is also what stands on an event whose publisher has named none.
 */
export function isOfVersion(version: string, wanted: string): "yes" | "maybe" | "no" {
  if (version === wanted || majorOf(version) === majorOf(wanted)) return "yes";
  return version === DEFAULT_VERSION ? "maybe" : "no";
}

function majorOf(version: string): number {
  return Number(version.slice(0, version.indexOf(".")));
}

/** Checks the version of an event. @throws {TypeError} when it is none. */
export function assertEventVersion(version: unknown): asserts version is string {
  if (typeof version !== "string" || !VERSION.test(version)) {
    throw new TypeError(
      `Cannot use ${
        show(version)
      } as the version of an event: it must be two or three numbers with dots between, such as "1.0"`,
    );
  }
}
