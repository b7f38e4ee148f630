// The contract of the KV store, second part: writes on condition, of which one wins.

import type { ConflictError } from "../domain/error.ts";
import { equal, holds, rejects } from "./contract_tools.ts";
import { onBucket, type TimedKvCase } from "./kv_tools.ts";

/** Cases of conditions. */
export const kvWriting: readonly TimedKvCase[] = [
  onBucket("a put at a revision needs the key to have it", async (stage) => {
    const { a, b } = stage;
    const first = await a.put("key", 1);
    const second = await b.put("key", 2, { revision: first });
    const error = await rejects("CONFLICT", () => a.put("key", 3, { revision: first }));
    equal((error as ConflictError).details.key, "key", "whose conflict it is");
    equal(await stage.value("key"), 2, "what is there");
    await a.put("other", 1);
    await a.put("key", 3, { revision: second });
    equal(await stage.value("key"), 3, "what is there");
    await rejects("CONFLICT", () => a.put("never", 1, { revision: 1 }));
    equal(await b.exists("never"), false, "a key that was never there");
  }),

  onBucket("of many writes at one revision one wins", async (stage) => {
    const { a, b } = stage;
    const revision = await a.put("key", -1);
    const writes = Array.from(
      { length: 40 },
      (_, index) => (index % 2 === 0 ? a : b).put("key", index, { revision }),
    );
    const ends = await Promise.allSettled(writes);
    const won = ends.findIndex(({ status }) => status === "fulfilled");
    equal(ends.filter(({ status }) => status === "fulfilled").length, 1, "how many have won");
    equal(await stage.value("key"), won, "whose value is there");
  }),

  onBucket("what may only be created is created where nothing is", async (stage) => {
    const { a, b } = stage;
    for (const options of [{ createOnly: true }, { revision: 0 }]) {
      await a.put("key", 1, options);
      const error = await rejects("CONFLICT", () => b.put("key", 2, options));
      const entry = await a.get("key");
      equal(
        (error as ConflictError).details.revision,
        entry?.revision,
        "the revision that is there",
      );
      equal(entry?.value, 1, "what is there");
      await a.delete("key");
      await b.put("key", 3, options);
      await a.purge("key");
      await b.put("key", 4, options);
      equal(await stage.value("key", a), 4, "what was created over what was removed");
      await b.clear();
    }
  }),

  onBucket("of many that create one key one wins", async (stage) => {
    const { a, b } = stage;
    for (const round of [1, 2]) {
      const ends = await Promise.allSettled(
        Array.from(
          { length: 20 },
          (_, index) => (index % 2 === 0 ? a : b).put("key", index, { createOnly: true }),
        ),
      );
      const won = ends.filter(({ status }) => status === "fulfilled");
      equal(won.length, 1, `how many have won in round ${round}`);
      await a.delete("key");
    }
    equal(await b.exists("key"), false, "what was deleted");
  }),

  onBucket("what may only be updated is updated where something is", async (stage) => {
    const { a, b } = stage;
    await rejects("CONFLICT", () => a.put("key", 1, { updateOnly: true }));
    await a.put("key", 1);
    await b.put("key", 2, { updateOnly: true });
    equal(await stage.value("key"), 2, "what is there");
    // Whoever was faster is no matter, as long as something is there.
    await Promise.all([1, 2, 3, 4].map((n) => (n % 2 ? a : b).put("key", n, { updateOnly: true })));
    await a.delete("key");
    await rejects("CONFLICT", () => b.put("key", 3, { updateOnly: true }));
    equal(await b.exists("key"), false, "what was deleted");
  }),

  onBucket("a removal at a revision needs the key to have it", async (stage) => {
    const { a, b } = stage;
    const first = await a.put("key", 1);
    const second = await a.put("key", 2);
    for (const remove of ["delete", "purge"] as const) {
      await rejects("CONFLICT", () => b[remove]("key", { revision: first }));
    }
    equal(await stage.value("key"), 2, "what is there");
    equal(await b.delete("key", { revision: second }), true, "whether it was there");
    equal(await b.delete("key", { revision: second }), false, "whether it is there still");
  }),

  onBucket("a count by many loses nothing", async (stage) => {
    const { a, b } = stage;
    await a.put("count", 0);
    const add = async (kv: typeof a): Promise<void> => {
      for (;;) {
        const { value, revision } = (await kv.get("count"))!;
        try {
          await kv.put("count", Number(value) + 1, { revision });
          return;
        } catch (error) {
          if ((error as Error).name !== "ConflictError") throw error;
        }
      }
    };
    await Promise.all(Array.from({ length: 20 }, (_, index) => add(index % 2 === 0 ? a : b)));
    equal(await stage.value("count"), 20, "the count");
  }),

  onBucket("what cannot be is said at once", async ({ first, a }) => {
    const bad: readonly [name: string, run: () => Promise<unknown>][] = [
      ["TypeError", () => first.kv("")],
      ["TypeError", () => first.kv("a.b")],
      ["TypeError", () => first.kv("a b")],
      ["RangeError", () => first.kv("a", { history: 0 })],
      ["RangeError", () => first.kv("a", { history: 65 })],
      ["RangeError", () => first.kv("a", { ttlMs: -1 })],
      ["TypeError", () => first.kv("a", { hisotry: 1 } as object)],
      ["TypeError", () => a.get(1 as unknown as string)],
      ["TypeError", () => a.put("half \ud800", 1)],
      ["RangeError", () => a.put("k".repeat(3_001), 1)],
      ["TypeError", () => a.put("a", 1, { createOnly: true, updateOnly: true })],
      ["TypeError", () => a.put("a", 1, { createOnly: true, revision: 1 })],
      ["TypeError", () => a.put("a", 1, { updateOnly: true, revision: 0 })],
      ["RangeError", () => a.put("a", 1, { revision: -1 })],
      ["RangeError", () => a.put("a", 1, { ttlMs: -1 })],
      ["RangeError", () => a.put("a", 1, { timeoutMs: 0 })],
      ["TypeError", () => a.put("a", 1, { ttl: 1 } as object)],
      ["TypeError", () => a.putMany({ a: 1 }, { revision: 1 })],
      ["TypeError", () => a.getMany("abc")],
      ["TypeError", () => a.putMany([["a"]] as unknown as [string, unknown][])],
      ["RangeError", () => a.delete("a", { revision: 0 })],
      ["TypeError", () => a.keys(1 as unknown as string)],
      ["TypeError", async () => await a.watch({ prefix: "a", key: "a" }).next()],
    ];
    for (const [name, run] of bad) await rejects(name, run);
    equal(await a.keys(), [], "what is there");
  }),

  onBucket("a signal ends what waits, and an aborted one begins nothing", async ({ a, b }) => {
    const signal = AbortSignal.abort(new Error("not any more"));
    for (
      const run of [
        () => a.get("a", { signal }),
        () => a.put("a", 1, { signal }),
        () => a.keys("", { signal }),
        () => a.delete("a", { signal }),
      ]
    ) {
      holds((await rejects("Error", run)).message === "not any more", "the reason of the signal");
    }
    equal(await b.exists("a"), false, "what was put");
  }),
];
