// Running a handler: schemas, middleware and a span around it.

import { AegisError } from "../domain/error.ts";
import { HEADER } from "../domain/header.ts";
import { type Schema, validate } from "../domain/schema.ts";
import type { Invocation } from "./invocation.ts";
import { runThrough, type ServerMiddleware } from "./middleware.ts";
import type { Runtime } from "./runtime.ts";

/** The validated result of the handler. @throws what the handler threw, or the reason why its result is none. */
export function runHandler(
  runtime: Runtime,
  invocation: Invocation,
  middleware: readonly ServerMiddleware[],
): unknown {
  return runtime.tracer === undefined
    ? run(invocation, middleware)
    : runTraced(runtime.tracer, invocation, middleware);
}

async function runTraced(
  tracer: NonNullable<Runtime["tracer"]>,
  invocation: Invocation,
  middleware: readonly ServerMiddleware[],
): Promise<unknown> {
  const { service, method } = invocation;
  const span = tracer.start(`${service}/${method.name}`, {
    kind: "server",
    parent: invocation.header(HEADER.traceparent),
    attributes: { "rpc.system": "aegis", "rpc.service": service, "rpc.method": method.name },
  });
  invocation.span = span.traceparent;
  try {
    const result = await run(invocation, middleware);
    span.end();
    return result;
  } catch (error) {
    span.end(error);
    throw error;
  }
}

/** A plain value where everything is synchronous: most schemas are, and a promise costs more than they do. */
function run(invocation: Invocation, middleware: readonly ServerMiddleware[]): unknown {
  const { params: schema } = invocation.method.handler.options;
  const { params } = invocation.request;
  if (schema === undefined) return runChecked(invocation, middleware, params);
  const checked = validate(schema, params, `The parameters of ${nameOf(invocation)}`);
  return checked instanceof Promise
    ? checked.then((params) => runChecked(invocation, middleware, params))
    : runChecked(invocation, middleware, checked);
}

function runChecked(
  invocation: Invocation,
  middleware: readonly ServerMiddleware[],
  params: unknown,
): unknown {
  const { handler, name } = invocation.method;
  const { result: schema } = handler.options;
  let result: unknown;
  if (middleware.length === 0) result = handler.run(params as never, invocation);
  else {
    const call = { service: invocation.service, method: name, params, context: invocation };
    const last = async (): Promise<unknown> => await handler.run(call.params as never, invocation);
    result = runThrough(middleware, call, last);
  }
  if (schema === undefined) return result;
  return isThenable(result)
    ? result.then((settled) => checkResult(schema, settled, invocation))
    : checkResult(schema, result, invocation);
}

function checkResult(schema: Schema, result: unknown, invocation: Invocation): unknown {
  const broken = (error: unknown): never => {
    // The fault is the service's: its caller sent nothing that is invalid.
    throw new AegisError("INTERNAL_ERROR", (error as Error).message, { cause: error });
  };
  try {
    const checked = validate(schema, result, `The result of ${nameOf(invocation)}`);
    return checked instanceof Promise ? checked.catch(broken) : checked;
  } catch (error) {
    return broken(error);
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null &&
    typeof (value as { then?: unknown }).then === "function";
}

function nameOf(invocation: Invocation): string {
  return `${invocation.service}.${invocation.method.name}`;
}
