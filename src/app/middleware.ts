// Middleware: what runs around every call, on either side.

import { show } from "../domain/check.ts";
import type { Context } from "./context.ts";

/** A call as the middleware of a client sees it. */
export interface ClientCall {
  /** The service that is called. */
  readonly service: string;
  /** The method that is called. */
  readonly method: string;
  /** The parameters; a middleware may replace them. */
  params: unknown;
  /** Headers to send along; a middleware may add to them. */
  readonly headers: Record<string, string>;
  /** The time for the whole call, in milliseconds. */
  readonly timeoutMs: number;
}

/** A call as the middleware of a service sees it. */
export interface ServerCall {
  /** The service that is called. */
  readonly service: string;
  /** The method that is called. */
  readonly method: string;
  /** The validated parameters; a middleware may replace them. */
  params: unknown;
  /** What the handler gets as its second argument. */
  readonly context: Context;
}

/**
 * Runs around each call: what it does before `next()` comes before the call, what it returns is the result.
 *
 * @example A middleware of a service that refuses strangers
 * ```ts
 * import { RpcError, type ServerMiddleware } from "@aegis/sdk";
 *
 * const authorize: ServerMiddleware = async (call, next) => {
 *   if (call.context.header("authorization") === undefined) throw new RpcError("UNAUTHORIZED", "Log in first");
 *   return await next();
 * };
 * ```
 */
export type Middleware<Call> = (call: Call, next: () => Promise<unknown>) => Promise<unknown>;

/** Middleware of `createClient({ middleware })`. */
export type ClientMiddleware = Middleware<ClientCall>;

/** Middleware of `createService(name, { middleware })`. */
export type ServerMiddleware = Middleware<ServerCall>;

/** Checks middleware that a program gives. @throws {TypeError} when it is none. */
export function assertMiddleware(middleware: unknown, where: string): void {
  if (!Array.isArray(middleware) || !middleware.every((step) => typeof step === "function")) {
    throw new TypeError(
      `Cannot use ${
        show(middleware)
      } as option "middleware" ${where}: it must be an array of functions`,
    );
  }
}

/**
 * Runs `call` through `middleware`, the first outermost, to `last`. What a middleware throws at once, and a plain value
 * that it returns against its type, comes out as a promise too.
 */
export function runThrough<Call>(
  middleware: readonly Middleware<Call>[],
  call: Call,
  last: () => Promise<unknown>,
): Promise<unknown> {
  // No async function: each would be one of the ten frames of a stack, of which the caller's own may be the last.
  const step = (index: number): Promise<unknown> => {
    const current = middleware[index];
    if (current === undefined) return last();
    try {
      return Promise.resolve(current(call, () => step(index + 1)));
    } catch (error) {
      return Promise.reject(error);
    }
  };
  return step(0);
}
