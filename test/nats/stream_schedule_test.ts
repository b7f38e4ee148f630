// Messages for later: published by the server when it is time, where it can.

import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { AegisError } from "../../mod.ts";
import { startNatsServer } from "../../tools/nats_server.ts";
import { until } from "./outage_tools.ts";
import { open, streamConfig } from "./stream_tools.ts";

const SOON_MS = 5_000;
/** Servers look four times a second at the most what is due. */
const LATE_MS = 250;

test("a message for later is published when it is time, with its own headers, and what was stored for it is gone", async () => {
  await using server = await startNatsServer({ suite: "sid" });
  await using opened = await open(server.url);
  const { admin, store } = opened.streams;
  await admin.createStream(streamConfig({ retention: "workqueue", schedules: true }));
  const headers = { "Nats-Msg-Id": "1", "Nats-Expected-Last-Subject-Sequence": "0", own: "kept" };
  const at = Date.now() + 1_234;
  const stored = await store.publishLater!("s.later.1", "s.now", at, "body", headers, SOON_MS);
  deepStrictEqual(stored, { stream: "S", sequence: 1, duplicate: false });
  const [again] = await Promise.allSettled([
    store.publishLater!("s.later.1", "s.now", at, "body", headers, SOON_MS),
  ]);
  ok(again.status === "rejected" && AegisError.is(again.reason, "CONFLICT"), `${again.status}`);
  strictEqual(await store.last("S", "s.now"), undefined);
  await until("it is published", async () => (await store.last("S", "s.now")) !== undefined);
  const published = await store.last("S", "s.now");
  const lateMs = published!.storedAt - at;
  ok(lateMs >= 0 && lateMs < LATE_MS + 500, `${lateMs} ms late`);
  strictEqual(new TextDecoder().decode(published?.data), "body");
  deepStrictEqual(published?.headers, {
    own: "kept",
    "Nats-Scheduler": "s.later.1",
    "Nats-Schedule-Next": "purge",
  });
  strictEqual(await store.last("S", "s.later.1"), undefined);
  strictEqual((await admin.stream("S"))?.messages, 1);
});

test("a message for a time that is past is published at once, and one that is removed never", async () => {
  await using server = await startNatsServer({ suite: "sid" });
  await using opened = await open(server.url);
  const { admin, store } = opened.streams;
  await admin.createStream(streamConfig({ schedules: true }));
  const soon = Date.now() + 500;
  const never = await store.publishLater!("s.later.1", "s.never", soon, "", {}, SOON_MS);
  strictEqual(await store.remove("S", never.sequence), true);
  await store.publishLater!("s.later.2", "s.now", soon - 60_000, "", {}, SOON_MS);
  await store.publishLater!("s.later.3", "s.after", soon + 500, "", {}, SOON_MS);
  await until(
    "the last is published",
    async () => (await store.last("S", "s.after")) !== undefined,
  );
  const published = await store.last("S", "s.now");
  ok(published !== undefined && published.storedAt < soon + 500, `${published?.storedAt}, ${soon}`);
  strictEqual(await store.last("S", "s.never"), undefined);
});

test("schedules can be switched on and not off, and a stream without them refuses messages for later", async () => {
  await using server = await startNatsServer({ suite: "sid" });
  await using opened = await open(server.url);
  const { admin, store } = opened.streams;
  await admin.createStream(streamConfig());
  await rejects(store.publishLater!("s.later", "s.now", 0, "", {}, SOON_MS), (error) => {
    ok(AegisError.is(error, "NATS"), `${error}`);
    ok(error.message.includes("message schedules is disabled"), error.message);
    return true;
  });
  await admin.updateStream(streamConfig({ schedules: true }));
  strictEqual((await admin.stream("S"))?.config.schedules, true);
  await admin.createStream(streamConfig({ schedules: true }));
  for (const change of [admin.updateStream, admin.createStream]) {
    await rejects(change(streamConfig()), (error) => {
      ok(AegisError.is(error, "CONFLICT"), `${error}`);
      deepStrictEqual(error.details, { setting: "schedules", is: true, wanted: false });
      return true;
    });
  }
});

test("where a server has no schedules there is no publishLater, and a stream that wants them is made without", async () => {
  await using server = await startNatsServer({ suite: "bookworm" });
  await using opened = await open(server.url);
  const { admin, store } = opened.streams;
  strictEqual(store.publishLater, undefined);
  const wanted = streamConfig({ schedules: true });
  await admin.createStream(wanted);
  await admin.createStream(wanted);
  await admin.updateStream({ ...wanted, maxMessages: 10 });
  deepStrictEqual((await admin.stream("S"))?.config, streamConfig({ maxMessages: 10 }));
});
