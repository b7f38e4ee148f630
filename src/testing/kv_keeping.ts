// The contract of the KV store, first part: what is put is there, under its key, until it is removed.

import { equal, holds, rejects } from "./contract_tools.ts";
import { onBucket, type TimedKvCase } from "./kv_tools.ts";

/** Keys of every kind. */
export const KEYS: readonly string[] = [
  "a",
  "user:123",
  "service-instances__svc__svc-1",
  "a.b.c",
  "a..b",
  ".",
  "",
  " ",
  "*",
  ">",
  "a/b=c",
  "=",
  "user=3A123",
  "Zoë 😀",
  "\u0000\r\n\t",
  "$KV.a",
  "k".repeat(900),
];

const VALUES: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1.5,
  "",
  "text",
  "Zoë 😀 \u0000",
  [],
  {},
  [1, [2, { a: null }]],
  { name: "John", tags: ["a", "b"], nested: { deep: [true] } },
];

/** Cases of keeping and removing. */
export const kvKeeping: readonly TimedKvCase[] = [
  onBucket("what is put is there, with its revision and when it was stored", async (stage) => {
    const { a, b } = stage;
    equal(await b.get("key"), undefined, "a key that was never put");
    equal(await b.exists("key"), false, "whether it is there");
    const revision = await a.put("key", { n: 1 });
    const entry = await b.get("key");
    equal([entry?.key, entry?.value, entry?.revision], ["key", { n: 1 }, revision], "the entry");
    holds(entry!.createdAt > 0 && Number.isInteger(entry!.createdAt), "when it was stored");
    equal(entry!.expiresAt, undefined, "when it expires");
    equal(await b.exists("key"), true, "whether it is there");
    const next = await b.put("key", 2);
    holds(next > revision, "a later revision is higher");
    equal(await stage.value("key", a), 2, "what was put over it");
  }),

  onBucket("every value that the codec knows comes back", async ({ a, b }) => {
    for (const [index, value] of VALUES.entries()) {
      await a.put(`v${index}`, value);
      equal((await b.get(`v${index}`))!.value, value, `value ${index}`);
    }
    for (const value of [undefined, () => 1, Symbol("s")]) {
      await rejects("SERIALIZATION", () => a.put("v", value));
    }
    equal(await b.exists("v"), false, "a value without an encoding");
  }),

  onBucket("every text is a key", async (stage) => {
    const { a, b } = stage;
    for (const key of KEYS) await a.put(key, key);
    for (const key of KEYS) equal(await stage.value(key), key, "what a key has");
    equal(await b.keys(), [...KEYS].sort(), "all keys");
    for (const key of KEYS) {
      const same = KEYS.filter((other) => other.startsWith(key)).sort();
      equal(await b.keys(key), same, `the keys that begin with ${JSON.stringify(key)}`);
    }
    const told = stage.watch();
    await told.watch.ready;
    await stage.until("all are told", () => told.changes.length === KEYS.length);
    equal(told.changes.map(({ key }) => key), KEYS, "what a watch tells");
    for (const key of KEYS) equal(await b.delete(key), true, "whether it was there");
    equal(await a.keys(), [], "what is left");
  }),

  onBucket("keys are sorted, and are those that begin with the prefix", async ({ a, b }) => {
    for (const key of ["b", "a.2", "a", "a.1", "a.1.x", "ab", "a."]) await a.put(key, 1);
    equal(await b.keys(), ["a", "a.", "a.1", "a.1.x", "a.2", "ab", "b"], "all");
    equal(await b.keys("a."), ["a.", "a.1", "a.1.x", "a.2"], "those with a.");
    equal(await b.keys("a.1"), ["a.1", "a.1.x"], "those with a.1");
    equal(await b.keys("a.1."), ["a.1.x"], "those with a.1.");
    equal(await b.keys("c"), [], "those with c");
  }),

  onBucket("what is deleted is gone, and is deleted once", async ({ a, b }) => {
    await a.put("key", 1);
    const both = await Promise.all([a.delete("key"), b.delete("key"), a.delete("key")]);
    equal(both.filter(Boolean).length, 1, "how often it was deleted");
    equal([await a.get("key"), await b.exists("key")], [undefined, false], "what is there");
    equal(await b.keys(), [], "the keys");
    equal(await a.delete("never"), false, "a key that was never there");
    equal(await a.purge("never"), false, "a key that was never there");
    await b.put("key", 2);
    equal((await a.get("key"))?.value, 2, "what is put again");
    equal(await b.purge("key"), true, "whether it was there");
    equal([await a.exists("key"), await a.purge("key")], [false, false], "what is purged");
  }),

  onBucket("as many changes of a key are kept as the history says", async ({ a, b }) => {
    await a.put("other", "x");
    for (const value of [1, 2, 3, 4]) await a.put("key", value);
    equal((await b.history("key")).map(({ value }) => value), [2, 3, 4], "the last three");
    await a.delete("key");
    const history = await b.history("key");
    const words = history.map(({ operation, value }) => [operation, value ?? "nothing"]);
    equal(words, [["put", 3], ["put", 4], ["delete", "nothing"]], "with the deletion");
    const revisions = history.map(({ revision }) => revision);
    equal(revisions, [...revisions].sort((one, other) => one - other), "oldest first");
    equal(history.every(({ key, createdAt }) => key === "key" && createdAt > 0), true, "all");
    equal(await a.purge("key"), true, "whether there was a history to purge");
    const purged = (await b.history("key")).map(({ operation }) => operation);
    equal(purged, ["purge"], "what is left");
    equal((await b.get("other"))?.value, "x", "another key");
    equal(await b.history("never"), [], "of a key that was never there");
  }, { history: 3 }),

  onBucket("many keys are put, got and deleted together", async (stage) => {
    const { a, b } = stage;
    const keys = Array.from({ length: 1_500 }, (_, index) => `many:${index}`);
    const put = await a.putMany(keys.map((key, index) => [key, index] as const));
    equal([...put.keys()], keys, "whose outcomes there are");
    holds([...put.values()].every(({ ok }) => ok), "all were put");
    const got = await b.getMany([...keys, "many:none"]);
    equal(got.size, keys.length, "how many there are");
    const [first] = put.values();
    equal(got.get("many:0")?.revision, first?.ok && first.revision, "the revision of the first");
    equal(got.get("many:1499")?.value, 1_499, "the value of the last");
    const deleted = await b.deleteMany(["many:1", "many:none", "many:2", "many:1"]);
    equal([...deleted.keys()], ["many:1", "many:none", "many:2"], "whose outcomes there are");
    equal(
      [...deleted.values()].map((outcome) => outcome.ok && outcome.revision > 0),
      [true, false, true],
      "what was deleted",
    );
    equal((await a.keys("many:")).length, keys.length - 2, "how many are left");
  }),

  onBucket("of many each has an outcome of its own", async ({ a, b }) => {
    await a.put("there", 1);
    const outcomes = await b.putMany(
      { there: 2, fine: 3, broken: undefined },
      { createOnly: true },
    );
    const words = [...outcomes].map(([key, outcome]) =>
      `${key} ${outcome.ok ? "ok" : (outcome.error as { code?: string }).code}`
    );
    equal(words, ["there CONFLICT", "fine ok", "broken SERIALIZATION"], "what became of each");
    const twice = await b.putMany([["same", 1], ["same", 2]]);
    equal([twice.size, (await a.get("same"))?.value], [1, 2], "of one key the last");
    equal((await b.putMany({})).size + (await b.deleteMany([])).size, 0, "nothing at all");
    equal((await b.getMany([])).size, 0, "nothing at all");
  }),

  onBucket("what is cleared is what begins with the prefix", async (stage) => {
    const { a, b } = stage;
    await a.putMany({ "tmp:1": 1, "tmp:2": 2, "tmp": 3, "other": 4 });
    await a.delete("tmp:2");
    const told = stage.watch({ initial: false });
    await told.watch.ready;
    equal(await b.clear("tmp:"), 1, "how many had a value");
    equal(await a.keys(), ["other", "tmp"], "what is left");
    equal(await b.clear(), 2, "all others");
    equal(await a.keys(), [], "what is left");
    equal(await a.clear(), 0, "nothing");
    await told.tells(["purge tmp:1", "purge other", "purge tmp"], "what a watch is told");
  }),

  onBucket("what is cleared leaves no history, of keys deleted before neither", async (stage) => {
    const { a, b } = stage;
    for (const key of ["tmp:1", "tmp:2", "kept"]) {
      await a.put(key, 1);
      await a.put(key, 2);
      await a.delete(key);
    }
    await a.put("tmp:1", 3);
    equal(await b.clear("tmp:"), 1, "how many had a value");
    for (const key of ["tmp:1", "tmp:2"]) {
      const values = (await b.history(key)).filter(({ operation }) => operation === "put");
      equal(values, [], `what is left of ${key}`);
    }
    equal((await b.history("kept")).length, 3, "what is left of another key");
    equal(await b.clear("tmp:"), 0, "how many had a value");
  }, { history: 5 }),

  onBucket("the status says what a bucket is and holds", async ({ a, b }) => {
    await a.putMany({ a: 1, b: 2, c: 3 });
    await a.put("a", 2);
    await a.delete("b");
    const { bucket, keys, values, history, ttlMs, storage, replicas, bytes, expiry } = await b
      .status();
    equal([bucket, keys, values], [a.bucket, 2, 5], "its name, keys and values");
    equal([history, ttlMs, storage, replicas], [4, 60_000, "memory", 1], "its settings");
    holds(bytes > 0, "how many bytes it takes");
    equal(expiry, "client", "who ends keys where more than one value is kept");
  }, { history: 4, ttlMs: 60_000 }),
];
