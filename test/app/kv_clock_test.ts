// Clocks that are wrong: what has a time of its own ends when the broker's clock says so, whatever anybody else's says.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { type Clock, createLogger, type Kv } from "../../mod.ts";
import { createClock } from "../../src/adapters/system/clock.ts";
import { bothStreams, type Buses, until } from "./buses.ts";

const HOUR_MS = 3_600_000;
const logger = createLogger({ level: "silent" });

/** The system's clock with another time of day. */
function wrongBy(ms: number): Clock {
  const clock = createClock();
  return {
    now: () => clock.now() + ms,
    timestamp: () => new Date(clock.now() + ms).toISOString(),
    monotonic: () => clock.monotonic() + Math.abs(ms),
    setTimer: (delayMs, callback) => clock.setTimer(delayMs, callback),
  };
}

async function wrong(buses: Buses, ms: number, history: number): Promise<Kv> {
  const bus = await buses.open({ clock: wrongBy(ms), logger });
  return await bus.kv("clocks", { history });
}

for (const history of [1, 2]) {
  bothStreams(
    `a clock that is wrong by an hour ends nothing too early or late, history ${history}`,
    async (buses) => {
      const right = await buses.client.kv("clocks", { history });
      const ahead = await wrong(buses, HOUR_MS, history);
      const behind = await wrong(buses, -HOUR_MS, history);
      const all = [right, ahead, behind];
      const told: string[] = [];
      const watches = all.map((kv) => kv.watch());
      for (const [index, watch] of watches.entries()) {
        void (async () => {
          for await (const { operation, key } of watch) told.push(`${index} ${operation} ${key}`);
        })();
        await watch.ready;
      }
      const begin = performance.now();
      for (const [index, kv] of all.entries()) {
        await kv.put(`k${index}`, index, { ttlMs: 700 });
      }
      for (const kv of all) {
        const entries = await kv.getMany(["k0", "k1", "k2"]);
        strictEqual(entries.size, 3);
        for (const { createdAt, expiresAt } of entries.values()) {
          strictEqual(expiresAt! - createdAt, 700);
          ok(Math.abs(createdAt - Date.now()) < 60_000, "the broker's time");
        }
        strictEqual((await kv.keys()).length, 3);
      }
      for (const kv of all) {
        await until(async () => (await kv.getMany(["k0", "k1", "k2"])).size === 0);
        deepStrictEqual(await kv.keys(), []);
      }
      const tookMs = performance.now() - begin;
      ok(tookMs >= 700 && tookMs < 2_500, `${tookMs} ms`);
      await until(() => told.length >= 18);
      const expected = [0, 1, 2].flatMap((index) =>
        [0, 1, 2].flatMap((key) => [`${index} put k${key}`, `${index} purge k${key}`])
      );
      deepStrictEqual(told.sort(), expected.sort());
      await ahead.put("k0", 1, { createOnly: true });
      await behind.put("k1", 1, { createOnly: true });
      strictEqual((await right.getMany(["k0", "k1"])).size, 2);
    },
  );
}
