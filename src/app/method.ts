// Methods: handlers as they are served, each with its limits and measures.

import { OwnRequests } from "../domain/own_message.ts";
import { type Limiter, limiterOf } from "./limiter.ts";
import { Measures } from "./measures.ts";
import type { RpcHandler } from "./rpc.ts";
import type { Runtime } from "./runtime.ts";

/** A handler that is being served. */
export interface Method {
  readonly name: string;
  readonly handler: RpcHandler;
  readonly limiter: Limiter | undefined;
  readonly timeoutMs: number;
  readonly measures: Measures;
  readonly own: OwnRequests;
}

/** A handler, ready to be served. */
export function createMethod(runtime: Runtime, service: string, handler: RpcHandler): Method {
  const { concurrency = Infinity, timeoutMs = Infinity } = handler.options;
  return {
    name: handler.method,
    handler,
    limiter: limiterOf(concurrency),
    timeoutMs,
    measures: new Measures(runtime, "server", service, handler.method),
    own: new OwnRequests(handler.method),
  };
}
