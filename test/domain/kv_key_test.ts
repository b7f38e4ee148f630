// Keys of buckets: any text there and back, readable where NATS allows it, and found by what it begins with.

import { deepStrictEqual, match, ok, strictEqual, throws } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  assertBucketName,
  bucketPrefix,
  bucketStream,
  decodeKey,
  encodeKey,
  keyFilter,
  prefixFilter,
} from "../../src/domain/kv_key.ts";

/** What @nats-io/kv takes for a key, and a subject for tokens. */
const ALLOWED = /^[-/_=a-zA-Z0-9]+(?:\.[-/_=a-zA-Z0-9]+)*$/;

/** Text of which much is escaped, much looks like an escape, and much has dots where NATS has none. */
const keys = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 40 }),
  fc.string({ unit: "binary", maxLength: 40 }).filter((text) => text.isWellFormed()),
  fc.string({ unit: fc.constantFrom("=", ".", "3", "D", "A", "2", "E", ":", "é", " ", "x") }),
);

/** Whatever anybody may have written with the tools of NATS. */
const foreign = fc.oneof(
  fc.string({ unit: fc.constantFrom("=", ".", "3", "D", "A", "C", "9", "x", "-", "/", "_") }),
  fc.string({ unit: fc.constantFrom(..."-/_=.aZ09"), maxLength: 30 }),
).filter((text) => ALLOWED.test(text));

test("every text is a key, and comes back as it was", () => {
  fc.assert(
    fc.property(keys, (key) => {
      const encoded = encodeKey(key);
      match(encoded, ALLOWED);
      strictEqual(decodeKey(encoded), key);
    }),
    { numRuns: 5_000 },
  );
});

test("whatever was written with the tools of NATS is a key by which it is found", () => {
  fc.assert(fc.property(foreign, (raw) => strictEqual(encodeKey(decodeKey(raw)), raw)), {
    numRuns: 5_000,
  });
});

test("different keys have different encodings", () => {
  fc.assert(
    fc.property(keys, keys, (one, other) => {
      strictEqual(encodeKey(one) === encodeKey(other), one === other);
    }),
    { numRuns: 5_000 },
  );
});

test("a filter lets through all keys that begin with its prefix", () => {
  fc.assert(
    fc.property(keys, keys, (prefix, rest) => {
      const filter = prefixFilter(prefix);
      ok(filter === ">" || filter.endsWith(".>"));
      ok(encodeKey(prefix + rest).startsWith(filter.slice(0, -1)), `${filter} ${prefix + rest}`);
      strictEqual(keyFilter(prefix), encodeKey(prefix));
    }),
    { numRuns: 5_000 },
  );
});

test("a filter lets through no key that differs before the last dot of its prefix", () => {
  fc.assert(
    fc.property(keys, keys, (prefix, key) => {
      const before = prefix.slice(0, prefix.lastIndexOf(".") + 1);
      strictEqual(
        encodeKey(key).startsWith(prefixFilter(prefix).slice(0, -1)),
        key.startsWith(before) || before === "",
      );
    }),
    { numRuns: 5_000 },
  );
});

test("keys that NATS allows stay as they are", () => {
  for (
    const key of [
      "a",
      "user-1",
      "service-instances__svc__svc-1",
      "orders.eu.1",
      "a/b_c=d",
      "base64==",
      "x=41y",
      "=2E",
      "a=C3",
      "a=3d",
      "a=3D41",
    ]
  ) {
    strictEqual(encodeKey(key), key);
    strictEqual(decodeKey(key), key);
  }
});

test("what NATS does not allow is escaped, and the rest stays readable", () => {
  for (
    const [key, encoded] of [
      ["user:123", "user=3A123"],
      ["a b", "a=20b"],
      ["Zoë", "Zo=C3=AB"],
      ["*.>", "=2A.=3E"],
      ["", "="],
      [".", "=.="],
      ["a..b.", "a.=.b.="],
      ["=", "=3D"],
      // What would be read as the key of another row has its own "=" escaped.
      ["user=3A123", "user=3D3A123"],
      ["user=3D3A123", "user=3D3D3A123"],
      ["=3A:", "=3D3A=3A"],
      ["\u0000\n", "=00=0A"],
      ["😀", "=F0=9F=98=80"],
    ] as const
  ) {
    strictEqual(encodeKey(key), encoded);
    strictEqual(decodeKey(encoded), key);
  }
});

test("what is no text, or too long, is no key", () => {
  for (const key of [undefined, null, 1, {}, ["a"], Symbol("a")]) {
    throws(() => encodeKey(key), { name: "TypeError", message: /as a key: it must be a string/ });
  }
  throws(() => encodeKey("a\ud800b"), { name: "TypeError", message: /half a surrogate pair/ });
  strictEqual(encodeKey("k".repeat(3_000)).length, 3_000);
  throws(() => encodeKey("k".repeat(3_001)), { name: "RangeError", message: /3000 at most/ });
  throws(() => encodeKey("é".repeat(1_000)), { name: "RangeError", message: /6000 characters/ });
  throws(() => prefixFilter("k".repeat(3_001)), RangeError);
  strictEqual(keyFilter("k".repeat(2_000)), ">");
  strictEqual(prefixFilter(`${"k".repeat(2_000)}.a`), ">");
});

test("a bucket's name is letters, digits, dashes and underscores", () => {
  for (const name of ["a", "service_registry", "A-1", "x".repeat(250)]) assertBucketName(name);
  for (
    const name of ["", "a b", "a.b", "*", ">", "é", "a/b", "x".repeat(251), 1, null, undefined]
  ) {
    throws(() => assertBucketName(name), { name: "TypeError", message: /name of a bucket/ });
  }
  deepStrictEqual([bucketStream("b"), bucketPrefix("b")], ["KV_b", "$KV.b."]);
});
