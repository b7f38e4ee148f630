// RPC messages: requests and responses, read strictly and written to the byte.

import {
  type Envelope,
  EnvelopeReader,
  envelopeValue,
  float,
  type FreshFields,
  isRecord,
  quote,
  quoteOrNull,
} from "./envelope.ts";
import { assertShape } from "./shape.ts";

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
  const reader = new EnvelopeReader(body, "a request");
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
  const reader = new EnvelopeReader(body, "a response");
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
