// Feeds over a stream that is followed by hand: who is told what when watches begin, fall behind, are lost, and go on.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { AegisError, UnavailableError } from "../../mod.ts";
import { readKeys } from "../../src/app/kv_read.ts";
import { FeedStage, type Followed, type Listener, settled } from "./kv_feed_tools.ts";

/** A stage with two keys, and a watch that has been told them. */
async function begun(): Promise<
  { readonly stage: FeedStage; readonly first: Followed; readonly early: Listener }
> {
  const stage = await new FeedStage().open();
  stage.put("a");
  stage.put("b");
  const early = await stage.watch();
  const first = stage.followed[0]!;
  first.tell(1, 2);
  first.caughtUp();
  deepStrictEqual(early.words.splice(0), ["(put a 1)", "(put b 2)"]);
  ok(early.isReady);
  return { stage, first, early };
}

test("those that begin together share one look, and those that want only what comes take part in it", async () => {
  const { stage, first, early } = await begun();
  const late = await stage.watch(false);
  ok(late.isReady);
  first.tell(stage.put("a"));
  deepStrictEqual([early.words, late.words], [["put a 3"], ["put a 3"]]);
  strictEqual(stage.followed.length, 1);
});

test("who begins later is told by a look of its own, and is with the others once both are at one place", async () => {
  const { stage, first, early } = await begun();
  const late = await stage.watch();
  const other = await stage.watch();
  strictEqual(stage.followed.length, 2);
  const second = stage.followed[1]!;
  strictEqual(second.options.from, "lastPerSubject");
  second.tell(1);
  // Each of these is one of those that would be lost to who looks anew.
  first.tell(stage.put("a"), stage.put("a"));
  second.tell(2, 4);
  second.caughtUp();
  deepStrictEqual(early.words, ["put a 3", "put a 4"]);
  deepStrictEqual(late.words, ["(put a 1)", "(put b 2)", "(put a 4)"]);
  deepStrictEqual(other.words, late.words);
  ok(late.isReady && other.isReady);
  ok(second.isStopped);
  first.tell(stage.delete("b"));
  for (const { words } of [early, late, other]) strictEqual(words.at(-1), "delete b 5");
  strictEqual(stage.feeds.health()[0]?.watches, 3);
});

test("as long as one has heard more than the other they stay apart, and each change is told once", async () => {
  const { stage, first, early } = await begun();
  const late = await stage.watch();
  const second = stage.followed[1]!;
  const [third, fourth] = [stage.put("a"), stage.put("c")];
  second.tell(2, third, fourth);
  second.caughtUp();
  await stage.pass(2_000);
  ok(!second.isStopped);
  first.tell(third);
  ok(!second.isStopped);
  first.tell(fourth);
  ok(second.isStopped);
  deepStrictEqual(early.words, ["put a 3", "put c 4"]);
  deepStrictEqual(late.words, ["(put b 2)", "(put a 3)", "(put c 4)"]);
});

test("the first may be ahead as well", async () => {
  const { stage, first, early } = await begun();
  const late = await stage.watch();
  const second = stage.followed[1]!;
  second.tell(1, 2);
  second.caughtUp();
  ok(second.isStopped, "they are at one place");
  const later = await stage.watch();
  const third = stage.followed[2]!;
  third.tell(1, 2);
  first.tell(stage.put("a"));
  third.caughtUp();
  ok(!third.isStopped);
  third.tell(3);
  ok(third.isStopped);
  deepStrictEqual([early.words, late.words.slice(2)], [["put a 3"], ["put a 3"]]);
  deepStrictEqual(later.words, ["(put a 1)", "(put b 2)", "put a 3"]);
});

test("a key that has gone without a word is told to who knows of it before they go on as one", async () => {
  const { stage, early } = await begun();
  stage.vanish("a");
  const late = await stage.watch();
  const second = stage.followed[1]!;
  second.tell(2);
  second.caughtUp();
  ok(!second.isStopped);
  await settled();
  deepStrictEqual([early.words, late.words], [["purge a 1"], ["(put b 2)"]]);
  await stage.pass(500);
  ok(second.isStopped);
});

test("what has gone before the second heard of it does not keep them apart where nothing comes", async () => {
  const { stage, first, early } = await begun();
  first.tell(stage.put("c"));
  first.tell(stage.delete("c"));
  stage.vanish("c"); // the word of its deletion goes in time
  const late = await stage.watch();
  const second = stage.followed[1]!;
  second.tell(1, 2);
  second.caughtUp();
  ok(!second.isStopped);
  await stage.pass(500);
  ok(second.isStopped);
  first.tell(stage.put("a"));
  strictEqual(early.words.at(-1), "put a 5");
  deepStrictEqual(late.words.slice(2), ["put a 5"]);
});

test("when those that were first have left, the others go on with what they have", async () => {
  const { stage, first, early } = await begun();
  const late = await stage.watch();
  const second = stage.followed[1]!;
  second.tell(1);
  stage.leave(early);
  ok(first.isStopped);
  second.tell(2);
  second.caughtUp();
  second.tell(stage.put("a"));
  deepStrictEqual(late.words, ["(put a 1)", "(put b 2)", "put a 3"]);
  deepStrictEqual(early.words, []);
  stage.leave(late);
  ok(second.isStopped);
  deepStrictEqual(stage.feeds.health(), []);
  strictEqual(stage.clock.pending, 0);
});

test("after a loss a watch goes on where it was, and is told what has gone without a word", async () => {
  const { stage, first, early } = await begun();
  first.lose(new UnavailableError("the bus went away"));
  deepStrictEqual(stage.feeds.health()[0]?.live, false);
  const late = await stage.watch();
  const [third, fourth] = [stage.put("b"), stage.put("b")];
  stage.vanish("a");
  await stage.pass(2_000);
  const [, second, again] = stage.followed;
  strictEqual(stage.followed.length, 3);
  deepStrictEqual(again!.options.from, { sequence: 3 });
  again!.tell(third, fourth);
  again!.caughtUp();
  await settled();
  deepStrictEqual(early.words, ["put b 3", "put b 4", "purge a 1"]);
  second!.tell(fourth);
  second!.caughtUp();
  deepStrictEqual(late.words, ["(put b 4)"]);
  ok(second!.isStopped);
  strictEqual(stage.listed, 1);
  deepStrictEqual(stage.feeds.health()[0]?.live, true);
});

test("a feed that was lost is not live while it begins again and catches up", async () => {
  const { stage, first } = await begun();
  const health = () => stage.feeds.health().map(({ live, error }) => [live, error])[0];
  first.lose(new UnavailableError("the bus went away"));
  const third = stage.put("a");
  await stage.pass(2_000);
  const again = stage.followed[1]!;
  deepStrictEqual(health(), [false, "the bus went away"], "it begins");
  again.tell(third);
  deepStrictEqual(health(), [false, "the bus went away"], "it catches up");
  again.caughtUp();
  deepStrictEqual(health(), [true, undefined]);
});

test("a loss before all has come is made good without telling anything twice", async () => {
  const stage = await new FeedStage().open();
  for (const key of ["a", "b", "c"]) stage.put(key);
  const early = await stage.watch();
  stage.followed[0]!.tell(1, 2);
  stage.followed[0]!.lose(new UnavailableError("the bus went away"));
  stage.delete("b");
  await stage.pass(2_000);
  const again = stage.followed[1]!;
  strictEqual(again.options.from, "lastPerSubject");
  again.tell(1, 3, 4);
  ok(!early.isReady);
  again.caughtUp();
  ok(early.isReady);
  deepStrictEqual(early.words, ["(put a 1)", "(put b 2)", "(put c 3)", "(delete b 4)"]);
});

test("what is older than what was told is not told", async () => {
  const { stage, first, early } = await begun();
  first.tell(stage.put("a"));
  first.tell(1, 3);
  deepStrictEqual(early.words, ["put a 3"]);
});

test("of a stream that was made anew all is told: what was there has gone, and revisions begin again", async () => {
  const { stage, early } = await begun();
  stage.renew();
  stage.put("b");
  await stage.pass(15_000); // it is looked whether it is still the same
  const again = stage.followed[1]!;
  strictEqual(again.options.from, "lastPerSubject");
  again.tell(1);
  again.caughtUp();
  deepStrictEqual(early.words, ["purge a 1", "purge b 2", "put b 1"]);
});

test("what the server holds and does not deliver is asked for again", async () => {
  const { stage, early } = await begun();
  const third = stage.put("a");
  await stage.pass(15_000);
  strictEqual(stage.followed.length, 1, "it may be on its way");
  await stage.pass(15_000);
  deepStrictEqual(stage.followed[1]?.options.from, { sequence: third });
  stage.followed[1]!.tell(third);
  stage.followed[1]!.caughtUp();
  deepStrictEqual(early.words, ["put a 3"]);
});

test("a user who may not follow is told, and nothing is tried again", async () => {
  const { stage, first, early } = await begun();
  const late = await stage.watch();
  const refused = new AegisError("PERMISSION_DENIED", "not allowed");
  stage.followed[1]!.lose(refused);
  strictEqual(late.error, refused);
  strictEqual(early.error, undefined);
  first.tell(stage.put("a"));
  deepStrictEqual(early.words, ["put a 3"]);
  await stage.pass(60_000);
  strictEqual(stage.following.length, 1);
});

test("a list whose messages do not come by themselves asks for them", async () => {
  const { stage } = await begun();
  stage.isSilent = true;
  stage.put("c");
  stage.delete("a");
  const listed = readKeys(stage.bucket, "", { expiresAt: stage.clock.monotonic() + 5_000 });
  await settled();
  await stage.pass(200);
  deepStrictEqual(await listed, ["b", "c"]);
});
