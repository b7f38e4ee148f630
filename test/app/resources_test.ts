// Streams made to order: what becomes of one that is there, by who has set it up.

import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { covers, planStream } from "../../src/app/resources.ts";
import { ConflictError } from "../../src/domain/error.ts";
import type { StreamConfig } from "../../src/ports/stream.ts";
import { after, FakeAdmin, shop, STREAM, taken, wantStream } from "./resources_tools.ts";

test("a stream that is not there is made with all its settings and a stamp", async () => {
  const admin = new FakeAdmin();
  const planned = await planStream(admin, wantStream({ maxAgeMs: 9 }));
  const { name: _, description: __, ...settings } = { ...STREAM, maxAgeMs: 9 };
  deepStrictEqual(planned.step, {
    kind: "stream",
    name: "EVENTS",
    action: "create",
    changes: Object.entries(settings).map(([setting, wanted]) => ({
      setting,
      is: undefined,
      wanted,
    })),
  });
  await taken(admin, planned);
  deepStrictEqual(admin.calls, ["create EVENTS"]);
  deepStrictEqual(admin.config, {
    ...STREAM,
    maxAgeMs: 9,
    description: "Events (set up by shop 1.0.0)",
  });
});

test("a stream that is as it was asked for is kept", async () => {
  const admin = await after(wantStream({ maxAgeMs: 9 }));
  for (const wanted of [wantStream(), wantStream({ maxAgeMs: 9 }, shop("0.9.0"))]) {
    deepStrictEqual(await taken(admin, await planStream(admin, wanted)), ["keep", [], []]);
  }
});

test("a newer version that asks for what is there is the newest from then on", async () => {
  const admin = await after(wantStream({ maxAgeMs: 9 }, shop("1.0.0")));
  const newer = await planStream(admin, wantStream({ maxAgeMs: 9 }, shop("2.0.0")));
  deepStrictEqual(await taken(admin, newer), [
    "update",
    [{ setting: "version", is: "1.0.0", wanted: "2.0.0" }],
    ["update EVENTS"],
  ]);
  admin.calls.length = 0;
  const between = await planStream(admin, wantStream({ maxAgeMs: 5 }, shop("1.5.0")));
  strictEqual((await taken(admin, between))[0], "keep");
  // One that asks for nothing has nothing that an older one could undo.
  deepStrictEqual(await taken(admin, await planStream(admin, wantStream({}, shop("3.0.0")))), [
    "keep",
    [],
    [],
  ]);
});

test("only what a program asked for is changed, and not what are merely its defaults", async () => {
  const there = { ...STREAM, replicas: 3, maxBytes: 77, discard: "old", description: "by hand" };
  const admin = new FakeAdmin(there as StreamConfig);
  deepStrictEqual(await taken(admin, await planStream(admin, wantStream())), ["keep", [], []]);
  const planned = await planStream(admin, wantStream({ maxAgeMs: 2_000 }));
  deepStrictEqual(await taken(admin, planned), [
    "update",
    [{ setting: "maxAgeMs", is: 1_000, wanted: 2_000 }],
    ["update EVENTS"],
  ]);
  deepStrictEqual(admin.config, {
    ...there,
    maxAgeMs: 2_000,
    description: "Events (set up by shop 1.0.0)",
  });
});

test("a stream that lacks a subject gets it beside those that it has", async () => {
  for (
    const [is, becomes] of [
      [["audit.>"], ["audit.>", "events.>"]],
      [["audit.>", "events.order.*"], ["audit.>", "events.>"]],
      [[], ["events.>"]],
    ]
  ) {
    const admin = new FakeAdmin({ ...STREAM, subjects: is! });
    const planned = await planStream(admin, wantStream());
    deepStrictEqual(planned.step.changes, [{ setting: "subjects", is, wanted: becomes }]);
    await taken(admin, planned);
    deepStrictEqual(admin.config?.subjects, becomes);
  }
});

test("a stream that stores more than is asked for stays as it is", async () => {
  for (const subjects of [[">"], ["*.>"], ["audit.x", "events.>"]]) {
    const admin = new FakeAdmin({ ...STREAM, subjects });
    deepStrictEqual(await taken(admin, await planStream(admin, wantStream())), ["keep", [], []]);
  }
});

test("a stream that cannot be changed is a conflict, with both values and what to do", async () => {
  const admin = await after(wantStream());
  const planned = await planStream(admin, wantStream({ storage: "memory", maxAgeMs: 9 }));
  const changes = [
    { setting: "storage", is: "file", wanted: "memory" },
    { setting: "maxAgeMs", is: 1_000, wanted: 9 },
  ];
  deepStrictEqual([planned.step.action, planned.step.changes], ["conflict", changes]);
  await rejects(planned.apply(), (error: Error) => {
    ok(ConflictError.is(error));
    strictEqual(
      error.message,
      'Cannot use the stream EVENTS as it is: "storage" is "file" and should be "memory", which cannot be changed; ask for what is there, or remove the stream',
    );
    deepStrictEqual(error.details, { kind: "stream", name: "EVENTS", changes });
    return true;
  });
  deepStrictEqual(admin.calls, []);
});

test("what a newer version of the same service has set on a stream stays, and is said", async () => {
  const admin = await after(wantStream({ maxAgeMs: 2_000 }, shop("1.10.0")));
  for (const asked of [{ maxAgeMs: 9 }, { storage: "memory" } as const]) {
    const planned = await planStream(admin, wantStream(asked, shop("1.9.0")));
    const [setting, wanted] = Object.entries(asked)[0]!;
    const is = setting === "storage" ? "file" : 2_000;
    deepStrictEqual(await taken(admin, planned), ["keep", [{ setting, is, wanted }], []]);
  }
});

test("what an older version, or another service, has set on a stream is changed", async () => {
  const stamps = [shop("1.8.0"), shop("1.9.0-rc.1"), { by: "stock", version: "9.0.0" }];
  for (const stamp of stamps) {
    const admin = await after(wantStream({ maxAgeMs: 2_000 }, stamp));
    const planned = await planStream(admin, wantStream({ maxAgeMs: 9 }, shop("1.9.0")));
    strictEqual((await taken(admin, planned))[0], "update", stamp.by);
    strictEqual(admin.config?.maxAgeMs, 9);
    strictEqual(admin.config?.description, "Events (set up by shop 1.9.0)");
  }
});

test("a program that only sends leaves what a service has set on a stream, and adds what it needs", async () => {
  const sender = { by: "web", version: "0.0.0", yields: true };
  const admin = await after(wantStream({ maxAgeMs: 2_000 }, shop("1.0.0")));
  const kept = await planStream(admin, wantStream({ maxAgeMs: 9 }, sender));
  const change = { setting: "maxAgeMs", is: 2_000, wanted: 9 };
  deepStrictEqual(await taken(admin, kept), ["keep", [change], []]);
  const needs = await planStream(admin, wantStream({ maxAgeMs: 9, subjects: ["more.>"] }, sender));
  strictEqual((await taken(admin, needs))[0], "update");
  deepStrictEqual(admin.config?.subjects, ["events.>", "more.>"]);
  strictEqual(admin.config?.maxAgeMs, 2_000);
  strictEqual(admin.config?.description, "Events (set up by shop 1.0.0)");
  const fixed = await planStream(admin, wantStream({ storage: "memory" }, sender));
  strictEqual(fixed.step.action, "conflict");
  // What it has set up itself it may change.
  const own = await after(wantStream({ maxAgeMs: 2_000 }, sender));
  const changed = await planStream(own, wantStream({ maxAgeMs: 9 }, sender));
  strictEqual((await taken(own, changed))[0], "update");
});

test("a service that asks for nothing leaves the stamp of a stream alone", async () => {
  const admin = await after(wantStream({ maxAgeMs: 9 }, shop("1.0.0")));
  const planned = await planStream(admin, wantStream({}, shop("2.0.0")));
  deepStrictEqual(await taken(admin, planned), ["keep", [], []]);
});

test("a subject covers another one where whatever fits that one fits it too", () => {
  const pattern = fc.tuple(
    fc.array(fc.constantFrom("a", "b", "*"), { maxLength: 2 }),
    fc.constantFrom("a", "b", "*", ">"),
  ).map(([tokens, last]) => [...tokens, last].join("."));
  // With a letter that no pattern names, and a token more than any has, these stand for all subjects that there are.
  const letters = ["a", "b", "c"];
  let level = letters;
  const subjects = [...level];
  for (let length = 2; length <= 4; length++) {
    level = level.flatMap((subject) => letters.map((letter) => `${subject}.${letter}`));
    subjects.push(...level);
  }
  const fits = (filter: string): string[] => {
    const source = filter.split(".").map((token) =>
      token === "*" ? "[^.]+" : token === ">" ? ".+" : token
    );
    return subjects.filter((subject) => new RegExp(`^${source.join("\\.")}$`).test(subject));
  };
  fc.assert(
    fc.property(pattern, pattern, (outer, inner) => {
      const own = new Set(fits(outer));
      strictEqual(covers(outer, inner), fits(inner).every((subject) => own.has(subject)));
    }),
    { numRuns: 3_000 },
  );
});
