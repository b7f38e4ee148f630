// Running a handler: schemas, middleware and a span around it.

import { AegisError } from "../domain/error.ts";
import { HEADER } from "../domain/header.ts";
import { type Schema, validate as validateBy } from "../domain/schema.ts";
import { isThenable } from "../domain/thenable.ts";
import type { Context } from "./context.ts";
import { HandlerContext } from "./handler_context.ts";
import type { Invocation } from "./invocation.ts";
import { runThrough, type ServerMiddleware } from "./middleware.ts";
import type { Runtime } from "./runtime.ts";
import type { Spans } from "./spans.ts";

/**
 * The validated result of the handler, or a promise of it where the handler, a schema or a middleware is asynchronous:
 * each promise in between would cost every call turns of the queue.
 *
 * @throws what the handler threw, or the reason why its result is none, unless a promise rejects with it.
 */
export function runHandler(
  { spans }: Runtime,
  invocation: Invocation,
  middleware: readonly ServerMiddleware[],
): unknown {
  return spans === undefined
    ? checkParams(invocation, middleware)
    : runTraced(spans, invocation, middleware);
}

async function runTraced(
  spans: Spans,
  invocation: Invocation,
  middleware: readonly ServerMiddleware[],
): Promise<unknown> {
  const { service, method } = invocation;
  const parent = invocation.header(HEADER.traceparent);
  const span = spans.startCall("server", service, method.name, parent);
  invocation.span = span?.traceparent;
  try {
    const result = await checkParams(invocation, middleware);
    span?.end();
    return result;
  } catch (error) {
    span?.end(error);
    throw error;
  }
}

function checkParams(invocation: Invocation, middleware: readonly ServerMiddleware[]): unknown {
  const { params } = invocation.request;
  const { params: schema } = invocation.method.handler.options;
  if (schema === undefined) return run(invocation, middleware, params);
  let checked: unknown;
  try {
    checked = validate(schema, params, "parameters", invocation);
  } catch (error) {
    return refuse(invocation, error);
  }
  if (!(checked instanceof Promise)) return run(invocation, middleware, checked);
  return checked.then((valid) => {
    // Nobody may wait for it any more.
    if (invocation.signal.aborted) return refuse(invocation, invocation.signal.reason);
    return run(invocation, middleware, valid);
  }, (error) => refuse(invocation, error));
}

/** Ends a call before its handler: the answer says that it was not run. */
function refuse(invocation: Invocation, error: unknown): never {
  invocation.refused = true;
  throw error;
}

function run(
  invocation: Invocation,
  middleware: readonly ServerMiddleware[],
  params: unknown,
): unknown {
  const { handler } = invocation.method;
  const context = new HandlerContext(invocation);
  const result = middleware.length === 0
    ? handler.run(params as never, context)
    : runMiddleware(invocation, context, middleware, params);
  const { result: schema } = handler.options;
  if (schema === undefined) return result;
  return isThenable(result)
    ? Promise.resolve(result).then((settled) => checkResult(schema, settled, invocation))
    : checkResult(schema, result, invocation);
}

function runMiddleware(
  { service, method }: Invocation,
  context: Context,
  middleware: readonly ServerMiddleware[],
  params: unknown,
): Promise<unknown> {
  const call = { service, method: method.name, params, context };
  return runThrough(
    middleware,
    call,
    async () => await method.handler.run(call.params as never, context),
  );
}

function checkResult(schema: Schema, result: unknown, invocation: Invocation): unknown {
  const broken = (error: unknown): never => {
    // The fault is the service's: its caller sent nothing that is invalid.
    throw new AegisError("INTERNAL_ERROR", (error as Error).message, { cause: error });
  };
  try {
    const checked = validate(schema, result, "result", invocation);
    return checked instanceof Promise ? checked.catch(broken) : checked;
  } catch (error) {
    return broken(error);
  }
}

function validate(
  schema: Schema,
  value: unknown,
  what: "parameters" | "result",
  invocation: Invocation,
): unknown {
  return validateBy(
    schema,
    value,
    () =>
      `The ${what} of ${invocation.service}.${invocation.method.name} ${
        what === "result" ? "is" : "are"
      } not valid`,
  );
}
