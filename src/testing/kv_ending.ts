// The contract of the KV store, third part: what has a time of its own, or its bucket has one, comes to its end, and once.

import { equal, holds, rejects } from "./contract_tools.ts";
import { type KvStage, onBucket, type TimedKvCase } from "./kv_tools.ts";

/** How long before its time something may have gone, in milliseconds: a bucket goes by the time of day, in whole ones. */
const EARLY_MS = 5;
/** How long after its time something may still be there, in milliseconds. */
const LATE_MS = 1_500;
/** How long after its time an end may be told, in milliseconds: some hundred, and what a busy machine takes. */
const TOLD_MS = 4_000;

/** Whether a key has ended everywhere where it could show. */
async function assertEnded(stage: KvStage, key: string): Promise<void> {
  const { b } = stage;
  equal(await b.get(key), undefined, "what it has");
  equal(await b.exists(key), false, "whether it is there");
  equal((await b.getMany([key])).size, 0, "whether it is there among many");
  equal((await b.keys()).includes(key), false, "whether it is among the keys");
  equal((await b.history(key)).filter(({ operation }) => operation === "put"), [], "what it had");
  equal(await b.delete(key), false, "whether it is there to be deleted");
}

/** Cases of time. */
export const kvEnding: readonly TimedKvCase[] = [
  onBucket("a key with a time of its own ends when it is over, and not before", async (stage) => {
    const { a, b } = stage;
    const told = stage.watch();
    await told.watch.ready;
    for (const ttlMs of [1_000, 1_500, 1_800.5]) {
      const key = `k${ttlMs}`;
      const begin = stage.clock.monotonic();
      await a.put(key, 1, { ttlMs });
      const entry = await b.get(key);
      const gotMs = stage.clock.monotonic() - begin;
      // A busy machine may stand still for as long as that.
      if (entry === undefined) {
        holds(gotMs >= ttlMs - EARLY_MS, `it was gone after ${gotMs} of ${ttlMs} ms`);
      } else equal(entry.expiresAt! - entry.createdAt, Math.ceil(ttlMs), "when it expires");
      await stage.until("it has ended", async () => !await b.exists(key));
      const tookMs = stage.clock.monotonic() - begin;
      holds(
        tookMs >= ttlMs - EARLY_MS && tookMs < ttlMs + LATE_MS,
        `it took ${tookMs} of ${ttlMs} ms`,
      );
      await assertEnded(stage, key);
      await stage.until("it is told", () => told.words.includes(`purge ${key}`));
      const toldMs = stage.clock.monotonic() - begin;
      holds(toldMs < ttlMs + TOLD_MS, `it was told after ${toldMs} of ${ttlMs} ms`);
    }
    const expected = [1_000, 1_500, 1_800.5].flatMap((ms) => [`put k${ms}`, `purge k${ms}`]);
    await stage.pause(2_500); // a server's own word comes up to that much later
    await told.tells(expected, "each end once");
  }),

  onBucket("a put with a time begins it anew, and one without ends it", async (stage) => {
    const { a, b } = stage;
    const told = stage.watch();
    await told.watch.ready;
    await a.putMany({ renewed: 1, kept: 1 }, { ttlMs: 2_500 });
    const begin = stage.clock.monotonic();
    await stage.pause(1_200);
    await b.put("renewed", 2, { ttlMs: 2_500 });
    await b.put("kept", 2);
    await stage.until("it has ended", async () => !await a.exists("renewed"));
    holds(stage.clock.monotonic() - begin >= 3_700 - EARLY_MS, "the time begins anew");
    await stage.until("it is told", () => told.words.includes("purge renewed"));
    await stage.pause(1_500);
    const kept = await a.get("kept");
    equal([kept?.value, kept?.expiresAt], [2, undefined], "what has no time any more");
    await told.tells(
      ["put renewed", "put kept", "put renewed", "put kept", "purge renewed"],
      "what is told",
    );
  }),

  onBucket("what has ended is created and not updated", async (stage) => {
    const { a, b } = stage;
    await a.putMany({ created: 1, updated: 1 }, { ttlMs: 300 });
    await stage.until("both have ended", async () => (await b.keys()).length === 0);
    await rejects("CONFLICT", () => b.put("updated", 2, { updateOnly: true }));
    await b.put("created", 2, { createOnly: true });
    equal(await stage.value("created", a), 2, "what was created");
    await stage.pause(1_500);
    equal(await stage.value("created", a), 2, "what was created stays");
  }),

  ...[1, 5].map((history) =>
    onBucket(
      `what has ended has no revision to match, with a history of ${history}`,
      async (stage) => {
        const { a, b } = stage;
        const ttlMs = 300;
        const [first, second, third] = await Promise.all([
          a.put("first", 1, { ttlMs }),
          a.put("second", 1, { ttlMs }),
          a.put("third", 1, { ttlMs }),
        ]);
        equal((await b.get("third"))?.revision, third, "who has read it in time");
        await stage.pause(ttlMs + 300);
        // Nobody has read it since, and a server that ends keys has them for the whole second.
        await rejects("CONFLICT", () => a.put("first", 2, { revision: first }));
        await rejects("CONFLICT", () => b.put("second", 2, { revision: second }));
        await rejects("CONFLICT", () => b.put("third", 2, { revision: third }));
        for (const kv of [a, b]) {
          equal(await kv.delete("first", { revision: first }), false, "whether it is there");
          equal(await kv.purge("second", { revision: second }), false, "whether it is there");
        }
        equal(await b.keys(), [], "what is there");
        await b.put("third", 2, { createOnly: true });
        equal(await stage.value("third", a), 2, "what was put anew");
      },
      { history },
    )
  ),

  onBucket("as soon as a key has ended one of many creates it", async (stage) => {
    const { a, b } = stage;
    await a.put("lock", -1, { ttlMs: 500 });
    let won = 0;
    const contend = async (kv: typeof a, name: number): Promise<void> => {
      while (won === 0) {
        const isWon = await kv.put("lock", name, { createOnly: true }).then(() => true, (error) => {
          if ((error as Error).name === "ConflictError") return false;
          throw error;
        });
        if (isWon) won++;
        else await stage.pause(5);
      }
    };
    await Promise.all([contend(a, 1), contend(b, 2), contend(a, 3), contend(b, 4)]);
    equal(won, 1, "how many have won");
  }),

  onBucket("with a history what has ended takes its history along", async (stage) => {
    const { a, b } = stage;
    const told = stage.watch();
    await told.watch.ready;
    await a.put("key", 1);
    await a.put("key", 2, { ttlMs: 2_000 });
    equal((await b.history("key")).length, 2, "its history");
    await stage.until("it has ended", async () => !await b.exists("key"));
    await assertEnded(stage, "key");
    await stage.until("it is told", () => told.words.includes("purge key"));
    await stage.pause(2_000);
    await assertEnded(stage, "key");
    await told.tells(["put key", "put key", "purge key"], "what is told");
  }, { history: 5 }),

  onBucket("what a bucket has a time for ends by that", async (stage) => {
    const { a, b } = stage;
    const told = stage.watch();
    await told.watch.ready;
    const begin = stage.clock.monotonic();
    await a.put("short", 1, { ttlMs: 300 });
    await a.put("long", 1);
    const { createdAt, expiresAt } = (await b.get("long"))!;
    equal(expiresAt! - createdAt, 2_000, "when it expires");
    await rejects("RangeError", () => a.put("longer", 1, { ttlMs: 2_001 }));
    await stage.until("it has ended", async () => !await b.exists("long"));
    const tookMs = stage.clock.monotonic() - begin;
    holds(tookMs >= 2_000 - EARLY_MS, `it took ${tookMs} ms`);
    await assertEnded(stage, "long");
    await stage.until("it is told", () => told.words.includes("purge long"));
    await stage.pause(1_500);
    await told.tells(["put short", "put long", "purge short", "purge long"], "each end once");
    equal((await b.status()).keys, 0, "what is left");
  }, { ttlMs: 2_000 }),

  onBucket("who watches later is not told of what has ended before", async (stage) => {
    const { a } = stage;
    await a.put("ended", 1, { ttlMs: 200 });
    await a.put("there", 1);
    await stage.pause(300);
    const told = stage.watch();
    await told.watch.ready;
    await stage.pause(1_500);
    await told.tells(["(put there)"], "what is told");
  }),
];
