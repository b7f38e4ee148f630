// RPC handlers: plain frozen values that a service serves.

import { assertSchema, type InputOf, type OutputOf, type Schema } from "../domain/schema.ts";
import {
  assertBoolean,
  assertConcurrency,
  assertKeys,
  assertTimeout,
  show,
} from "../domain/check.ts";
import type { Frozen } from "../domain/frozen.ts";
import { assertMethodName } from "../domain/subject.ts";
import type { Context } from "./context.ts";

/** Options of {@linkcode rpc}. */
export interface RpcOptions<
  Params extends Schema<object, unknown> | undefined = undefined,
  Result extends Schema | undefined = undefined,
> {
  /** What the parameters must be, an object; the handler gets what the schema makes of them. Without it they are `unknown`. */
  readonly params?: Params;
  /** What the result must be; the caller gets what the schema makes of it, as it arrives ({@linkcode Jsonified}). */
  readonly result?: Result;
  /** The longest that the handler may take, in milliseconds, however long the caller would wait. @default {Infinity} */
  readonly timeoutMs?: number;
  /** How many calls of one instance run at once; ten times as many may wait, further ones are answered `BUSY`. @default {Infinity} */
  readonly concurrency?: number;
  /**
   * Whether the leader alone serves it, of a service with `singleActive`: see {@linkcode ServiceOptions.singleActive}.
   *
   * @default {false}
   */
  readonly exclusive?: boolean;
  /** Whether a call may be run twice without harm, so that callers may repeat one whose fate is unknown. @default {false} */
  readonly idempotent?: boolean;
  /** What it is for, for people. */
  readonly description?: string;
}

/** A handler of one method. `Params` is what callers pass, `Result` what it gives, which they get as JSON has it. */
export interface RpcHandler<
  Method extends string = string,
  Params = unknown,
  Result = unknown,
> {
  /** What kind of handler it is. */
  readonly kind: "rpc";
  /** The method's name. */
  readonly method: Method;
  /** The options that it was made with. */
  readonly options: RpcOptions<Schema<object, unknown> | undefined, Schema | undefined>;
  /** The handler itself. */
  readonly run: (params: never, context: Context) => unknown;
  /** Carries the types; it has no value. */
  readonly "~types"?: { readonly params: Params; readonly result: Result };
}

const OPTIONS = [
  "params",
  "result",
  "timeoutMs",
  "concurrency",
  "exclusive",
  "idempotent",
  "description",
];

/**
 * A handler of the method `method`. Making one does nothing; a service serves it from `start()` to `stop()`.
 *
 * @throws {TypeError} for a name that is none, an option that is none, or a schema that is no Standard Schema.
 * @throws {RangeError} for a number out of range.
 *
 * @example
 * ```ts
 * import { connect, createClient, createService, rpc } from "@aegis/sdk";
 * import * as v from "valibot";
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * const add = rpc("add", {
 *   params: v.object({ a: v.number(), b: v.number() }),
 *   result: v.object({ sum: v.number() }),
 * }, ({ a, b }) => ({ sum: a + b }));
 *
 * await using bus = await connect({ servers: "memory:" });
 * await using service = createService("calculator", { bus, handlers: [add] });
 * await service.start();
 *
 * const calculator = createClient({ bus }).service<typeof service>("calculator");
 * deepStrictEqual(await calculator.call("add", { a: 1, b: 2 }), { sum: 3 });
 * ```
 */
export function rpc<const Method extends string, Result>(
  method: Method,
  handler: (params: unknown, context: Context) => Result | Promise<Result>,
): RpcHandler<Method, unknown, Result>;
/** A handler with a schema for its result. */
export function rpc<
  const Method extends string,
  ResultSchema extends Schema,
  const Returned extends Frozen<InputOf<ResultSchema>>,
  ParamsSchema extends Schema<object, unknown> | undefined = undefined,
>(
  method: Method,
  options: RpcOptions<ParamsSchema, ResultSchema> & { readonly result: ResultSchema },
  handler: (
    params: OutputOf<ParamsSchema>,
    context: Context,
  ) => Returned | Promise<Returned>,
): RpcHandler<Method, InputOf<ParamsSchema>, OutputOf<ResultSchema>>;
/** A handler whose result is what it returns. */
export function rpc<
  const Method extends string,
  Result,
  ParamsSchema extends Schema<object, unknown> | undefined = undefined,
>(
  method: Method,
  options: RpcOptions<ParamsSchema, undefined>,
  handler: (params: OutputOf<ParamsSchema>, context: Context) => Result | Promise<Result>,
): RpcHandler<Method, InputOf<ParamsSchema>, Result>;
export function rpc(
  method: string,
  optionsOrHandler: unknown,
  handler?: unknown,
): RpcHandler {
  assertMethodName(method);
  const run = handler ?? optionsOrHandler;
  const options = (handler === undefined ? {} : optionsOrHandler) as RpcOptions;
  if (typeof run !== "function") {
    throw new TypeError(
      `Cannot make rpc "${method}": its handler must be a function, not ${show(run)}`,
    );
  }
  checkOptions(method, options);
  return Object.freeze({
    kind: "rpc",
    method,
    options: Object.freeze({ ...options }),
    run: run as RpcHandler["run"],
  });
}

function checkOptions(method: string, options: RpcOptions): void {
  if (typeof options !== "object" || options === null) {
    throw new TypeError(
      `Cannot make rpc "${method}": its options must be an object, not ${show(options)}`,
    );
  }
  const where = `of rpc "${method}"`;
  assertKeys(options, OPTIONS, where);
  const { params, result, timeoutMs, concurrency, description } = options;
  if (params !== undefined) assertSchema(params, `option "params" ${where}`);
  if (result !== undefined) assertSchema(result, `option "result" ${where}`);
  if (timeoutMs !== undefined) assertTimeout(timeoutMs, `option "timeoutMs" ${where}`);
  if (concurrency !== undefined) assertConcurrency(concurrency, `option "concurrency" ${where}`);
  assertBoolean(options.exclusive, `option "exclusive" ${where}`);
  assertBoolean(options.idempotent, `option "idempotent" ${where}`);
  if (description !== undefined && typeof description !== "string") {
    throw new TypeError(
      `Cannot use ${show(description)} as option "description" ${where}: it must be a string`,
    );
  }
}
