// Responses: what a service answers, with what an error may tell of itself.

import { AegisError, RpcError, ValidationError } from "../domain/error.ts";
import { HEADER, headerJson } from "../domain/header.ts";
import type { RpcResponse } from "../domain/message.ts";
import type { Codec } from "../ports/codec.ts";
import type { Message } from "../ports/messaging.ts";
import type { Invocation } from "./invocation.ts";
import { Replies } from "./replies.ts";
import { codecOf, encodeResponse, type Runtime } from "./runtime.ts";

const MAX_ERROR_DATA = 64 * 1024;
const MAX_ERROR_TEXT = 4 * 1024;

/** Writes the answers of one service. */
export class Responses {
  readonly #runtime: Runtime;
  readonly #service: string;
  readonly #replies: Replies;

  constructor(runtime: Runtime, service: string) {
    this.#runtime = runtime;
    this.#service = service;
    this.#replies = new Replies(runtime, service);
  }

  /** Answers a call with its result or its error; what it gives is the outcome for the metrics. */
  answer(invocation: Invocation, error: unknown, result: unknown): string {
    const { reply, codec, expiresAt } = invocation;
    if (error === undefined) {
      if (reply === undefined || reply === "") return "ok";
      try {
        const body = encodeResponse(codec, this.#response(invocation, result, null));
        this.#replies.send(reply, body, undefined, expiresAt);
        return "ok";
      } catch (cause) {
        const message = `Cannot send the result of ${this.#name(invocation)}: ${
          (cause as Error).message
        }`;
        error = new AegisError("INTERNAL_ERROR", message, { cause });
      }
    }
    const code = AegisError.is(error) ? error.code : "INTERNAL_ERROR";
    if (code === "INTERNAL_ERROR") {
      invocation.log.error(`${this.#name(invocation)} failed`, { error });
    }
    if (reply !== undefined && reply !== "") {
      const headers = errorHeaders(error, code);
      if (invocation.method.handler.options.idempotent === true) headers[HEADER.idempotent] = "1";
      this.#sendError(reply, codec, this.#response(invocation, null, error), headers, expiresAt);
    }
    return code;
  }

  /** Answers what is no request, or none for this instance. */
  refuse(message: Message, error: unknown): void {
    const { logger, clock, random, timeoutMs } = this.#runtime;
    logger.warn(`${this.#service} refused a message`, { subject: message.subject, error });
    if (message.reply === undefined || message.reply === "") return;
    let codec = this.#runtime.codec;
    try {
      codec = codecOf(this.#runtime, message.data);
    } catch {
      // An empty body, or an encoding that is not understood: the answer goes out in our own.
    }
    const response: RpcResponse = {
      messageId: random.uuid(),
      traceId: random.traceId(),
      correlationId: null,
      timestamp: clock.timestamp(),
      source: this.#service,
      target: null,
      success: false,
      result: null,
      error: errorText(error),
    };
    const headers = errorHeaders(error, "INVALID_REQUEST");
    this.#sendError(message.reply, codec, response, headers, clock.monotonic() + timeoutMs);
  }

  /** Lets go of what it keeps. */
  close(): void {
    this.#replies.close();
  }

  #sendError(
    reply: string,
    codec: Codec,
    response: RpcResponse,
    headers: Record<string, string>,
    expiresAt: number,
  ): void {
    try {
      this.#replies.send(reply, encodeResponse(codec, response), headers, expiresAt);
    } catch (error) {
      this.#runtime.logger.error(`${this.#service} could not answer`, { error });
    }
  }

  #response({ request }: Invocation, result: unknown, error: unknown): RpcResponse {
    return {
      messageId: this.#runtime.random.uuid(),
      traceId: request.traceId,
      correlationId: request.messageId,
      timestamp: this.#runtime.clock.timestamp(),
      source: this.#service,
      target: request.source,
      success: error === null,
      result,
      error: error === null ? null : errorText(error),
    };
  }

  #name(invocation: Invocation): string {
    return `${this.#service}.${invocation.method.name}`;
  }
}

function errorHeaders(error: unknown, code: string): Record<string, string> {
  const headers: Record<string, string> = {
    [HEADER.errorCode]: code.replace(/[^\x21-\x7e]/g, "_").slice(0, 256) || "INTERNAL_ERROR",
  };
  let data: unknown;
  if (error instanceof RpcError) data = error.data;
  else if (error instanceof ValidationError) data = error.issues;
  else if (AegisError.is(error) && error.details.sent === true) data = { sent: true };
  const json = data === undefined ? undefined : headerJson(data, MAX_ERROR_DATA);
  if (json !== undefined) headers[HEADER.errorData] = json;
  return headers;
}

/** The message of an error for its caller: no stack leaves the process, nor does one that somebody put into a message. */
function errorText(error: unknown): string {
  const text = error instanceof Error ? error.message || error.name : String(error);
  return text.split("\n").filter((line) => !/^\s*at\s.+[:(]/.test(line)).join("\n")
    .slice(0, MAX_ERROR_TEXT);
}
