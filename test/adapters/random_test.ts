import { match, notStrictEqual, ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { createRandom } from "../../src/adapters/system/random.ts";

const UUID_4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

test("uuid() is a UUID of version 4", () => {
  const random = createRandom();
  for (let i = 0; i < 1000; i++) match(random.uuid(), UUID_4);
});

test("uuid() gives no identifier twice", () => {
  const seen = new Set<string>();
  const sources = [createRandom(), createRandom(), createRandom()];
  for (let i = 0; i < 30_000; i++) seen.add(sources[i % 3]!.uuid());
  strictEqual(seen.size, 30_000);
});

test("uuid() of one source counts up in the last eight digits", () => {
  const random = createRandom();
  const first = random.uuid();
  for (let i = 1; i < 1000; i++) {
    const next = random.uuid();
    strictEqual(next.slice(0, -8), first.slice(0, -8));
    strictEqual(parseInt(next.slice(-8), 16), i);
  }
});

test("two sources have different prefixes", () => {
  notStrictEqual(createRandom().uuid().slice(0, 28), createRandom().uuid().slice(0, 28));
});

test("traceId() is a UUID of version 4 whose last 56 bits are spread evenly", () => {
  const random = createRandom();
  const buckets = new Array<number>(16).fill(0);
  for (let i = 0; i < 16_000; i++) {
    const id = random.traceId();
    if (i < 1000) match(id, UUID_4);
    // The digit that decides for a sampler.
    buckets[parseInt(id.replaceAll("-", "").at(-14)!, 16)]!++;
  }
  // 1,000 expected in each, with a deviation of 31; seven of them come up once in 10^11.
  for (const count of buckets) ok(count > 780 && count < 1220, `uneven: ${buckets}`);
});

test("traceId() gives no identifier twice", () => {
  const random = createRandom();
  strictEqual(new Set(Array.from({ length: 20_000 }, () => random.traceId())).size, 20_000);
});

test("spanId() is sixteen digits and never twice the same", () => {
  const random = createRandom();
  const seen = new Set<string>();
  for (let i = 0; i < 20_000; i++) {
    const id = random.spanId();
    match(id, /^[0-9a-f]{16}$/);
    seen.add(id);
  }
  strictEqual(seen.size, 20_000);
});

test("spanId() is not all zero even when every random byte is", () => {
  const original = crypto.getRandomValues;
  crypto.getRandomValues = (array) => array;
  try {
    strictEqual(createRandom().spanId(), "0000000000000001");
  } finally {
    crypto.getRandomValues = original;
  }
});

test("making a source draws no randomness, which edge runtimes forbid while a module loads", () => {
  const original = crypto.getRandomValues;
  crypto.getRandomValues = () => {
    throw new Error("too early");
  };
  try {
    createRandom();
  } finally {
    crypto.getRandomValues = original;
  }
});

test("next() lies between 0 and 1", () => {
  const random = createRandom();
  for (let i = 0; i < 1000; i++) {
    const n = random.next();
    ok(n >= 0 && n < 1);
  }
});
