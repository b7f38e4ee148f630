// JSON Schema of a schema, where its library gives it: by Standard JSON Schema, as zod and arktype do.

import { isRecord } from "./envelope.ts";
import type { Schema } from "./schema.ts";

/** The newest draft, which every library is asked to support. */
const TARGET = "draft-2020-12";

/**
 * What a schema takes or gives, as JSON Schema (draft 2020-12); undefined where its library does not say, as valibot, or
 * cannot, as for a date.
 */
export function jsonSchemaOf(
  schema: Schema | undefined,
  side: "input" | "output",
): Record<string, unknown> | undefined {
  const standard = schema?.["~standard"] as { readonly jsonSchema?: unknown } | undefined;
  try {
    const { jsonSchema } = standard as {
      jsonSchema: Record<typeof side, (options: object) => unknown>;
    };
    // What has no JSON form, such as a cycle, is found out here and not where it is sent.
    const written: unknown = JSON.parse(JSON.stringify(jsonSchema[side]({ target: TARGET })));
    return isRecord(written) ? written : undefined;
  } catch {
    // The library has no such thing, or none for this schema.
    return undefined;
  }
}
