// Jobs: an event on its way, from its payload to the bytes and headers that are sent.

import { HEADER, newTraceparent, traceIdOf, traceparentOf } from "../domain/header.ts";
import type { Sender } from "./context.ts";
import type { PublishOptions } from "./event_types.ts";
import type { Measures } from "./measures.ts";
import { encodeEvent, type Runtime } from "./runtime.ts";
import type { CallSpan } from "./spans.ts";

/** An event on its way. */
export interface Job {
  readonly sender: Sender;
  readonly type: string;
  readonly subject: string;
  readonly id: string;
  /** Whether the program chose it, so that it may have published with it before. */
  readonly hasOwnId: boolean;
  readonly body: string | Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
  readonly startedAt: number;
  readonly expiresAt: number;
  readonly signal: AbortSignal | undefined;
  readonly measures: Measures;
  readonly span: CallSpan | undefined;
}

/** A type of events that are published: checked and named once. */
export interface Topic {
  readonly subject: string;
  readonly measures: Measures;
}

const DEFAULT_TIMEOUT_MS = 5_000;

/** An event, ready to be sent. @throws {SerializationError} when its payload has no encoding. */
export function jobOf(
  { clock, random, codec, spans }: Runtime,
  sender: Sender,
  { subject, measures }: Topic,
  type: string,
  version: string,
  payload: Readonly<Record<string, unknown>>,
  options: PublishOptions,
): Job {
  const { origin } = sender;
  const { timeoutMs = DEFAULT_TIMEOUT_MS, signal } = options;
  const startedAt = clock.monotonic();
  const given = options.headers?.[HEADER.traceparent];
  const span = spans?.startEvent("producer", type, given ?? origin?.traceparent);
  const parent = given ?? span?.traceparent;
  const traceId = (parent === undefined ? undefined : traceIdOf(parent)) ?? origin?.traceId ??
    random.traceId();
  const id = options.id ?? random.uuid();
  const dot = type.indexOf(".");
  const body = encodeEvent(codec, {
    messageId: id,
    traceId,
    correlationId: origin?.messageId ?? null,
    timestamp: clock.timestamp(),
    source: sender.source,
    target: null,
    domain: type.slice(0, dot),
    eventType: type.slice(dot + 1),
    payload,
    version,
  });
  const traceparent = parent ??
    (origin === undefined
      ? newTraceparent(traceId, random.spanId())
      : traceparentOf(traceId, random.spanId(), origin.traceparent));
  const headers: Record<string, string> = { "Nats-Msg-Id": id };
  if (traceparent !== undefined) headers[HEADER.traceparent] = traceparent;
  if (options.headers !== undefined) Object.assign(headers, options.headers);
  const limit = startedAt + timeoutMs;
  return {
    sender,
    type,
    subject,
    id,
    hasOwnId: options.id !== undefined || headers["Nats-Msg-Id"] !== id,
    body,
    headers,
    startedAt,
    expiresAt: origin === undefined || limit < origin.expiresAt ? limit : origin.expiresAt,
    signal,
    measures,
    span,
  };
}
