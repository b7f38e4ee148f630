// Followed streams of users who may not do all that it takes: it is said what is missing, or works without.

import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { AegisError } from "../../mod.ts";
import { startNatsServer } from "../../tools/nats_server.ts";
import { fill, follow, lostFor } from "./follow_tools.ts";
import { outcome, until, within } from "./outage_tools.ts";
import { makeStream, open, streamConfig } from "./stream_tools.ts";

const SOON_MS = 5_000;
const denied = (subject: string): string =>
  `permissions: { publish: { deny: ["${subject}"] }, subscribe: ">" }`;
const PERMISSIONS = `
authorization {
  users: [
    { user: "all", password: "p" }
    { user: "no_making", password: "p", ${denied("$JS.API.CONSUMER.CREATE.>")} }
    { user: "no_reading", password: "p", ${denied("$JS.API.STREAM.MSG.GET.>")} }
    { user: "no_direct", password: "p", ${denied("$JS.API.DIRECT.GET.>")} }
    { user: "no_purging", password: "p", ${denied("$JS.API.STREAM.PURGE.>")} }
    { user: "no_flow", password: "p", ${denied("$JS.FC.>")} }
    { user: "no_removing", password: "p", ${denied("$JS.API.CONSUMER.DELETE.>")} }
    { user: "no_inbox", password: "p", permissions: {
      publish: ">", subscribe: { deny: ["_INBOX.>"] } } }
    { user: "least", password: "p", permissions: {
      publish: ["$JS.API.STREAM.INFO.S", "$JS.API.CONSUMER.CREATE.S.>", "$JS.API.CONSUMER.DELETE.S.>",
        "$JS.API.STREAM.MSG.GET.S", "$JS.API.DIRECT.GET.S.>", "$JS.API.STREAM.PURGE.S", "$JS.FC.>"],
      subscribe: ["_INBOX.>"] } }
  ]
}`;

const as = (user: string) => ({ user, pass: "p" });

test("a user who may not follow a stream is told so at once, and by what it lacks", async () => {
  await using server = await startNatsServer({ config: PERMISSIONS });
  await using all = await open(server.url, as("all"));
  await fill(all, 3);
  const lacks = { no_making: "CONSUMER.CREATE", no_reading: "STREAM.MSG.GET", no_inbox: "_INBOX" };
  for (const [user, subject] of Object.entries(lacks)) {
    await using opened = await open(server.url, as(user));
    const followed = follow(opened.streams);
    await lostFor("PERMISSION_DENIED", followed, SOON_MS);
    match(followed.lost[0]!.message, /follow s\.>|read the stream S|subscribe to/);
    ok(followed.lost[0]!.message.includes(subject), followed.lost[0]!.message);
    strictEqual(followed.lost.length, 1);
  }
  await until("no consumer is left", async () => {
    return (await all.streams.admin.consumers("S")).length === 0;
  }, 20_000);
});

test("a user who may do no more than following takes follows, reads and purges", async () => {
  await using server = await startNatsServer({ config: PERMISSIONS });
  await using all = await open(server.url, as("all"));
  await using opened = await open(server.url, as("least"));
  const { store, view } = opened.streams;
  await fill(all, 3);
  const all3 = [follow(opened.streams), follow(opened.streams, { from: { sequence: 2 } })];
  for (const { ready } of all3) await within(SOON_MS, "it is followed", ready);
  deepStrictEqual(all3.map(({ count }) => count()), [3, 2]);
  strictEqual((await store.last("S", "s.0", { direct: true }))?.sequence, 1);
  strictEqual((await store.last("S", "s.0"))?.sequence, 1);
  strictEqual(await view!.purge("S", { filter: "s.0" }), 1);
  for (const { follow } of all3) follow.stop();
  await until("no consumer is left", async () => {
    return (await all.streams.admin.consumers("S")).length === 0;
  });
  deepStrictEqual([opened.logged, all3.flatMap(({ lost }) => lost)], [[], []]);
});

test("a user who may not say what was taken is told so, once the server waits for it", async () => {
  await using server = await startNatsServer({ config: PERMISSIONS });
  await using all = await open(server.url, as("all"));
  await using opened = await open(server.url, as("no_flow"));
  await makeStream(all.streams);
  const body = "x".repeat(500_000);
  for (let i = 0; i < 100; i++) await all.streams.store.publish(`s.${i}`, body, {}, SOON_MS);
  const followed = follow(opened.streams);
  await lostFor("PERMISSION_DENIED", followed, SOON_MS);
  ok(followed.lost[0]!.message.includes("$JS.FC."), followed.lost[0]!.message);
});

test("a user who may not remove the consumer leaves that to the server", async () => {
  await using server = await startNatsServer({ config: PERMISSIONS });
  await using all = await open(server.url, as("all"));
  await using opened = await open(server.url, as("no_removing"));
  await fill(all, 3);
  const followed = follow(opened.streams);
  await followed.ready;
  followed.follow.stop();
  await until("no consumer is left", async () => {
    return (await all.streams.admin.consumers("S")).length === 0;
  }, 30_000);
  strictEqual(followed.lost.length, 0);
});

test("a user who may not ask directly, or not purge", async () => {
  await using server = await startNatsServer({ config: PERMISSIONS });
  await using all = await open(server.url, as("all"));
  await fill(all, 3);
  await all.streams.admin.updateStream(
    streamConfig({ maxMessagesPerSubject: 1, bucket: true, direct: true }),
  );
  await using direct = await open(server.url, as("no_direct"));
  for (let i = 0; i < 3; i++) {
    strictEqual(
      (await direct.streams.store.last("S", `s.${i}`, { direct: true }))?.sequence,
      i + 1,
    );
  }
  // The server was asked once, and said once that it may not be.
  strictEqual(direct.logged.length, 1);
  await using reading = await open(server.url, as("no_reading"));
  strictEqual((await reading.streams.store.last("S", "s.1", { direct: true }))?.sequence, 2);
  const { error } = await outcome(reading.streams.store.last("S", "s.1"));
  ok(AegisError.is(error, "PERMISSION_DENIED"), `${error}`);
  match(error.message, /^Cannot read the stream S: .*STREAM\.MSG\.GET/);
  await using purging = await open(server.url, as("no_purging"));
  const purged = await outcome(purging.streams.view!.purge("S", { filter: ">" }));
  ok(AegisError.is(purged.error, "PERMISSION_DENIED"), `${purged.error}`);
});

test("where JetStream is off that is said, and one of a domain is followed by its name", async () => {
  await using off = await startNatsServer({ jetstream: false });
  await using without = await open(off.url);
  await lostFor("JETSTREAM_DISABLED", follow(without.streams));
  const folder = await mkdtemp(join(tmpdir(), "domain-"));
  await using _folder = {
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true, maxRetries: 5 }),
  };
  await using server = await startNatsServer({
    config: `jetstream { domain: "hub", store_dir: ${JSON.stringify(folder)} }`,
    jetstream: false,
  });
  await using opened = await open(server.url, {}, "hub");
  await fill(opened, 3);
  const followed = follow(opened.streams);
  await within(SOON_MS, "it is followed", followed.ready);
  strictEqual(followed.count(), 3);
  strictEqual((await opened.streams.store.last("S", "s.0", { direct: true }))?.sequence, 1);
  strictEqual(await opened.streams.view!.purge("S", { filter: "s.0" }), 1);
  followed.follow.stop();
  await until("no consumer is left", async () => {
    return (await opened.streams.admin.consumers("S")).length === 0;
  });
});
