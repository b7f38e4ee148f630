// The size of a record: what is left out, and in which order.

import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { test } from "node:test";
import { instanceKey, instanceValue, readInstance } from "../../src/domain/instance.ts";
import {
  fitServed,
  jsonBytes,
  MAX_METADATA_BYTES,
  MAX_RECORD_BYTES,
  type Served,
} from "../../src/domain/instance_fit.ts";

const served = (count: number, description: string, schema: number): Served => ({
  methods: Array.from({ length: count }, (_, n) => ({
    name: `method${n}`,
    description,
    input: { description: "x".repeat(schema) },
    output: { type: "string" },
  })),
  events: [{ name: "order.*" }],
  commands: [],
});

test("what fits is left as it is", () => {
  const small = served(10, "Does it", 100);
  deepStrictEqual(fitServed(small, {}), small);
});

test("schemas go first, then descriptions, then all of it", () => {
  const { methods } = fitServed(served(10, "Does it", 10_000), {});
  deepStrictEqual(methods[3], { name: "method3", description: "Does it" });
  const named = fitServed(served(10, "x".repeat(10_000), 0), {});
  deepStrictEqual(named.methods[3], { name: "method3" });
  deepStrictEqual(named.events, [{ name: "order.*" }]);
  deepStrictEqual(fitServed(served(10_000, "", 0), {}), { methods: [], events: [], commands: [] });
});

test("bytes count, and not characters", () => {
  const { methods } = fitServed(served(1, "", 30_000), {});
  ok(methods[0]?.input !== undefined);
  const wide = { methods: [{ name: "m", input: { description: "é".repeat(40_000) } }] };
  deepStrictEqual(fitServed({ ...wide, events: [], commands: [] }, {}).methods, [{ name: "m" }]);
});

test("the largest record that can be stays below its bound, and is read", () => {
  for (const schema of [0, 500, 900, 1_000, 5_000]) {
    const metadata = { text: "é".repeat((MAX_METADATA_BYTES - 11) / 2) };
    ok(jsonBytes(metadata) <= MAX_METADATA_BYTES);
    const about = {
      service: `s${"x".repeat(127)}`,
      instanceId: "i".repeat(192),
      version: "é".repeat(256),
      status: "UNHEALTHY" as const,
      group: "g".repeat(256),
      load: { inFlight: 1e15, eventLoopDelayMs: 123_456.7 },
      metadata,
      ...fitServed(served(32, "Does it", schema), metadata),
    };
    const time = "2026-01-02T03:04:05.678Z";
    const value = instanceValue(about, time, time);
    ok(jsonBytes(value) <= MAX_RECORD_BYTES, `${jsonBytes(value)}`);
    const key = instanceKey(about.service, about.instanceId);
    deepStrictEqual(readInstance(JSON.parse(JSON.stringify(value)), key)?.metadata, metadata);
  }
});

test("schemas too deep for readers of the record are left out", () => {
  const nested = (levels: number) =>
    JSON.parse(`${'{"properties":'.repeat(levels)}{}${"}".repeat(levels)}`);
  const about = {
    service: "orders",
    instanceId: "o-1",
    version: "1.0.0",
    status: "ACTIVE" as const,
    group: undefined,
    load: undefined,
    metadata: {},
  };
  const time = "2026-01-02T03:04:05.678Z";
  let whole = 0, bare = 0;
  for (let levels = 50; levels <= 70; levels++) {
    const methods = [{ name: "create", description: "Creates one", input: nested(levels) }];
    const served = fitServed({ methods, events: [], commands: [] }, {});
    const value = instanceValue({ ...about, ...served }, time, time);
    const read = readInstance(JSON.parse(JSON.stringify(value)), instanceKey("orders", "o-1"));
    strictEqual(read?.methods[0]?.description, "Creates one", `${levels} levels`);
    if (read?.methods[0]?.input === undefined) bare++;
    else whole++;
  }
  ok(whole > 5 && bare > 5, `${whole} with their schema, ${bare} without`);
});

test("what has no JSON form has no size", () => {
  const cycle: Record<string, unknown> = {};
  cycle.self = cycle;
  throws(() => jsonBytes(cycle), TypeError);
  throws(() => jsonBytes({ n: 1n }), TypeError);
});
