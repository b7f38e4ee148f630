import { throws } from "node:assert/strict";
import { test } from "node:test";
import { assertBucketOptions } from "../../src/domain/kv_options.ts";

const REFUSED: readonly (readonly [options: unknown, name: string, message: RegExp])[] = [
  [{ histroy: 2 }, "TypeError", /"histroy" of bus\.kv\(\).*did you mean "history"/],
  [{ history: 0 }, "RangeError", /"history"/],
  [{ history: 65 }, "RangeError", /"history"/],
  [{ timeoutMs: -1 }, "RangeError", /"timeoutMs" of bus\.kv\(\)/],
  [{ signal: {} }, "TypeError", /"signal" of bus\.kv\(\): it must be an AbortSignal/],
  [{ storage: "disk" }, "TypeError", /must be "file" or "memory"/],
  [{ ttlMs: -1 }, "RangeError", /"ttlMs"/],
  // A server takes none, and says no more than that it does not.
  [
    { ttlMs: 50 },
    "RangeError",
    /Cannot use 50 as option "ttlMs" of bus\.kv\(\): it must be 0, or at least 100/,
  ],
];

test("options of a bucket that no server could have are refused at once", () => {
  for (const [options, name, message] of REFUSED) {
    throws(() => assertBucketOptions(options), { name, message });
  }
  for (const ttlMs of [0, 100, 86_400_000]) assertBucketOptions({ ttlMs });
});
