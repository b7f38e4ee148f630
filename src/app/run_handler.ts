// Running a handler: schemas, middleware and a span around it.

import { AegisError } from "../domain/error.ts";
import { HEADER } from "../domain/header.ts";
import { type Schema, validate as validateBy } from "../domain/schema.ts";
import type { Invocation } from "./invocation.ts";
import { runThrough, type ServerMiddleware } from "./middleware.ts";
import type { Span, Tracer } from "../ports/tracer.ts";
import type { Runtime } from "./runtime.ts";

/** The validated result of the handler. @throws what the handler threw, or the reason why its result is none. */
export async function runHandler(
  runtime: Runtime,
  invocation: Invocation,
  middleware: readonly ServerMiddleware[],
): Promise<unknown> {
  const { handler } = invocation.method;
  const { params: paramsSchema, result: resultSchema } = handler.options;
  const span = runtime.tracer === undefined ? undefined : startSpan(runtime.tracer, invocation);
  try {
    let params: unknown = invocation.request.params;
    if (paramsSchema !== undefined) {
      params = validate(paramsSchema, params, "parameters", invocation);
      if (params instanceof Promise) params = await params;
    }
    let result = middleware.length === 0
      ? handler.run(params as never, invocation)
      : runMiddleware(invocation, middleware, params);
    // Awaiting a plain value would cost a turn of the queue, and most schemas give one.
    if (isThenable(result)) result = await result;
    if (resultSchema !== undefined) {
      result = checkResult(resultSchema, result, invocation);
      if (result instanceof Promise) result = await result;
    }
    span?.end();
    return result;
  } catch (error) {
    span?.end(error);
    throw error;
  }
}

function startSpan(tracer: Tracer, invocation: Invocation): Span {
  const { service, method } = invocation;
  const span = tracer.start(`${service}/${method.name}`, {
    kind: "server",
    parent: invocation.header(HEADER.traceparent),
    attributes: { "rpc.system": "aegis", "rpc.service": service, "rpc.method": method.name },
  });
  invocation.span = span.traceparent;
  return span;
}

function runMiddleware(
  invocation: Invocation,
  middleware: readonly ServerMiddleware[],
  params: unknown,
): Promise<unknown> {
  const { service, method } = invocation;
  const call = { service, method: method.name, params, context: invocation };
  return runThrough(
    middleware,
    call,
    async () => await method.handler.run(call.params as never, invocation),
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

function validate(schema: Schema, value: unknown, what: string, invocation: Invocation): unknown {
  return validateBy(
    schema,
    value,
    () => `The ${what} of ${invocation.service}.${invocation.method.name}`,
  );
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null &&
    typeof (value as { then?: unknown }).then === "function";
}
