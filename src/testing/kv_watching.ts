// The contract of the KV store, fourth part: watches tell what is there and what becomes of it, each change once, in order.

import type { KvChange } from "../ports/kv.ts";
import { equal, holds, rejects } from "./contract_tools.ts";
import { onBucket, type TimedKvCase, type Told } from "./kv_tools.ts";

/** Cases of watches. */
export const kvWatching: readonly TimedKvCase[] = [
  onBucket("a watch tells what is there, then what comes", async (stage) => {
    const { a } = stage;
    await a.putMany({ x: 1, y: 2, z: 3 });
    const changed = await a.put("x", 4);
    await a.delete("z");
    const told = stage.watch();
    await told.watch.ready;
    await told.tells(["(put y)", "(put x)"], "what is there, in the order of revisions");
    equal(told.marks, [2], "when all had been told that was there");
    const { entry, revision } = told.changes[1]!;
    equal([entry?.value, entry?.revision, revision], [4, changed, changed], "what is told");
    await a.put("z", 5);
    await a.delete("y");
    await a.purge("x");
    await a.put("x", 6);
    const words = ["(put y)", "(put x)", "put z", "delete y", "purge x", "put x"];
    await told.tells(words, "what comes");
    equal(told.changes.map(({ entry }) => entry?.value ?? 0), [2, 4, 5, 0, 0, 6], "the values");
    const revisions = told.changes.map(({ revision }) => revision);
    equal(revisions, [...revisions].sort((one, other) => one - other), "the order of revisions");
    equal(told.marks, [2], "how often it was said that all had been told");
  }),

  onBucket("a watch of an empty bucket is ready at once", async (stage) => {
    const told = stage.watch();
    await told.watch.ready;
    await stage.until("it is marked", () => told.marks.length === 1);
    await stage.a.put("x", 1);
    await told.tells(["put x"], "what comes");
  }),

  onBucket("without what is there a watch tells what comes after it is ready", async (stage) => {
    const { a } = stage;
    await a.put("x", 1);
    const one = stage.watch({ initial: false });
    await one.watch.ready;
    const other = stage.watch({ initial: false });
    await other.watch.ready;
    await a.put("y", 2);
    await a.delete("x");
    for (const told of [one, other]) await told.tells(["put y", "delete x"], "what comes");
  }),

  onBucket("a watch tells of one key, or of those that begin with a prefix", async (stage) => {
    const { a } = stage;
    const keys = ["a.b", "a.b.c", "a.bc", "a:b", "a", "b"];
    await a.putMany(keys.map((key) => [key, 1] as const));
    const watches: readonly [Told, readonly string[]][] = [
      [stage.watch({ key: "a.b" }), ["a.b"]],
      [stage.watch({ key: "none" }), []],
      [stage.watch({ prefix: "a.b" }), ["a.b", "a.b.c", "a.bc"]],
      [stage.watch({ prefix: "a." }), ["a.b", "a.b.c", "a.bc"]],
      [stage.watch({ prefix: "a:" }), ["a:b"]],
      [stage.watch({ prefix: "" }), keys],
    ];
    for (const [told] of watches) await told.watch.ready;
    await a.deleteMany(keys);
    for (const [told, of] of watches) {
      const words = [...of.map((key) => `(put ${key})`), ...of.map((key) => `delete ${key}`)];
      await told.tells(words, `what is told of ${of}`);
    }
  }),

  onBucket("any number of watches is told the same, whenever they begin", async (stage) => {
    const { a } = stage;
    const early = [stage.watch(), stage.watch()];
    await a.put("x", 1);
    await stage.until("it is told", () => early.every(({ changes }) => changes.length === 1));
    const later = [stage.watch(), stage.watch(), stage.watch({ prefix: "x" })];
    await Promise.all(later.map(({ watch }) => watch.ready));
    const latest = stage.watch();
    await a.put("y", 2);
    await a.put("x", 3);
    await latest.watch.ready;
    for (const told of early) {
      equal(told.changes[0]!.key, "x", "what is told first");
      await told.tells([told.words[0]!, "put y", "put x"], "what is told early");
    }
    await later[0]!.tells(["(put x)", "put y", "put x"], "what is told later");
    await later[1]!.tells(["(put x)", "put y", "put x"], "what is told later");
    await later[2]!.tells(["(put x)", "put x"], "what is told of one key");
    await latest.told(2);
    await stage.quiet();
    const last = new Map(latest.changes.map(({ key, entry }) => [key, entry?.value]));
    equal([last.get("x"), last.get("y")], [3, 2], "what is told last");
  }),

  onBucket("a watch that begins keeps no change from any other", async (stage) => {
    const { a } = stage;
    const keys = Array.from({ length: 8 }, (_, index) => `k${index}`);
    const all = [stage.watch(), stage.watch({ prefix: "k", initial: false })];
    await Promise.all(all.map(({ watch }) => watch.ready));
    let isOver = false;
    const write = async (): Promise<void> => {
      for (let n = 0; n < 50; n++) await Promise.all(keys.map((key) => a.put(key, n)));
      isOver = true;
    };
    const writing = write();
    for (let n = 0; !isOver; n++) {
      const told = stage.watch(n % 3 === 2 ? { initial: false } : {});
      await told.watch.ready;
      if (n < 12) all.push(told);
      else await told.watch.stop();
    }
    await writing;
    for (const told of all.slice(0, 2)) await told.told(400);
    const ends = (told: Told): number =>
      told.changes.filter(({ entry }) => entry?.value === 49).length;
    // Those that began last may have nothing to tell.
    await stage.until(
      "the last values are told",
      () => all.every((told) => ends(told) % keys.length === 0),
    );
    await stage.quiet();
    for (const told of all) {
      for (const key of keys) {
        const values = told.changes.filter((one) => one.key === key)
          .map(({ entry }) => entry?.value as number);
        const first = values[0] ?? 50;
        const rest = Array.from({ length: 50 - first }, (_, index) => first + index);
        equal(values, rest, `what is told of ${key}`);
      }
    }
  }, { history: 64 }),

  onBucket("who takes slowly is told the last of each key at least, in order", async (stage) => {
    const { a, b } = stage;
    const watch = b.watch();
    await watch.ready;
    await Promise.all(Array.from({ length: 3_000 }, (_, n) => a.put(n % 2 ? "x" : "y", n)));
    await a.delete("y");
    await a.put("end", 1);
    // The other watch has the same feed: when it has been told, so has this one.
    const other = stage.watch();
    await stage.until("the end is told", () => other.changes.some(({ key }) => key === "end"));
    const told: KvChange[] = [];
    while (told.at(-1)?.key !== "end") told.push((await watch.next()).value!);
    const revisions = told.map(({ revision }) => revision);
    equal(revisions, [...revisions].sort((one, other) => one - other), "the order of revisions");
    equal(new Set(revisions).size, revisions.length, "each once");
    equal(told.at(-3)?.entry?.value, 2_999, "the last value");
    equal(told.at(-2)?.operation, "delete", "the end of the other");
    await watch.stop();
  }),

  onBucket("a watch ends by stop, by break, by its signal and with its store", async (stage) => {
    const { a, b, second } = stage;
    await a.put("x", 1);
    const stopped = stage.watch();
    await stopped.watch.ready;
    await stopped.watch.stop();
    await stopped.watch.stop();
    await stopped.over;

    const watch = b.watch();
    for await (const _ of watch) break;
    equal(await watch.next(), { done: true, value: undefined }, "after a break");

    const controller = new AbortController();
    const aborted = stage.watch({ signal: controller.signal });
    await aborted.watch.ready;
    controller.abort(new Error("enough"));
    await aborted.over;

    const never = b.watch({ signal: AbortSignal.abort(new Error("before")) });
    equal(await never.next(), { done: true, value: undefined }, "a signal from before");
    const error = await rejects("Error", () => never.ready);
    equal(error.message, "before", "why it is not ready");

    const waiting = b.watch();
    const next = [waiting.next(), waiting.next(), waiting.next()] as const;
    equal((await next[0]).value?.key, "x", "the first");
    await waiting.stop();
    equal((await next[1]).done && (await next[2]).done, true, "those who wait");

    const open = stage.watch();
    await open.watch.ready;
    const unready = b.watch({ prefix: "other." });
    await second.close();
    await open.over;
    equal(await unready.next(), { done: true, value: undefined }, "after the store was closed");
    await rejects("CLOSED", () => unready.ready);
    await a.put("y", 1);
    holds(!open.words.includes("put y"), "nothing more is told");
  }),

  onBucket("what is there is told whole while it is written", async (stage) => {
    const { a } = stage;
    const keys = Array.from({ length: 500 }, (_, index) => `k${index}`);
    await a.putMany(keys.map((key) => [key, 0] as const));
    let isOver = false;
    const write = async (): Promise<void> => {
      for (let n = 1; !isOver; n++) await a.put(`k${n * 7 % keys.length}`, n);
    };
    const writing = Promise.all([write(), write(), write()]);
    for (let round = 0; round < 5; round++) {
      const listed = await stage.b.keys();
      equal(listed.length, keys.length, "how many keys are listed");
      const told = stage.watch();
      await told.watch.ready;
      const all = (): boolean => new Set(told.changes.map(({ key }) => key)).size === keys.length;
      await stage.until("all are told", all);
      holds(told.changes.every(({ operation }) => operation === "put"), "none is told as removed");
      await told.watch.stop();
    }
    isOver = true;
    await writing;
  }),
];
