// Records of instances: keys that no two instances share, what is written, and what is made of whatever comes.

import { deepStrictEqual, notStrictEqual, ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  type InstanceDescription,
  instanceKey,
  instancePrefix,
  instanceValue,
  readInstance,
} from "../../src/domain/instance.ts";

const TIME = "2026-01-02T03:04:05.678Z";
const TIME_MS = 1_767_323_045_678;

const described: InstanceDescription = {
  service: "orders",
  instanceId: "orders-1",
  version: "1.2.3",
  status: "ACTIVE",
  group: undefined,
  methods: [{ name: "create", description: "Creates", input: { type: "object" }, output: true }],
  events: [{ name: "paid.*" }],
  commands: [{ name: "batch", input: { type: "object" } }],
  load: { inFlight: 3, eventLoopDelayMs: 1.5 },
  metadata: { zone: "a", nested: { list: [1, "x", null] } },
};

const written = (instance: InstanceDescription = described): Record<string, unknown> =>
  JSON.parse(JSON.stringify(instanceValue(instance, TIME, TIME)));
const key = instanceKey("orders", "orders-1");
const read = (change: Record<string, unknown>, under = key) =>
  readInstance({ ...written(), ...change }, under);

const names = fc.stringMatching(/^[a-zA-Z][a-zA-Z0-9_-]{0,8}$/);
const ids = fc.stringMatching(/^[a-zA-Z0-9_-]{1,8}$/);
const underscored = fc.tuple(
  fc.array(fc.constantFrom("a", "_", "__"), { maxLength: 5 }).map((parts) => `a${parts.join("")}`),
  fc.array(fc.constantFrom("a", "_", "__"), { minLength: 1, maxLength: 5 }).map((parts) =>
    parts.join("")
  ),
);

test("an ordinary key is as the protocol has it", () => {
  strictEqual(key, "service-instances__orders__orders-1");
  strictEqual(instanceKey("order_service", "a_b"), "service-instances__order_service__a_b");
});

test("no two instances share a key, whatever underscores their names have", () => {
  const pair = fc.oneof(underscored, fc.tuple(names, ids));
  fc.assert(
    fc.property(pair, pair, ([a, b], [c, d]) => {
      strictEqual(instanceKey(a, b) === instanceKey(c, d), a === c && b === d);
    }),
    { numRuns: 2_000 },
  );
  for (const [a, b, c, d] of [["a__b", "c", "a", "b__c"], ["a_", "b", "a", "_b"]] as const) {
    notStrictEqual(instanceKey(a, b), instanceKey(c, d));
  }
});

test("the keys of a service begin with its prefix, and those of no other do", () => {
  fc.assert(fc.property(underscored, underscored, ([a, b], [c]) => {
    ok(instanceKey(a, b).startsWith(instancePrefix()));
    strictEqual(instanceKey(a, b).startsWith(instancePrefix(c)), a === c);
  }));
});

test("all that was said of an instance is known after it was written and read", () => {
  deepStrictEqual(readInstance(written(), key), {
    ...described,
    addressable: true,
    lastHeartbeat: TIME_MS,
    startedAt: TIME_MS,
  });
});

test("instances with any names are found under their keys", () => {
  fc.assert(fc.property(underscored, ([service, instanceId]) => {
    const value = written({ ...described, service, instanceId });
    strictEqual(readInstance(value, instanceKey(service, instanceId))?.instanceId, instanceId);
  }));
});

test("a record of the original is read: it says less, and cannot be called alone", () => {
  const value = {
    serviceName: "svc",
    instanceId: "host.local__1",
    version: "1.2.3",
    status: "STANDBY",
    lastHeartbeat: "2026-01-02T03:04:05.678901+00:00",
    stickyActiveGroup: "g",
    metadata: { start_time: "2026-01-02T00:00:00+00:00", zone: "a" },
  };
  deepStrictEqual(readInstance(value, "service-instances__svc__host.local__1"), {
    service: "svc",
    instanceId: "host.local__1",
    addressable: false,
    version: "1.2.3",
    status: "STANDBY",
    lastHeartbeat: TIME_MS,
    group: "g",
    startedAt: Date.UTC(2026, 0, 2),
    methods: [],
    events: [],
    commands: [],
    load: undefined,
    metadata: { zone: "a" },
  });
});

test("a time without a zone is UTC, and one with an offset is that", () => {
  strictEqual(read({ lastHeartbeat: "2026-01-02T03:04:05.678" })?.lastHeartbeat, TIME_MS);
  strictEqual(read({ lastHeartbeat: "2026-01-02T05:04:05.678+02:00" })?.lastHeartbeat, TIME_MS);
});

test("a record under a key of another instance is none", () => {
  strictEqual(read({ instanceId: "orders-2" }), undefined);
  strictEqual(read({ serviceName: "other" }), undefined);
  strictEqual(read({}, "service-instances__orders"), undefined);
  strictEqual(read({}, ""), undefined);
  // What we write is under our key alone.
  const value = written({ ...described, service: "a", instanceId: "b__c" });
  strictEqual(readInstance(value, "service-instances__a__b__c"), undefined);
});

test("a record that says it is ours has a name that calls can be sent to, and to nobody else", () => {
  for (const instanceId of ["~", "*", ">", "a.b", "a.>", "a/b", "$SYS"]) {
    const value = written({ ...described, instanceId });
    strictEqual(readInstance(value, instanceKey("orders", instanceId)), undefined, instanceId);
  }
});

test("what is no record gives nothing", () => {
  const deep = JSON.parse(`${'{"a":'.repeat(100)}1${"}".repeat(100)}`);
  const wrong: Record<string, unknown>[] = [
    { serviceName: 5 },
    { serviceName: "progress" },
    { serviceName: "a b" },
    { serviceName: "" },
    { instanceId: "" },
    { instanceId: "a\nb" },
    { instanceId: "x".repeat(500) },
    { version: 1 },
    { version: "1".repeat(257) },
    { status: "active" },
    { status: "toString" },
    { lastHeartbeat: 1_767_323_045 },
    { lastHeartbeat: "yesterday" },
    { lastHeartbeat: "2026-13-40T99:99:99Z" },
    { lastHeartbeat: null },
    { stickyActiveGroup: {} },
    { metadata: null },
    { metadata: [] },
    { metadata: "x" },
    { metadata: { deep } },
    { metadata: JSON.parse('{"__proto__":{"polluted":1}}') },
    { metadata: { a: [JSON.parse('{"__proto__":{"polluted":1}}')] } },
    { metadata: { large: "x".repeat(200_000) } },
    { metadata: { large: Array(200_000).fill(0) } },
  ];
  for (const change of wrong) {
    const { serviceName: service, instanceId } = { ...written(), ...change } as never;
    const under = typeof service === "string" && typeof instanceId === "string"
      ? instanceKey(service, instanceId)
      : key;
    strictEqual(read(change, under), undefined, JSON.stringify(change).slice(0, 100));
  }
  for (const value of [undefined, null, 5, "x", [], [written()], true, new Uint8Array(5)]) {
    strictEqual(readInstance(value, key), undefined);
  }
  strictEqual(({} as { polluted?: unknown }).polluted, undefined);
});

test("what is odd in our own part is left out, and the instance is there all the same", () => {
  const aegis = {
    methods: [5, { name: 5 }, { name: "m", description: 5, input: "x", output: null }, null],
    events: "x",
    commands: { length: 3 },
    load: { in_flight: -1, event_loop_delay_ms: "x" },
  };
  const instance = read({ metadata: { aegis, start_time: 5 } })!;
  deepStrictEqual(instance.methods, [{ name: "m" }]);
  deepStrictEqual([instance.events, instance.commands], [[], []]);
  deepStrictEqual([instance.load, instance.startedAt, instance.metadata], [
    undefined,
    undefined,
    {},
  ]);
});

test("it never throws, whatever it is given", () => {
  const anything = fc.oneof(fc.jsonValue(), fc.anything());
  fc.assert(fc.property(anything, fc.string(), (value, under) => {
    strictEqual(readInstance(value, under), undefined);
  }));
  const field = fc.constantFrom(...Object.keys(written()));
  fc.assert(fc.property(field, anything, (name, value) => {
    const instance = read({ [name]: value });
    ok(instance === undefined || instance.service === "orders");
  }));
});
