// Options of the registry: defaults that fit one another, and what is refused at once.

import { deepStrictEqual, match, ok, strictEqual, throws } from "node:assert/strict";
import { test } from "node:test";
import { connect, createLogger, createService } from "../../mod.ts";
import { assertMetadata, registrySettings } from "../../src/app/registry_options.ts";

const settings = (options: unknown) => registrySettings(options, 'of service "s"');

test("what is not given fits what is", () => {
  const defaults = { ttlMs: 15_000, heartbeatIntervalMs: 5_000 };
  deepStrictEqual(settings(undefined), defaults);
  deepStrictEqual(settings({}), defaults);
  deepStrictEqual(settings({ ttlMs: 3_000 }), { ttlMs: 3_000, heartbeatIntervalMs: 1_000 });
  deepStrictEqual(settings({ heartbeatIntervalMs: 500 }), {
    ttlMs: 1_500,
    heartbeatIntervalMs: 500,
  });
  deepStrictEqual(settings({ heartbeatIntervalMs: 150 }), {
    ttlMs: 1_000,
    heartbeatIntervalMs: 150,
  });
  deepStrictEqual(settings({ ttlMs: 1_000, heartbeatIntervalMs: 500 }), {
    ttlMs: 1_000,
    heartbeatIntervalMs: 500,
  });
  strictEqual(settings(false), undefined);
});

test("what cannot be is refused, and says why", () => {
  const wrong: readonly [unknown, RegExp][] = [
    [{ ttlMs: 1_000, heartbeatIntervalMs: 501 }, /from 100 to 500 milliseconds, half of/],
    [{ ttlMs: 999, heartbeatIntervalMs: 100 }, /"registry.ttlMs".*from 1000 to 86400000/],
    [{ ttlMs: 86_400_001 }, /"registry.ttlMs"/],
    [{ ttlMs: 15_000, heartbeatIntervalMs: 99 }, /"registry.heartbeatIntervalMs"/],
    [{ heartbeatIntervalMs: 0 }, /"registry.heartbeatIntervalMs"/],
    [{ heartbeatIntervalMs: -1 }, /over 0/],
    [{ heartbeatIntervalMs: 50 }, /^Cannot use 50 as "registry.heart.*from 100 to 28800000 mil/],
    [{ heartbeatIntervalMs: 1e9 }, /^Cannot use 1000000000 as "registry.heartbeatIntervalMs"/],
    [{ ttlMs: NaN }, /^Cannot use NaN as "registry.ttlMs".*over 0/],
    [{ ttlMs: Infinity }, /finite/],
    [{ ttlMs: "1s" }, /number of milliseconds/],
    [{ ttl: 1_000 }, /"ttl".*there are ttlMs, heartbeatIntervalMs/],
    [true, /must be an object, or false/],
    [null, /must be an object, or false/],
    [[], /must be an object, or false/],
  ];
  for (const [options, message] of wrong) {
    throws(() => settings(options), (error: unknown) => {
      ok(error instanceof TypeError || error instanceof RangeError, `${error}`);
      match(error.message, message);
      return true;
    });
  }
});

test("metadata is what the registry can keep", () => {
  assertMetadata({ zone: "a", list: [1, null] }, "");
  assertMetadata({ text: "x".repeat(32_000) }, "");
  const nested = (levels: number) => JSON.parse(`${'{"a":'.repeat(levels)}{}${"}".repeat(levels)}`);
  assertMetadata(nested(63), "");
  const cycle: Record<string, unknown> = {};
  cycle.self = cycle;
  const wrong: readonly [unknown, RegExp][] = [
    [{ start_time: 1 }, /"start_time" is one that the registry writes itself/],
    [{ aegis: {} }, /"aegis"/],
    [cycle, /must have a JSON form/],
    [{ n: 1n }, /must have a JSON form/],
    [nested(64), /pass it over/],
    [JSON.parse('{"a":{"__proto__":1}}'), /pass it over/],
    [{ toJSON: () => [] }, /pass it over/],
    [{ toJSON: () => undefined }, /must have a JSON form/],
    [{ text: "é".repeat(20_000) }, /has 40011 bytes as JSON, and 32768 are allowed/],
    [[], /must be an object/],
    [null, /must be an object/],
  ];
  for (const [metadata, message] of wrong) {
    throws(() => assertMetadata(metadata, 'of service "s"'), message);
  }
});

test("createService() refuses them at once", async () => {
  await using bus = await connect({
    servers: "memory:",
    logger: createLogger({ level: "silent" }),
  });
  const make = (options: object) => () => createService("s", { bus, handlers: [], ...options });
  throws(make({ registry: { ttlMs: 5 } }), /"registry.ttlMs" of service "s"/);
  throws(make({ metadata: { aegis: 1 } }), /"metadata" of service "s"/);
  throws(make({ version: "1".repeat(257) }), /"version" of service "s".*256 characters/);
  throws(make({ registery: false }), /did you mean "registry"/);
});
