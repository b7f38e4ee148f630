// Schemas: Standard Schema, so that valibot, zod, arktype and others all fit.

import { show } from "./check.ts";
import { type Issue, ValidationError } from "./error.ts";

/**
 * A schema of any library that implements Standard Schema 1, such as valibot, zod and arktype: the same type as
 * `StandardSchemaV1` of `@standard-schema/spec`.
 */
export interface Schema<Input = unknown, Output = Input> {
  /** What the library implements. */
  readonly "~standard": SchemaProps<Input, Output>;
}

/** What a schema's library implements. */
export interface SchemaProps<Input = unknown, Output = Input> {
  /** The version of Standard Schema. */
  readonly version: 1;
  /** The library's name. */
  readonly vendor: string;
  /** Checks a value, at once or in time. */
  readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>;
  /** Carries the types; it has no value. */
  readonly types?: { readonly input: Input; readonly output: Output } | undefined;
}

/** What came of a check: a value, or issues. */
export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] };

/** What is wrong with a value, as a schema's library says it. */
export interface SchemaIssue {
  /** What is wrong. */
  readonly message: string;
  /** Where. */
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** What a schema takes. */
export type InputOf<S> = S extends Schema ? NonNullable<S["~standard"]["types"]>["input"] : unknown;

/** What a schema makes of it. */
export type OutputOf<S> = S extends Schema ? NonNullable<S["~standard"]["types"]>["output"]
  : unknown;

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
 * What `schema` makes of `value`; a promise only where the schema is asynchronous. `what()` is how an error begins.
 *
 * @throws {ValidationError} with the schema's issues when the value does not fit.
 */
export function validate(schema: Schema, value: unknown, what: () => string): unknown {
  const result = schema["~standard"].validate(value);
  return result instanceof Promise
    ? result.then((settled) => unwrap(settled, what))
    : unwrap(result, what);
}

function unwrap(result: SchemaResult<unknown>, what: () => string): unknown {
  if (result.issues === undefined) return result.value;
  const issues = result.issues.map(toIssue);
  const list = issues.map((issue) =>
    issue.path === undefined ? issue.message : `${issue.path.join(".")}: ${issue.message}`
  ).join("; ");
  throw new ValidationError(`${what()}: ${list}`, issues);
}

function toIssue(issue: SchemaIssue): Issue {
  if (issue.path === undefined || issue.path.length === 0) return { message: issue.message };
  const path = issue.path.map((segment) => {
    const key = typeof segment === "object" ? segment.key : segment;
    return typeof key === "number" ? key : String(key);
  });
  return { message: issue.message, path };
}
