// Consumers made to order: what becomes of one that is there, by who has set it up.

import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { planConsumer, restarted } from "../../src/app/resources.ts";
import { ConflictError } from "../../src/domain/error.ts";
import { stamped } from "../../src/domain/stamp.ts";
import type { ConsumerConfig } from "../../src/ports/stream.ts";
import {
  after,
  CONSUMER,
  FakeAdmin,
  shop,
  STREAM,
  taken,
  wantConsumer,
} from "./resources_tools.ts";

test("a consumer that is not there is made, with where it begins and a stamp", async () => {
  const admin = new FakeAdmin(STREAM);
  const planned = await planConsumer(admin, wantConsumer());
  const { name: _, description: __, ...settings } = CONSUMER;
  deepStrictEqual(planned.step, {
    kind: "consumer",
    name: "shop=order=+",
    stream: "EVENTS",
    action: "create",
    changes: Object.entries(settings).map(([setting, wanted]) => ({
      setting,
      is: undefined,
      wanted,
    })),
  });
  await taken(admin, planned);
  deepStrictEqual(admin.calls, ["put shop=order=+ of EVENTS"]);
  deepStrictEqual(admin.known.get(CONSUMER.name), {
    ...CONSUMER,
    description: "shop on order.*, from new (set up by shop 1.0.0)",
  });
});

test("a consumer that is as it was asked for by the same version is kept", async () => {
  for (const from of ["new", "all", { sequence: 7 }, { time: 0 }] as const) {
    const admin = await after(wantConsumer({ from }));
    const planned = await planConsumer(admin, wantConsumer({ from }));
    deepStrictEqual(await taken(admin, planned), ["keep", [], []]);
  }
});

test("a consumer is changed where it may be, and stays where it is in the stream", async () => {
  const admin = await after(wantConsumer({ from: { sequence: 7 } }));
  const changed = { ackWaitMs: 500, maxAckPending: 1, inactiveThresholdMs: 60_000 };
  const planned = await planConsumer(admin, wantConsumer({ from: { sequence: 7 }, ...changed }));
  deepStrictEqual(await taken(admin, planned), [
    "update",
    [
      { setting: "ackWaitMs", is: 30_000, wanted: 500 },
      { setting: "maxAckPending", is: 20_000, wanted: 1 },
      { setting: "inactiveThresholdMs", is: 0, wanted: 60_000 },
    ],
    ["put shop=order=+ of EVENTS"],
  ]);
  deepStrictEqual(admin.known.get(CONSUMER.name), {
    ...CONSUMER,
    ...changed,
    from: { sequence: 7 },
    description: "shop on order.*, from sequence 7 (set up by shop 1.0.0)",
  });
});

test("a consumer of another filter, or another place to begin, is a conflict with both values", async () => {
  const admin = await after(wantConsumer({ from: "all" }, shop("2.0.0")));
  // A newer version that has set it up does not make it one that this handler could use.
  const wanted = wantConsumer({ from: { sequence: 5 }, filter: "events.order.>", ackWaitMs: 5 });
  const planned = await planConsumer(admin, wanted);
  const changes = [
    { setting: "filter", is: "events.order.*", wanted: "events.order.>" },
    { setting: "ackWaitMs", is: 30_000, wanted: 5 },
    { setting: "from", is: "all", wanted: "sequence 5" },
  ];
  deepStrictEqual([planned.step.action, planned.step.changes], ["conflict", changes]);
  await rejects(planned.apply(), (error: Error) => {
    ok(ConflictError.is(error));
    strictEqual(
      error.message,
      'Cannot use the consumer shop=order=+ as it is: "filter" is "events.order.*" and should be "events.order.>", "from" is "all" and should be "sequence 5", which cannot be changed; ask for what is there, give the handler another name, or remove the consumer',
    );
    deepStrictEqual(error.details, {
      kind: "consumer",
      name: "shop=order=+",
      stream: "EVENTS",
      changes,
    });
    return true;
  });
  deepStrictEqual(admin.calls, []);
});

test("what a newer version of the same service has set on a consumer stays, and is said", async () => {
  const admin = await after(wantConsumer({ ackWaitMs: 500 }, shop("1.10.0")));
  const planned = await planConsumer(admin, wantConsumer({}, shop("1.9.0")));
  const changes = [{ setting: "ackWaitMs", is: 500, wanted: 30_000 }];
  deepStrictEqual(await taken(admin, planned), ["keep", changes, []]);
});

test("what an older version has set on a consumer is changed", async () => {
  const admin = await after(wantConsumer({ ackWaitMs: 500 }, shop("1.8.0")));
  const planned = await planConsumer(admin, wantConsumer({}, shop("1.9.0")));
  strictEqual((await taken(admin, planned))[0], "update");
  strictEqual(admin.known.get(CONSUMER.name)?.ackWaitMs, 30_000);
});

test("an ack wait becomes longer at once, and shorter only while nobody is there", async () => {
  for (const use of [{ ackPending: 1 }, { waiting: 1 }]) {
    const admin = await after(wantConsumer());
    admin.use = use;
    const put = async (ackWaitMs: number, version: string) => {
      const { step, apply } = await planConsumer(admin, wantConsumer({ ackWaitMs }, shop(version)));
      await apply();
      return [step.action, step.changes, admin.known.get(CONSUMER.name)?.ackWaitMs];
    };
    deepStrictEqual(await put(500, "1.0.0"), ["keep", [], 30_000]);
    // What else is new is set all the same.
    const version = { setting: "version", is: "1.0.0", wanted: "1.1.0" };
    deepStrictEqual(await put(500, "1.1.0"), ["update", [version], 30_000]);
    const longer = { setting: "ackWaitMs", is: 30_000, wanted: 40_000 };
    deepStrictEqual(await put(40_000, "1.1.0"), ["update", [longer], 40_000]);
    admin.use = {};
    const shorter = { setting: "ackWaitMs", is: 40_000, wanted: 500 };
    deepStrictEqual(await put(500, "1.1.0"), ["update", [shorter], 500]);
  }
});

test("a consumer of another service is a conflict, in whatever version", async () => {
  for (const version of ["0.1.0", "9.0.0"]) {
    const admin = await after(wantConsumer({}, { by: "stock", version }));
    const { step, apply } = await planConsumer(admin, wantConsumer());
    deepStrictEqual([step.action, step.changes], [
      "conflict",
      [{ setting: "service", is: "stock", wanted: "shop" }],
    ]);
    await rejects(apply(), ConflictError);
  }
});

test("the stamp of an older version is refreshed, so that one between the two changes nothing", async () => {
  const admin = await after(wantConsumer({}, shop("1.0.0")));
  const planned = await planConsumer(admin, wantConsumer({}, shop("3.0.0")));
  const changes = [{ setting: "version", is: "1.0.0", wanted: "3.0.0" }];
  deepStrictEqual(await taken(admin, planned), [
    "update",
    changes,
    ["put shop=order=+ of EVENTS"],
  ]);
  const between = await planConsumer(admin, wantConsumer({ ackWaitMs: 5 }, shop("2.0.0")));
  strictEqual(between.step.action, "keep");
  strictEqual((await planConsumer(admin, wantConsumer({}, shop("3.0.0")))).step.action, "keep");
});

test("the stamp of a newer version is left alone where nothing differs", async () => {
  const admin = await after(wantConsumer({}, shop("2.0.0")));
  const planned = await planConsumer(admin, wantConsumer());
  deepStrictEqual(await taken(admin, planned), ["keep", [], []]);
});

test("a consumer that somebody else has made is compared by what it is", async () => {
  const theirs = { ...CONSUMER, from: "all" as const, description: "made by hand" };
  const plan = (given: Partial<ConsumerConfig>) =>
    planConsumer(new FakeAdmin(STREAM, theirs), wantConsumer(given));
  deepStrictEqual((await plan({ from: "all" })).step.action, "keep");
  deepStrictEqual((await plan({ from: "all", ackWaitMs: 5 })).step.action, "update");
  deepStrictEqual((await plan({ from: "new" })).step.changes, [
    { setting: "from", is: "all", wanted: "new" },
  ]);
});

test("a consumer that was lost begins elsewhere, and is still what was asked for", async () => {
  const wanted = wantConsumer({ from: "all" });
  const again = restarted(wanted, { sequence: 42 });
  deepStrictEqual(again, {
    ...CONSUMER,
    from: { sequence: 42 },
    description: "shop on order.*, from all (set up by shop 1.0.0)",
  });
  const admin = new FakeAdmin(STREAM, again);
  deepStrictEqual(await taken(admin, await planConsumer(admin, wanted)), ["keep", [], []]);
  const changed = await planConsumer(admin, wantConsumer({ from: "all", ackWaitMs: 5 }));
  strictEqual((await taken(admin, changed))[0], "update");
  const { from, description } = admin.known.get(CONSUMER.name)!;
  deepStrictEqual(from, { sequence: 42 });
  strictEqual(description, stamped("shop on order.*, from all", shop("1.0.0")));
});

test("what a description says beside where it begins is not taken for it", async () => {
  for (
    const description of ["moved, from old to new", "x, from all (set up by hand)", "a\n, from b"]
  ) {
    const admin = await after(wantConsumer({ description }));
    const planned = await planConsumer(admin, wantConsumer({ description }));
    deepStrictEqual(await taken(admin, planned), ["keep", [], []], description);
  }
});
