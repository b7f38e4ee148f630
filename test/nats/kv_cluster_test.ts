// The KV store in a cluster of three: the server that leads a bucket is killed, and no write counts twice or is lost.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { type Bus, ConflictError, connect, type Kv, TimeoutError } from "../../mod.ts";
import { type NatsCluster, startNatsCluster } from "../../tools/nats_server.ts";
import { streamLeader } from "./cluster_tools.ts";
import { revisionsGoBack, tell } from "./kv_tools.ts";
import { logger, pause, until } from "./outage_tools.ts";

/** How often each counts: what is counted until a lost watch is found must fit into the history. */
const COUNT_MS = 300;
const PATIENCE = { timeoutMs: 60_000 };

/** Kills the server that leads the bucket, and starts it again. */
async function killLeader(cluster: NatsCluster): Promise<void> {
  const leader = await streamLeader(cluster, "KV_shared");
  await leader.kill();
  await pause(500);
  await leader.restart();
  await cluster.ready();
}

/** Does something over and over until it is told to end. */
function over(work: (number: number) => Promise<unknown>, everyMs = 2): { end(): Promise<void> } {
  let isOpen = true;
  const working = (async () => {
    for (let number = 0; isOpen; number++) {
      await work(number);
      await pause(everyMs);
    }
  })();
  return {
    end() {
      isOpen = false;
      return working;
    },
  };
}

/** Counts up a key, by what it has; resolves when that is certain. */
async function countUp(kv: Kv<number>, outcomes: { sure: number; unsure: number }): Promise<void> {
  const { value, revision } = (await kv.get("count", PATIENCE))!;
  try {
    await kv.put("count", value + 1, { revision, ...PATIENCE });
    outcomes.sure++;
  } catch (error) {
    if (TimeoutError.is(error)) outcomes.unsure++;
    else if (!ConflictError.is(error)) throw error;
  }
}

test("the server that leads a bucket is killed: writes wait, count once, and watches are told all", async () => {
  await using cluster = await startNatsCluster();
  const buses: Bus[] = [];
  for (const url of cluster.urls) {
    // Each is on a server of its own as long as that is there.
    const servers = [url, ...cluster.urls.filter((other) => other !== url)];
    buses.push(await connect({ servers, logger }));
  }
  try {
    const kvs: Kv<number>[] = [];
    for (const bus of buses) {
      kvs.push(await bus.kv<number>("shared", { history: 64, replicas: 3 }));
    }
    await kvs[0]!.put("count", 0, PATIENCE);
    const tolds = kvs.map((kv) => tell(kv));
    await Promise.all(tolds.map(({ watch }) => watch.ready));

    const stored = new Map<string, number>();
    const created = new Map<string, number>();
    const outcomes = { sure: 0, unsure: 0 };
    const working = kvs.flatMap((kv, writer) => [
      over(async (number) => {
        const key = `w.${writer}.${number}`;
        stored.set(key, await kv.put(key, number, PATIENCE));
      }),
      over(() => countUp(kv, outcomes), COUNT_MS),
      over(async (number) => {
        const key = `c.${number}`;
        try {
          await kv.put(key, writer, { createOnly: true, ...PATIENCE });
          created.set(key, (created.get(key) ?? 0) + 1);
        } catch (error) {
          if (!ConflictError.is(error)) throw error;
        }
      }),
    ]);
    await until("there is something", () => stored.size > 30 && outcomes.sure > 5, 60_000);
    await killLeader(cluster);
    const { size } = stored;
    await until("writes go on", () => stored.size > size + 30, 60_000);
    await Promise.all(working.map(({ end }) => end()));

    const keys = await kvs[1]!.keys("", PATIENCE);
    strictEqual(keys.filter((key) => key.startsWith("w.")).length, stored.size);
    for (const [key, revision] of stored) {
      strictEqual((await kvs[2]!.get(key, PATIENCE))?.revision, revision, key);
    }
    // Of three that would create it one has.
    ok([...created.values()].every((count) => count === 1), `${[...created]}`);
    deepStrictEqual([...created.keys()].sort(), keys.filter((key) => key.startsWith("c.")));
    const count = (await kvs[0]!.get("count", PATIENCE))!.value;
    const { sure, unsure } = outcomes;
    ok(count >= sure && count <= sure + unsure, `${count} of ${sure} and ${unsure}`);

    await kvs[0]!.put("end", 1, PATIENCE);
    await until("all is told", () => tolds.every(({ view }) => view.has("end")), 60_000);
    for (const { view, changes } of tolds) {
      deepStrictEqual([...view.keys()].sort(), [...keys, "end"].sort());
      strictEqual(view.get("count"), count);
      deepStrictEqual(revisionsGoBack(changes), []);
      const revisions = changes.map(({ revision }) => revision);
      strictEqual(new Set(revisions).size, revisions.length, "each change once");
      // The bucket keeps all of them, so that none is missing.
      const counts = changes.filter(({ key }) => key === "count").map(({ entry }) => entry!.value);
      deepStrictEqual(counts, Array.from({ length: count + 1 }, (_, number) => number));
    }
  } finally {
    await Promise.all(buses.map((bus) => bus.close()));
  }
});
