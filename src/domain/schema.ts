// Schemas: Standard Schema, so that valibot, zod, arktype and others all fit.

import type { StandardSchemaV1 } from "@standard-schema/spec";
import { type Issue, ValidationError } from "./error.ts";
import { show } from "./check.ts";

/** A schema of any library that implements Standard Schema. */
export type Schema<Input = unknown, Output = Input> = StandardSchemaV1<Input, Output>;

/** What a schema takes. */
export type InputOf<S> = S extends StandardSchemaV1<infer Input, unknown> ? Input : unknown;

/** What a schema makes of it. */
export type OutputOf<S> = S extends StandardSchemaV1<unknown, infer Output> ? Output : unknown;

/** Checks that an option is a schema. @throws {TypeError} when it is none. */
export function assertSchema(schema: unknown, where: string): void {
  const standard = (schema as { "~standard"?: { validate?: unknown } } | null | undefined)
    ?.["~standard"];
  if (typeof standard?.validate !== "function") {
    throw new TypeError(
      `Cannot use ${
        show(schema)
      } as ${where}: it must be a Standard Schema, such as one of valibot, zod or arktype`,
    );
  }
}

/**
 * What `schema` makes of `value`, which an error calls `what()`; a promise only where the schema is asynchronous.
 *
 * @throws {ValidationError} with the schema's issues when the value does not fit.
 */
export function validate(schema: Schema, value: unknown, what: () => string): unknown {
  const result = schema["~standard"].validate(value);
  return result instanceof Promise
    ? result.then((settled) => unwrap(settled, what))
    : unwrap(result, what);
}

function unwrap(result: StandardSchemaV1.Result<unknown>, what: () => string): unknown {
  if (result.issues === undefined) return result.value;
  const issues = result.issues.map(toIssue);
  const list = issues.map((issue) =>
    issue.path === undefined ? issue.message : `${issue.path.join(".")}: ${issue.message}`
  ).join("; ");
  throw new ValidationError(`Cannot take ${what()}: ${list}`, issues);
}

function toIssue(issue: StandardSchemaV1.Issue): Issue {
  if (issue.path === undefined || issue.path.length === 0) return { message: issue.message };
  const path = issue.path.map((segment) => {
    const key = typeof segment === "object" ? segment.key : segment;
    return typeof key === "number" ? key : String(key);
  });
  return { message: issue.message, path };
}
