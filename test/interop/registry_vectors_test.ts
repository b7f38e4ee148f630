// The registry's record, held against the bytes that the original writes.

import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { instanceKey, instanceValue, readInstance } from "../../src/domain/instance.ts";

const { registry } = JSON.parse(
  readFileSync(new URL("wire/encode.json", import.meta.url), "utf8"),
) as { registry: { readonly key: string; readonly kv_json: string } };
const record = JSON.parse(registry.kv_json);

test("the original's record is read, and lies under the key where ours would", () => {
  const instance = readInstance(record, registry.key);
  strictEqual(instanceKey("svc", "svc-1"), registry.key);
  deepStrictEqual(instance, {
    service: "svc",
    instanceId: "svc-1",
    addressable: false,
    version: "1.2.3",
    status: "STANDBY",
    lastHeartbeat: Date.parse("2026-01-02T03:04:05.678Z"),
    group: "g",
    startedAt: Date.parse("2026-01-02T03:04:05.678Z"),
    methods: [],
    events: [],
    commands: [],
    load: undefined,
    metadata: {},
  });
});

test("read and written again it is the same to the byte, but for what is ours inside of metadata", () => {
  const instance = readInstance(record, registry.key)!;
  const value = instanceValue(instance, record.lastHeartbeat, record.metadata.start_time);
  const { aegis, ...metadata } = value.metadata as Record<string, unknown>;
  strictEqual(JSON.stringify({ ...value, metadata }), registry.kv_json);
  deepStrictEqual(JSON.parse(JSON.stringify(aegis)), { methods: [], events: [], commands: [] });
});

test("a group that is none is null, as the original writes it", () => {
  const instance = { ...readInstance(record, registry.key)!, group: undefined };
  strictEqual(instanceValue(instance, "", "").stickyActiveGroup, null);
});
