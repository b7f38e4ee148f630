// The feed of discovery: one watch, opened when it is needed, kept alive, and honest about what it does not know.

import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { AegisError, ClosedError, TimeoutError, UnavailableError } from "../../mod.ts";
import { settle, Stage } from "./discovery_tools.ts";
import { errorOf } from "./buses.ts";

test("nothing is opened before somebody looks, and one watch is for all who do", async () => {
  const stage = new Stage();
  const { directory: { feed }, registry } = stage;
  await settle();
  strictEqual(registry.opened, 0);
  ok(feed.stale);
  for (let i = 0; i < 3; i++) feed.use();
  await feed.ready(1_000);
  strictEqual(feed.ready(1_000), undefined, "then a lookup is a memory read");
  deepStrictEqual([registry.opened, registry.watches.length, feed.stale], [1, 1, false]);
});

test("the watch ends with the last who looks, and what was known is forgotten", async () => {
  const stage = new Stage();
  const { directory: { feed }, registry } = stage;
  registry.beat("one");
  feed.use();
  await stage.known();
  feed.leave();
  deepStrictEqual([registry.watches.length, stage.names()], [1, ["one"]]);
  feed.leave();
  await settle();
  deepStrictEqual([registry.watches.length, stage.names()], [0, []]);
  registry.beat("two");
  await stage.known();
  deepStrictEqual([registry.watches.length, stage.names()], [1, ["one", "two"]]);
});

test("a lookup waits until all that there is has been told", async () => {
  const stage = new Stage();
  stage.registry.tells = false;
  stage.directory.feed.use();
  let isReady = false;
  const ready = stage.directory.feed.ready(1_000)!.then(() => isReady = true);
  await settle();
  const [watch] = stage.registry.watches;
  stage.registry.beat("one");
  await settle();
  strictEqual(isReady, false);
  (watch as unknown as { tell(what: "initial"): void }).tell("initial");
  await ready;
  deepStrictEqual(stage.names(), ["one"]);
  strictEqual(stage.clock.pending, 0, "no timer is left");
});

test("a lookup that waits in vain ends in its time, with the reason where there is one", async () => {
  const stage = new Stage();
  stage.registry.tells = false;
  stage.directory.feed.use();
  const slow = errorOf(stage.directory.feed.ready(2_000)!);
  await settle();
  stage.clock.advance(2_000);
  const late = await slow;
  ok(late instanceof TimeoutError);
  match(late.message, /the registry was not read within 2000 ms/);
  stage.status = "reconnecting";
  const away = errorOf(stage.directory.feed.ready(500)!);
  stage.clock.advance(500);
  const unavailable = await away;
  ok(unavailable instanceof UnavailableError);
  match(unavailable.message, /the bus is away/);
});

test("a lookup is taken back by its signal", async () => {
  const stage = new Stage();
  stage.registry.tells = false;
  stage.directory.feed.use();
  const controller = new AbortController();
  const waiting = errorOf(stage.directory.feed.ready(2_000, controller.signal)!);
  controller.abort("enough");
  strictEqual(await waiting, "enough");
  strictEqual(await errorOf(stage.directory.feed.ready(2_000, controller.signal)!), "enough");
  await settle();
  strictEqual(stage.clock.pending, 0);
});

test("where nobody may watch, lookups fail at once, one warning says so, and it is tried again", async () => {
  const stage = new Stage();
  const { directory: { feed }, registry } = stage;
  registry.beat("one");
  registry.refusal = new AegisError("JETSTREAM_DISABLED", "JetStream is off");
  feed.use();
  for (let i = 0; i < 3; i++) {
    await rejects(feed.ready(1_000)!, {
      code: "JETSTREAM_DISABLED",
      message: /the registry cannot be watched: JetStream is off/,
    });
  }
  strictEqual(registry.opened, 1);
  for (let i = 0; i < 3; i++) {
    stage.clock.advance(30_000);
    await settle();
  }
  deepStrictEqual([registry.opened, stage.warnings.length, feed.error?.message], [
    4,
    1,
    "JetStream is off",
  ]);
  registry.refusal = undefined;
  stage.clock.advance(30_000);
  await settle();
  deepStrictEqual([stage.names(), feed.error, feed.stale], [["one"], undefined, false]);
});

test("what passes by itself is tried again soon, and lookups wait for it", async () => {
  const stage = new Stage();
  const { directory: { feed }, registry } = stage;
  registry.beat("one");
  registry.refusal = new UnavailableError("The server elects a leader");
  feed.use();
  const ready = feed.ready(5_000)!;
  await settle();
  registry.refusal = undefined;
  stage.clock.advance(100);
  await ready;
  deepStrictEqual(stage.names(), ["one"]);
});

test("when a watch fails the view stays, says that it is stale, and is made right by the next watch", async () => {
  const stage = new Stage();
  const { directory: { feed }, registry } = stage;
  registry.beat("one");
  registry.beat("two");
  await stage.known();
  const seen: string[] = [];
  stage.directory.view.listen("shop", (name) => seen.push(name));
  registry.refusal = new UnavailableError("The server elects a leader");
  registry.fail(new AegisError("STREAM_NOT_FOUND", "The bucket has gone"));
  await settle();
  deepStrictEqual([stage.names(), feed.stale, seen], [["one", "two"], true, []]);
  strictEqual(feed.ready(1_000), undefined, "nobody has to wait");
  registry.silently(() => registry.drop("one"));
  registry.refusal = undefined;
  stage.clock.advance(30_000);
  await settle();
  deepStrictEqual([stage.names(), feed.stale, seen], [["two"], false, ["one"]]);
});

test("while the bus is away the view stays as it was, and says that it is stale", async () => {
  const stage = new Stage();
  const { directory: { feed }, registry } = stage;
  registry.beat("one");
  await stage.known();
  stage.status = "reconnecting";
  deepStrictEqual([stage.names(), feed.stale], [["one"], true]);
  stage.clock.advance(3_600_000);
  feed.again();
  strictEqual(feed.ready(1_000), undefined, "what cannot be read anew now is not waited for");
  stage.status = "connected";
  await settle();
  deepStrictEqual([stage.names(), feed.stale], [["one"], false]);
});

test("what a watch suffers from shows, while the view stays as it was", async () => {
  const stage = new Stage();
  const { directory: { feed }, registry } = stage;
  registry.beat("one");
  await stage.known();
  registry.trouble = () => "the stream has no leader";
  deepStrictEqual([stage.names(), feed.stale], [["one"], true]);
  match(feed.error!.message, /cannot be watched at the moment: the stream has no leader/);
  registry.trouble = () => undefined;
  deepStrictEqual([feed.stale, feed.error], [false, undefined]);
});

test("again() opens a new watch, lookups wait for it, and many at once make one", async () => {
  const stage = new Stage();
  const { directory: { feed }, registry } = stage;
  registry.beat("one");
  await stage.known();
  for (let i = 0; i < 10; i++) feed.again();
  ok(feed.stale);
  await feed.ready(1_000);
  deepStrictEqual([registry.opened, registry.watches.length, stage.names()], [2, 1, ["one"]]);
});

test("when the bus comes back, the registry is watched again at once, whatever was said before", async () => {
  const stage = new Stage();
  const { directory: { feed }, registry } = stage;
  registry.beat("one");
  registry.refusal = new AegisError("JETSTREAM_DISABLED", "The server has no JetStream");
  feed.use();
  await errorOf(feed.ready(1_000)!);
  for (let outages = 0; outages < 3; outages++) {
    if (outages === 2) registry.refusal = undefined;
    await settle();
    stage.status = "reconnecting";
    stage.status = "connected";
    if (outages === 2) await feed.ready(1_000);
    else ok(AegisError.is(await errorOf(feed.ready(1_000)!), "JETSTREAM_DISABLED"));
  }
  await settle();
  deepStrictEqual([stage.names(), stage.warnings.length, stage.clock.pending], [["one"], 1, 0]);
});

test("again() cuts the wait for another watch short, once for each that is asked for", async () => {
  const stage = new Stage();
  const { directory: { feed }, registry } = stage;
  registry.beat("one");
  await stage.known();
  registry.refusal = new UnavailableError("The server elects a leader");
  registry.fail(new AegisError("STREAM_NOT_FOUND", "The bucket has gone"));
  await settle();
  strictEqual(registry.opened, 1);
  feed.again();
  await settle();
  strictEqual(registry.opened, 2, "and then it waits again");
  registry.refusal = undefined;
  stage.clock.advance(10_000);
  await feed.ready(1_000);
  deepStrictEqual([registry.opened, registry.watches.length, stage.names()], [3, 1, ["one"]]);
});

test("when the bus is closed lookups and waits end, and watches with them", async () => {
  const stage = new Stage();
  const { directory: { feed }, registry } = stage;
  registry.tells = false;
  feed.use();
  const waiting = errorOf(feed.ready(1_000)!);
  let ended = 0;
  feed.onEnd(() => ended++);
  await settle();
  stage.status = "closed";
  ok(await waiting instanceof ClosedError);
  ok(await errorOf(feed.ready(1_000)!) instanceof ClosedError);
  await settle();
  deepStrictEqual([ended, registry.watches.length, stage.clock.pending, stage.warnings], [
    1,
    0,
    0,
    [],
  ]);
  feed.use();
  await settle();
  strictEqual(registry.opened, 1, "it is not opened again");
});
