// Methods: handlers as they are served, each with its limits and measures.

import { CallStats } from "../domain/call_stats.ts";
import { ValidationError } from "../domain/error.ts";
import { readRequest, type RpcRequest } from "../domain/message.ts";
import { OwnRequests } from "../domain/own_message.ts";
import type { Codec } from "../ports/codec.ts";
import type { Message } from "../ports/messaging.ts";
import { type Limiter, limiterOf } from "./limiter.ts";
import { Measures } from "./measures.ts";
import type { RpcHandler } from "./rpc.ts";
import { type Runtime, textOf } from "./runtime.ts";

/** A handler that is being served. */
export interface Method {
  readonly name: string;
  readonly service: string;
  readonly handler: RpcHandler;
  /** Whether every service answers it: then no limit and no middleware of the program stands before it. */
  readonly builtIn: boolean;
  /** Whether the leader alone serves it. */
  readonly exclusive: boolean;
  readonly limiter: Limiter | undefined;
  readonly timeoutMs: number;
  readonly measures: Measures;
  readonly stats: CallStats;
  readonly own: OwnRequests;
}

/** A handler, ready to be served. */
export function createMethod(
  runtime: Runtime,
  service: string,
  handler: RpcHandler,
  builtIn: boolean,
): Method {
  const { concurrency = Infinity, timeoutMs = Infinity, exclusive = false } = handler.options;
  return {
    name: handler.method,
    service,
    handler,
    builtIn,
    exclusive,
    limiter: limiterOf(concurrency),
    timeoutMs,
    measures: new Measures(runtime, "server", { service, method: handler.method }),
    stats: new CallStats(),
    own: new OwnRequests(handler.method),
  };
}

/** Counts a call that took so long; `code` is that of its error, undefined where it gave a result. */
export function countCall(
  { measures, stats }: Method,
  tookMs: number,
  code: string | undefined,
  error?: unknown,
): void {
  if (code === undefined) {
    measures.succeeded(tookMs);
    stats.succeeded(tookMs);
  } else {
    measures.failed(code, tookMs);
    stats.failed(tookMs, code, error);
  }
}

/** The request for `method` that a message holds. @throws {AegisError} when it holds none. */
export function readFor(
  method: Method,
  runtime: Runtime,
  codec: Codec,
  message: Message,
): RpcRequest {
  const text = textOf(codec, message);
  const own = text === undefined ? undefined : method.own.read(text);
  if (own !== undefined) return own;
  const request = readRequest(codec.decode(message.data), runtime.fresh);
  if (request.method !== method.name) {
    throw new ValidationError(
      `Cannot call ${method.service}.${method.name}: the body names the method "${request.method}"`,
    );
  }
  if (text !== undefined) method.own.learn(text, request);
  return request;
}
