// The envelope: the models of the wire, read strictly and written to the byte.

import { type Issue, ValidationError } from "./error.ts";
import { show } from "./check.ts";
import { assertShape } from "./shape.ts";

/** What every message carries. */
export interface Envelope {
  /** The message's own id. */
  readonly messageId: string;
  /** The trace that it belongs to, the same in all that follows from one first call. */
  readonly traceId: string;
  /** The message that this one answers. */
  readonly correlationId: string | null;
  /** When it was made, ISO 8601, on the sender's clock. */
  readonly timestamp: string;
  /** Who sent it. */
  readonly source: string | null;
  /** Whom it is for. */
  readonly target: string | null;
}

/** A call. */
export interface RpcRequest extends Envelope {
  /** The method that is called. */
  readonly method: string;
  /** Its parameters. */
  readonly params: Readonly<Record<string, unknown>>;
  /** The time that the caller still has, in milliseconds. */
  readonly timeoutMs: number;
}

/** The answer to a call. */
export interface RpcResponse extends Envelope {
  /** Whether the method gave a result. */
  readonly success: boolean;
  /** The result; null on failure. */
  readonly result: unknown;
  /** What went wrong, for people; null on success. */
  readonly error: string | null;
}

/** How long a call may take where nobody says, in milliseconds. */
export const DEFAULT_TIMEOUT_MS = 5_000;
const TIMESTAMP =
  /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])(?:[T ](?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:[.,]\d{1,9})?)?(?:Z|z|[+-]\d\d(?::?\d\d)?)?)?$/;

/** The request as JSON, its keys in the order of the protocol. `paramsJson` is the JSON of the parameters. */
export function requestJson(request: RpcRequest, paramsJson: string): string {
  return `{"message_id":"${request.messageId}","trace_id":${
    quote(request.traceId)
  },"correlation_id":${
    request.correlationId === null ? "null" : quote(request.correlationId)
  },"timestamp":"${request.timestamp}","source":${quoteOrNull(request.source)},"target":${
    quoteOrNull(request.target)
  },"method":"${request.method}","params":${paramsJson},"timeout":${
    float(request.timeoutMs / 1_000)
  }}`;
}

/** The response as JSON, its keys in the order of the protocol. `resultJson` is the JSON of the result. */
export function responseJson(response: RpcResponse, resultJson: string): string {
  return `{"message_id":"${response.messageId}","trace_id":${
    quote(response.traceId)
  },"correlation_id":${
    response.correlationId === null ? "null" : quote(response.correlationId)
  },"timestamp":"${response.timestamp}","source":${quoteOrNull(response.source)},"target":${
    quoteOrNull(response.target)
  },"success":${response.success},"result":${resultJson},"error":${
    response.error === null ? "null" : quote(response.error)
  }}`;
}

/** The request as the object that a codec encodes. */
export function requestValue(request: RpcRequest): Record<string, unknown> {
  return {
    ...envelopeValue(request),
    method: request.method,
    params: request.params,
    timeout: request.timeoutMs / 1_000,
  };
}

/** The response as the object that a codec encodes. */
export function responseValue(response: RpcResponse): Record<string, unknown> {
  return {
    ...envelopeValue(response),
    success: response.success,
    // What a handler that returns nothing gives is null; a codec would leave an undefined key out.
    result: response.result ?? null,
    error: response.error,
  };
}

/**
 * The request that a decoded body holds. `fresh` gives the ids and the time stamp that it lacks.
 *
 * @throws {ValidationError} when it holds none; `issues` name each field.
 */
export function readRequest(body: unknown, fresh: FreshFields): RpcRequest {
  const reader = new Reader(body, "a request");
  let method = "", params: Record<string, unknown> = {}, timeout = DEFAULT_TIMEOUT_MS / 1_000;
  for (const key in reader.body) {
    const value = reader.body[key];
    if (reader.envelope(key, value)) continue;
    if (key === "method") {
      if (typeof value === "string") method = value.trim();
      else reader.wrong(key, "a string", value);
    } else if (key === "params") {
      if (isRecord(value)) params = value;
      else reader.wrong(key, "an object", value);
    } else if (key === "timeout") {
      if (typeof value === "number" && value > 0 && value < Infinity) timeout = value;
      else reader.wrong(key, "a number of seconds over 0", value);
    } else reader.unknown(key);
  }
  if (method === "" && reader.issues === undefined) reader.wrong("method", "a name", method);
  reader.check();
  assertShape(params, 2);
  return {
    messageId: reader.messageId ?? fresh.uuid(),
    traceId: reader.traceId ?? fresh.traceId(),
    correlationId: reader.correlationId,
    timestamp: reader.timestamp ?? fresh.timestamp(),
    source: reader.source,
    target: reader.target,
    method,
    params,
    // A number of seconds near the greatest would be infinite in milliseconds, which is no deadline.
    timeoutMs: Math.min(timeout * 1_000, Number.MAX_SAFE_INTEGER),
  };
}

/**
 * The response that a decoded body holds.
 *
 * @throws {ValidationError} when it holds none; `issues` name each field.
 */
export function readResponse(body: unknown, fresh: FreshFields): RpcResponse {
  const reader = new Reader(body, "a response");
  let success: boolean | undefined, result: unknown = null, error: string | null = null;
  for (const key in reader.body) {
    const value = reader.body[key];
    if (reader.envelope(key, value)) continue;
    if (key === "success") {
      if (typeof value === "boolean") success = value;
      else reader.wrong(key, "a boolean", value);
    } else if (key === "result") {
      result = value;
    } else if (key === "error") {
      if (value === null || typeof value === "string") error = value;
      else reader.wrong(key, "a string or null", value);
    } else reader.unknown(key);
  }
  if (success === undefined) {
    // Where it is there and wrong, that was said above.
    if (!("success" in reader.body)) reader.wrong("success", "a boolean", success);
  } else if (success !== (error === null)) {
    reader.wrong("error", success ? "null on success" : "a string on failure", error);
  }
  reader.check();
  assertShape(result, 2);
  return {
    messageId: reader.messageId ?? fresh.uuid(),
    traceId: reader.traceId ?? fresh.traceId(),
    correlationId: reader.correlationId,
    timestamp: reader.timestamp ?? fresh.timestamp(),
    source: reader.source,
    target: reader.target,
    success: success === true,
    result,
    error,
  };
}

/** What fills in for fields that a sender may leave out. */
export interface FreshFields {
  /** A new message id. */
  uuid(): string;
  /** A new trace id. */
  traceId(): string;
  /** The time now, ISO 8601. */
  timestamp(): string;
}

/** Whether a value is an object with keys: no array, no null. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Reads the fields that all messages share, and gathers what is wrong. */
class Reader {
  readonly body: Record<string, unknown>;
  readonly #what: string;
  messageId: string | undefined = undefined;
  traceId: string | undefined = undefined;
  correlationId: string | null = null;
  timestamp: string | undefined = undefined;
  source: string | null = null;
  target: string | null = null;
  issues: Issue[] | undefined = undefined;

  constructor(body: unknown, what: string) {
    this.#what = what;
    if (!isRecord(body)) {
      throw new ValidationError(
        `Cannot read ${what}: the body must be an object, not ${show(body)}`,
      );
    }
    this.body = body;
  }

  /** Takes a field of the envelope; false when `key` is none. */
  envelope(key: string, value: unknown): boolean {
    switch (key) {
      case "message_id":
        if (typeof value === "string") this.messageId = value;
        else this.wrong(key, "a string", value);
        return true;
      case "trace_id":
        if (typeof value === "string") this.traceId = value;
        else this.wrong(key, "a string", value);
        return true;
      case "correlation_id":
        if (value === null || typeof value === "string") this.correlationId = value;
        else this.wrong(key, "a string or null", value);
        return true;
      case "timestamp":
        if (typeof value === "string" && TIMESTAMP.test(value)) this.timestamp = value;
        else this.wrong(key, "a time in ISO 8601", value);
        return true;
      case "source":
        if (value === null || typeof value === "string") this.source = value;
        else this.wrong(key, "a string or null", value);
        return true;
      case "target":
        if (value === null || typeof value === "string") this.target = value;
        else this.wrong(key, "a string or null", value);
        return true;
      default:
        return false;
    }
  }

  wrong(key: string, allowed: string, value: unknown): void {
    (this.issues ??= []).push({ path: [key], message: `must be ${allowed}, not ${show(value)}` });
  }

  unknown(key: string): void {
    (this.issues ??= []).push({ path: [key], message: "is no field of the protocol" });
  }

  check(): void {
    if (this.issues === undefined) return;
    const list = this.issues.map((issue) => `${issue.path?.join(".")} ${issue.message}`).join("; ");
    throw new ValidationError(`Cannot read ${this.#what}: ${list}`, this.issues);
  }
}

function envelopeValue(message: Envelope): Record<string, unknown> {
  return {
    message_id: message.messageId,
    trace_id: message.traceId,
    correlation_id: message.correlationId,
    timestamp: message.timestamp,
    source: message.source,
    target: message.target,
  };
}

function quote(text: string): string {
  return JSON.stringify(text);
}

/** Names of services and clients, quoted once: each message holds two of them. */
const QUOTED = new Map<string, string>();
const MAX_QUOTED = 1_000;

function quoteOrNull(text: string | null): string {
  if (text === null) return "null";
  let quoted = QUOTED.get(text);
  if (quoted === undefined) {
    quoted = JSON.stringify(text);
    if (text.length < 100 && QUOTED.size < MAX_QUOTED) QUOTED.set(text, quoted);
  }
  return quoted;
}

/** A number as Python writes a float, so that whole seconds stay floats. */
function float(value: number): string {
  return Number.isInteger(value) && Math.abs(value) < 1e21 ? `${value}.0` : String(value);
}
