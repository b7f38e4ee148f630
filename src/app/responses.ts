// Responses: what a service answers, with what an error may tell of itself.

import { AegisError, ValidationError } from "../domain/error.ts";
import { HEADER, headerCode, headerJson } from "../domain/header.ts";
import { isRecord } from "../domain/envelope.ts";
import { LEADER_QUESTION, ledMethods } from "../domain/leader_word.ts";
import { DEFAULT_TIMEOUT_MS, type RpcResponse } from "../domain/message.ts";
import type { Codec } from "../ports/codec.ts";
import type { Message } from "../ports/messaging.ts";
import type { Invocation } from "./invocation.ts";
import { type Leading, notActive } from "./leading.ts";
import type { Replies } from "./replies.ts";
import { codecOf, encodeResponse, type Runtime } from "./runtime.ts";
import { Standing, type StandingOptions } from "./standing.ts";

const MAX_ERROR_DATA = 64 * 1024;
/** The text of an error whose own does not fit a message, or has no encoding. */
const SHORTENED = "The error is too large to be sent, or has no encoding";
const MAX_ERROR_TEXT = 4 * 1024;

/** Writes the answers of one service. */
export class Responses {
  readonly #runtime: Runtime;
  readonly #service: string;
  /** What it tells of its leadership. */
  readonly standing: Standing;
  readonly #replies: Replies;

  constructor(runtime: Runtime, whose: StandingOptions, replies: Replies) {
    this.#runtime = runtime;
    this.#service = whose.service;
    this.#replies = replies;
    this.standing = new Standing(runtime, whose);
  }

  /** Answers a call with its result or its error; gives the error's code, or undefined for a result. */
  answer(invocation: Invocation, error: unknown, result: unknown): string | undefined {
    const { reply, codec, expiresAt } = invocation;
    if (error === undefined) {
      if (reply === undefined || reply === "") return undefined;
      try {
        const body = encodeResponse(codec, this.#response(invocation, result, null));
        const headers = invocation.method.exclusive ? this.standing.headers : undefined;
        this.#replies.send(reply, body, headers, expiresAt);
        return undefined;
      } catch (cause) {
        const message = `Cannot send the result of ${this.#name(invocation)}: ${errorText(cause)}`;
        error = new AegisError("INTERNAL_ERROR", message, { cause });
      }
    }
    const code = codeOf(error);
    if (code === "INTERNAL_ERROR") {
      invocation.log.error(`${this.#name(invocation)} failed`, { error });
    }
    if (reply !== undefined && reply !== "") {
      const headers = this.#errorHeaders(error, code, this.#name(invocation));
      if (!invocation.begun || invocation.refused) headers[HEADER.refused] = "1";
      if (invocation.method.handler.options.idempotent === true) headers[HEADER.idempotent] = "1";
      if (invocation.method.exclusive) Object.assign(headers, this.standing.headers);
      this.#sendError(reply, codec, this.#response(invocation, null, error), headers, expiresAt);
    }
    return code;
  }

  /** Answers what is no request, or none for this instance. */
  refuse(message: Message, error: unknown, exclusive = false): void {
    const { logger } = this.#runtime;
    logger.warn(`${this.#service} refused a message`, { subject: message.subject, error });
    this.#turnAway(message, error, "INVALID_REQUEST", exclusive);
  }

  /** Answers a request for a method that there is not. */
  unknown(message: Message, method: string): void {
    const name = `${this.#service}.${method}`;
    this.refuse(message, new ValidationError(`Cannot call ${name}: there is no such method`));
  }

  /** Answers what is for the leader, where this instance stands by. */
  standBy(message: Message, method: string): void {
    const error = notActive(this.#service, `${this.#service}.${method}`);
    this.#turnAway(message, error, error.code, true);
  }

  /** Answers who asks who leads. To those who ask leaders alone, one that stands by says nothing. */
  ask({ reply, ascii, data }: Message, methods: readonly string[], leading?: Leading): void {
    const leads = leading?.token !== undefined;
    const question = ascii ?? new TextDecoder().decode(data);
    if (reply === undefined || reply === "" || (!leads && question === LEADER_QUESTION)) return;
    try {
      const { messaging } = this.#runtime.transport;
      messaging.publish(reply, ledMethods(methods), undefined, this.standing.headers);
    } catch {
      // The bus is away: whoever wants to know asks again.
    }
  }

  #turnAway(message: Message, error: unknown, code: string, exclusive: boolean): void {
    const { clock, random } = this.#runtime;
    if (message.reply === undefined || message.reply === "") return;
    let codec = this.#runtime.codec;
    let request: unknown;
    try {
      codec = codecOf(this.#runtime, message);
      request = codec.decode(message.data);
    } catch {
      // An empty body, an encoding that is not understood, or no encoding at all: nothing to answer to but the subject.
    }
    const { message_id: id, trace_id: trace, source } = isRecord(request) ? request : {};
    const response: RpcResponse = {
      messageId: random.uuid(),
      traceId: typeof trace === "string" ? trace : random.traceId(),
      correlationId: typeof id === "string" ? id : null,
      timestamp: clock.timestamp(),
      source: this.#service,
      target: typeof source === "string" ? source : null,
      success: false,
      result: null,
      error: errorText(error),
    };
    const headers = this.#errorHeaders(error, code, this.#service);
    headers[HEADER.refused] = "1";
    if (exclusive) Object.assign(headers, this.standing.headers);
    // An answer that names no request is not sent again: after an outage it could end another one.
    const expiresAt = response.correlationId === null ? 0 : clock.monotonic() + DEFAULT_TIMEOUT_MS;
    this.#sendError(message.reply, codec, response, headers, expiresAt);
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
      // Better an error without its data, or its text, than a caller that waits for it in vain.
      const { [HEADER.errorData]: data, ...rest } = headers;
      if (data !== undefined) {
        const kept = { ...rest, [HEADER.errorDataDropped]: "1" };
        this.#runtime.logger.warn(`${this.#service} sends an error without its data`, { error });
        this.#sendError(reply, codec, response, kept, expiresAt);
      } else if (response.error !== SHORTENED) {
        this.#sendError(reply, codec, { ...response, error: SHORTENED }, rest, expiresAt);
      } else this.#runtime.logger.error(`${this.#service} could not answer`, { error });
    }
  }

  /** What of an error travels in headers. What cannot is told to both sides. */
  #errorHeaders(error: unknown, code: string, name: string): Record<string, string> {
    const headers: Record<string, string> = { [HEADER.errorCode]: headerCode(code) };
    const data = dataOf(error);
    if (data === undefined) return headers;
    const json = headerJson(data, MAX_ERROR_DATA);
    if (json !== undefined) headers[HEADER.errorData] = json;
    else {
      headers[HEADER.errorDataDropped] = "1";
      this.#runtime.logger.warn(
        `The data of an error of ${name} cannot be sent: they have no JSON form, or one of over ${MAX_ERROR_DATA} characters`,
        { code },
      );
    }
    return headers;
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

/** The code of whatever a handler threw. */
function codeOf(error: unknown): string {
  try {
    const code = AegisError.is(error) ? error.code as unknown : undefined;
    return typeof code === "string" && code !== "" ? code : "INTERNAL_ERROR";
  } catch {
    // Something that throws when it is looked at.
    return "INTERNAL_ERROR";
  }
}

/** What an error gives along. By shape: the error may come from another copy of this package. */
function dataOf(error: unknown): unknown {
  try {
    if (!AegisError.is(error)) return undefined;
    const { data, issues } = error as AegisError & { data?: unknown; issues?: unknown };
    return data === undefined ? issues : data;
  } catch {
    // Something that throws when it is looked at.
    return undefined;
  }
}

/** The message of an error for its caller: no stack leaves the process, nor does one that somebody put into a message. */
function errorText(error: unknown): string {
  let text: string;
  try {
    const { message, name } = error as { message?: unknown; name?: unknown };
    const isError = error instanceof Error || AegisError.is(error);
    text = String(isError ? message || name || "An error without a message" : error);
  } catch {
    // Something that throws when it is looked at, or has no text.
    text = "The handler threw something that cannot be shown";
  }
  return text.split("\n").filter((line) => !/^\s*at\s.+[:(]/.test(line)).join("\n")
    // Half a surrogate pair, of the text itself or of the cut, has no encoding in UTF-8.
    .slice(0, MAX_ERROR_TEXT).toWellFormed();
}
