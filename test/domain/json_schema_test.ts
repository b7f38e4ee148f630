// JSON Schema of schemas, where their libraries give it.

import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { type } from "arktype";
import * as v from "valibot";
import * as z from "zod";
import type { Schema } from "../../mod.ts";
import { jsonSchemaOf } from "../../src/domain/json_schema.ts";

const DRAFT = "https://json-schema.org/draft/2020-12/schema";

test("zod and arktype give theirs", () => {
  for (const schema of [z.object({ n: z.number() }), type({ n: "number" })]) {
    const { $schema, type, properties, required } = jsonSchemaOf(schema, "input")!;
    deepStrictEqual([$schema, type, required], [DRAFT, "object", ["n"]]);
    deepStrictEqual(properties, { n: { type: "number" } });
  }
});

test("what a schema takes is told apart from what it gives", () => {
  const schema = z.object({ n: z.number().default(1) });
  deepStrictEqual(jsonSchemaOf(schema, "input")!.required, undefined);
  deepStrictEqual(jsonSchemaOf(schema, "output")!.required, ["n"]);
});

test("where the library gives none there is none", () => {
  strictEqual(jsonSchemaOf(v.object({ n: v.number() }), "input"), undefined);
  strictEqual(jsonSchemaOf(z.object({ at: z.date() }), "input"), undefined);
  strictEqual(jsonSchemaOf(undefined, "input"), undefined);
});

test("what a library gives that is no JSON Schema is none", () => {
  const cycle: Record<string, unknown> = {};
  cycle.self = cycle;
  for (const given of [cycle, { n: 1n }, undefined, null, 5, "x", [], () => {}]) {
    const standard = { version: 1, vendor: "odd", validate: () => ({ value: 1 }) };
    const jsonSchema = { input: () => given, output: () => given };
    const schema = { "~standard": { ...standard, jsonSchema } } as unknown as Schema;
    strictEqual(jsonSchemaOf(schema, "output"), undefined);
  }
});
