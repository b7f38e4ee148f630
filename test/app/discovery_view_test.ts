// The view of discovery: what comes of the changes that the registry tells, whoever wrote them.

import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { instanceKey } from "../../src/domain/instance.ts";
import { settle, Stage } from "./discovery_tools.ts";

test("an instance is there from its record to the end of that", async () => {
  const stage = new Stage();
  stage.registry.beat("one");
  await stage.known();
  deepStrictEqual(stage.names(), ["one"]);
  stage.registry.beat("two");
  stage.registry.beat("other", { service: "bank" });
  await settle();
  deepStrictEqual([stage.names(), stage.names("bank")], [["one", "two"], ["other"]]);
  stage.registry.drop("one");
  await settle();
  deepStrictEqual(stage.names(), ["two"]);
  strictEqual(stage.directory.view.size, 2);
});

test("instances are listed by their names, healthy ones alone and by version where asked", async () => {
  const stage = new Stage();
  stage.registry.beat("c", { version: "1.2.0" });
  stage.registry.beat("a", { version: "2.0.0", status: "STANDBY" });
  stage.registry.beat("b", { version: "1.3.0", status: "UNHEALTHY" });
  await stage.known();
  deepStrictEqual(stage.names(), ["a", "b", "c"]);
  deepStrictEqual(stage.names("shop", { onlyHealthy: true }), ["a", "c"]);
  deepStrictEqual(stage.names("shop", { version: "^1.0" }), ["b", "c"]);
  deepStrictEqual(stage.names("shop", { version: "^1.0", onlyHealthy: true }), ["c"]);
  throws(() => stage.names("shop", { version: "newest" }), TypeError);
  stage.registry.beat("b", { version: "2.1.0" });
  stage.registry.beat("d", { version: "newest" });
  await settle();
  // Without a range any version will do; what is no version is in no range.
  deepStrictEqual(stage.names(), ["a", "b", "c", "d"]);
  for (const version of ["*", ""]) {
    deepStrictEqual(stage.names("shop", { version }), ["a", "b", "c"]);
  }
  deepStrictEqual(stage.names("shop", { version: "^2.0", onlyHealthy: true }), ["a", "b"]);
});

test("a heartbeat tells load and time, and nobody's clock is compared with another's", async () => {
  const stage = new Stage();
  const hour = 3_600_000;
  for (const [name, off] of [["slow", -hour], ["right", 0], ["fast", hour]] as const) {
    stage.registry.beat(name, { startTime: new Date(stage.clock.now() + off).toISOString() });
  }
  await stage.known();
  const before = stage.directory.find("shop", "slow")!.instance;
  stage.clock.advance(hour * 2);
  stage.registry.beat("slow", {
    startTime: new Date(stage.clock.now() - hour * 3).toISOString(),
    load: { inFlight: 7, eventLoopDelayMs: 3 },
  });
  await settle();
  deepStrictEqual(stage.names(), ["fast", "right", "slow"]);
  const after = stage.directory.find("shop", "slow")!.instance;
  strictEqual(after.load?.inFlight, 7);
  ok(after.lastHeartbeat > before.lastHeartbeat);
  strictEqual(after.methods, before.methods, "what did not change is kept once");
});

test("what is found is shared, and nobody can change it", async () => {
  const stage = new Stage();
  stage.registry.beat("one", { metadata: { zone: { name: "a" } } });
  await stage.known();
  const { instance } = stage.directory.find("shop", "one")!;
  throws(() => (instance.metadata.zone as { name: string }).name = "b", TypeError);
  throws(() => (instance as { version: string }).version = "9", TypeError);
});

test("an instance that nobody was found at is there again with its next heartbeat", async () => {
  const stage = new Stage();
  stage.registry.beat("one");
  stage.registry.beat("two");
  await stage.known();
  const { directory } = stage;
  directory.missed("shop", "one");
  deepStrictEqual(stage.names(), ["two"]);
  ok(directory.hasGone("shop", "one"));
  // The same record, told again, is no heartbeat.
  directory.feed.again();
  await directory.feed.ready(1_000);
  deepStrictEqual(stage.names(), ["two"]);
  stage.registry.beat("one");
  await settle();
  deepStrictEqual(stage.names(), ["one", "two"]);
  ok(!directory.hasGone("shop", "one"));
  directory.missed("shop", "one");
  stage.registry.drop("one");
  await settle();
  stage.registry.beat("one");
  await settle();
  deepStrictEqual(stage.names(), ["one", "two"]);
});

test("what goes while nobody is told has gone when it is told anew; what stays never goes", async () => {
  const stage = new Stage();
  for (const name of ["one", "two", "three"]) stage.registry.beat(name);
  await stage.known();
  const seen: string[] = [];
  stage.directory.view.listen("shop", (name) => seen.push(name));
  stage.registry.silently(() => {
    stage.registry.drop("two");
    stage.registry.beat("four");
    stage.registry.beat("three", { version: "2.0.0" });
  });
  deepStrictEqual(stage.names(), ["one", "three", "two"]);
  stage.directory.feed.again();
  await stage.directory.feed.ready(1_000);
  deepStrictEqual(stage.names(), ["four", "one", "three"]);
  deepStrictEqual(seen.sort(), ["four", "three", "two"]);
});

const HOSTILE: readonly unknown[] = [
  null,
  1,
  "text",
  [],
  {},
  { serviceName: "shop" },
  { serviceName: "shop", instanceId: "x", version: "1", status: "DEAD", lastHeartbeat: "now" },
  { serviceName: "bank", instanceId: "x", version: "1", status: "ACTIVE", lastHeartbeat: "" },
];

test("what is no record is ignored, with one warning for each key", async () => {
  const stage = new Stage();
  const key = instanceKey("shop", "x");
  stage.registry.beat("one");
  await stage.known();
  for (const value of [...HOSTILE, ...HOSTILE]) stage.registry.put(key, value);
  stage.registry.put("service-instances__", {});
  await settle();
  deepStrictEqual(stage.names(), ["one"]);
  deepStrictEqual(stage.warnings.map(([, { key }]) => key), [key, "service-instances__"]);
  strictEqual(stage.directory.view.ignored, 2);
  stage.registry.beat("x");
  await settle();
  deepStrictEqual(stage.names(), ["one", "x"], "a key that was spoilt serves again");
});

test("a record that is spoilt is one that has gone", async () => {
  const stage = new Stage();
  stage.registry.beat("one");
  await stage.known();
  stage.registry.put(instanceKey("shop", "one"), "spoilt");
  await settle();
  deepStrictEqual(stage.names(), []);
  ok(stage.directory.hasGone("shop", "one"));
});

test("a flood of what is no record is warned of a thousand times, and no more", async () => {
  const stage = new Stage();
  await stage.known();
  for (let i = 0; i < 1_500; i++) stage.registry.put(`service-instances__shop__${i}`, i);
  await settle();
  strictEqual(stage.warnings.length, 1_000);
  ok(stage.warnings.at(-1)![0].includes("nothing is said of further ones"));
  strictEqual(stage.directory.view.size, 0);
});

test("one instance has one record: another key cannot take its place", async () => {
  const stage = new Stage();
  stage.registry.beat("a_b");
  await stage.known();
  // As the original writes keys, which ours are not mistaken for.
  const foreign = {
    serviceName: "shop",
    instanceId: "_a_b",
    version: "6.6.6",
    status: "ACTIVE",
    lastHeartbeat: "2026-01-01T00:00:00Z",
  };
  stage.registry.beat("_a_b");
  stage.registry.put("service-instances__shop___a_b", foreign);
  await settle();
  deepStrictEqual(stage.names(), ["_a_b", "a_b"]);
  strictEqual(stage.directory.find("shop", "_a_b")!.instance.version, "1.0.0");
  stage.registry.put("service-instances__shop___a_b", { ...foreign, status: "UNHEALTHY" });
  await settle();
  strictEqual(stage.directory.find("shop", "_a_b")!.instance.version, "1.0.0");
});

test("those that have gone are remembered, ten thousand of them", async () => {
  const stage = new Stage();
  await stage.known();
  for (let i = 0; i < 10_001; i++) {
    stage.registry.beat(`i${i}`);
    stage.registry.drop(`i${i}`);
  }
  await settle();
  const { directory } = stage;
  deepStrictEqual(
    ["i0", "i1", "i10000", "never"].map((name) => directory.hasGone("shop", name)),
    [false, true, true, false],
  );
});

test("whatever is told, the view has what the registry has, but for those that were missed", async () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.tuple(fc.constant("beat"), fc.nat({ max: 4 })) },
    { weight: 2, arbitrary: fc.tuple(fc.constant("drop"), fc.nat({ max: 4 })) },
    { weight: 1, arbitrary: fc.tuple(fc.constant("miss"), fc.nat({ max: 4 })) },
    { weight: 1, arbitrary: fc.tuple(fc.constant("spoil"), fc.nat({ max: 4 })) },
    { weight: 1, arbitrary: fc.tuple(fc.constant("silently drop"), fc.nat({ max: 4 })) },
    { weight: 1, arbitrary: fc.tuple(fc.constant("again"), fc.constant(0)) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      const stage = new Stage();
      await stage.known();
      const there = new Set<string>();
      for (const [does, which] of steps) {
        const name = `i${which}`;
        if (does === "beat") {
          stage.registry.beat(name);
          there.add(name);
        } else if (does === "drop") {
          stage.registry.drop(name);
          there.delete(name);
        } else if (does === "spoil") {
          stage.registry.put(instanceKey("shop", name), null);
          there.delete(name);
        } else if (does === "silently drop") {
          stage.registry.silently(() => stage.registry.drop(name));
          stage.directory.feed.again();
          await stage.directory.feed.ready(1_000);
          there.delete(name);
        } else if (does === "again") {
          stage.directory.feed.again();
          await stage.directory.feed.ready(1_000);
        } else {
          await settle();
          stage.directory.missed("shop", name);
          there.delete(name);
        }
      }
      await settle();
      deepStrictEqual(stage.names(), [...there].sort());
    }),
    { numRuns: 50 },
  );
});
