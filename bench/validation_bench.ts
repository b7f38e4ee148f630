// What validation costs, by library: `deno bench bench/validation_bench.ts`.

import { type } from "arktype";
import * as v from "valibot";
import { z } from "zod";
import { type Schema, validate } from "../src/domain/schema.ts";

const valid = { orderId: "order-1", amount: 9.5, items: [{ sku: "a", count: 1 }] };
const invalid = { orderId: 1, amount: -9.5, items: [{ sku: "a" }] };

const schemas: Readonly<Record<string, Schema>> = {
  valibot: v.object({
    orderId: v.string(),
    amount: v.pipe(v.number(), v.minValue(0)),
    items: v.array(v.object({ sku: v.string(), count: v.number() })),
  }),
  zod: z.object({
    orderId: z.string(),
    amount: z.number().min(0),
    items: z.array(z.object({ sku: z.string(), count: z.number() })),
  }),
  arktype: type({
    orderId: "string",
    amount: "number >= 0",
    items: type({ sku: "string", count: "number" }).array(),
  }),
};

/** What an error says did not validate. */
const what = (): string => "The parameters";

for (const [name, schema] of Object.entries(schemas)) {
  const baseline = name === "valibot";
  Deno.bench(`${name}, valid`, { group: "valid", baseline }, () => {
    validate(schema, valid, what);
  });
  Deno.bench(`${name}, invalid`, { group: "invalid", baseline }, () => {
    try {
      validate(schema, invalid, what);
    } catch {
      // What is measured is the refusal, with its issues.
    }
  });
}
