// Clocks that are wrong: what has a time of its own ends when the broker's clock says so, whatever anybody else's says.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { type Clock, connect, createLogger, type Kv } from "../../mod.ts";
import { createMemoryTransport, MemoryBroker } from "../../testing.ts";
import { SYSTEM_CLOCK } from "../../src/adapters/memory/broker_clock.ts";
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

for (const [what, ms] of [["back", -HOUR_MS], ["on", HOUR_MS]] as const) {
  test(`what is kept alive outlasts a broker's clock that is set ${what} by an hour, and ends in its time`, async () => {
    const clock = { ...SYSTEM_CLOCK, offset: 0, now: () => Date.now() + clock.offset };
    const broker = new MemoryBroker(clock);
    const open = () => connect({ transport: createMemoryTransport(broker), logger });
    await using writer = await open();
    await using reader = await open();
    const kv = await writer.kv("clocks"), seen = await reader.kv("clocks");
    const ttlMs = 2_400;
    const told: string[] = [];
    const watch = seen.watch();
    void (async () => {
      for await (const { operation, key } of watch) told.push(`${operation} ${key}`);
    })();
    await watch.ready;
    await using late = await open();
    const others = await late.kv("clocks");
    strictEqual(await others.get("alive"), undefined);
    let beats = 0;
    const beat = async (count: number) => {
      for (let n = 0; n < count; n++) {
        await kv.put("alive", ++beats, { ttlMs });
        await new Promise((resolve) => setTimeout(resolve, ttlMs / 4));
        deepStrictEqual((await others.get("alive"))?.value, beats, "who reads alone");
      }
    };
    await beat(2);
    await kv.put("left", 1, { ttlMs });
    clock.offset = ms;
    const setAt = performance.now();
    await beat(8);
    deepStrictEqual(told.filter((change) => change !== "purge left"), [
      "put alive",
      "put alive",
      "put left",
      ...Array(8).fill("put alive"),
    ]);
    // What nobody keeps alive has gone when its time was over.
    ok(told.includes("purge left"), told.join(", "));
    ok(performance.now() - setAt >= ttlMs);
    const stoppedAt = performance.now();
    await until(() => told.at(-1) === "purge alive");
    ok(performance.now() - stoppedAt < ttlMs + 2_000);
    strictEqual(await others.get("alive"), undefined);
  });
}
