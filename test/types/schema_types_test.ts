// The type of schemas is that of Standard Schema, in both directions; `deno check` is the test.

import type { StandardSchemaV1 } from "@standard-schema/spec";
import { ok } from "node:assert/strict";
import { test } from "node:test";
import type { InputOf, OutputOf, Schema } from "../../mod.ts";

type Same<A, B> = [A] extends [B] ? [B] extends [A] ? true : never : never;

type FromSpec = StandardSchemaV1<{ a: string }, { b: number }>;

const takesSpec = (schema: FromSpec): Schema<{ a: string }, { b: number }> => schema;
const givesSpec = (schema: Schema<{ a: string }, { b: number }>): FromSpec => schema;
const input: Same<InputOf<FromSpec>, { a: string }> = true;
const output: Same<OutputOf<FromSpec>, { b: number }> = true;

test("a schema of Standard Schema is a Schema, and the other way round", () => {
  ok(takesSpec !== undefined && givesSpec !== undefined && input && output);
});
