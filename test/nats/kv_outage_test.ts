// The KV store over outages of a real server: killed, restarted, standing still, out of reach, and with its data lost.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { rm } from "node:fs/promises";
import { test } from "node:test";
import { AegisError, type Bus, connect, type Kv } from "../../mod.ts";
import { type NatsServer, startNatsServer } from "../../tools/nats_server.ts";
import { errorOf } from "../app/buses.ts";
import { revisionsGoBack, tell, toolsOf } from "./kv_tools.ts";
import { logger, pause, until, wayTo } from "./outage_tools.ts";

interface Stage {
  readonly server: NatsServer;
  readonly bus: Bus;
  readonly kv: Kv<number>;
  /** The same bucket over another connection. */
  readonly other: Kv<number>;
}

async function staged(run: (stage: Stage) => Promise<void>): Promise<void> {
  await using server = await startNatsServer();
  await using bus = await connect({ servers: server.url, logger });
  await using two = await connect({ servers: server.url, logger });
  const kv = await bus.kv<number>("outage");
  await run({ server, bus, kv, other: await two.kv<number>("outage") });
}

test("a watch goes on after the server was killed and started again, and misses nothing", () =>
  staged(async ({ server, kv, other }) => {
    await other.putMany({ a: 1, b: 1, c: 1 });
    const told = tell(kv);
    await told.watch.ready;
    await until("what was there is told", () => told.changes.length === 3);
    await server.kill();
    const waiting = Promise.all([
      other.put("a", 2, { timeoutMs: 20_000 }),
      other.delete("b", { timeoutMs: 20_000 }),
      other.put("d", 1, { timeoutMs: 20_000 }),
    ]);
    await server.restart();
    await waiting;
    await until("all is told", () => told.changes.length >= 6, 20_000);
    await other.put("e", 1);
    await until("what comes after it is told", () => told.view.has("e"));
    deepStrictEqual([...told.view].sort(), [["a", 2], ["c", 1], ["d", 1], ["e", 1]]);
    strictEqual(told.changes.length, 7, told.words().join());
    deepStrictEqual(revisionsGoBack(told.changes), []);
  }));

test("writes wait for a server that was killed, and are stored once", () =>
  staged(async ({ server, kv, other }) => {
    const revision = await kv.put("counted", 0);
    const told = tell(other);
    await told.watch.ready;
    await server.kill();
    const waiting = Promise.all([
      kv.put("plain", 1, { timeoutMs: 20_000 }),
      kv.put("counted", 1, { revision, timeoutMs: 20_000 }),
      kv.put("created", 1, { createOnly: true, timeoutMs: 20_000 }),
      kv.get("counted", { timeoutMs: 20_000 }),
      kv.keys("", { timeoutMs: 20_000 }),
    ]);
    await server.restart();
    await waiting;
    await until("all are told", () => told.view.size === 3, 20_000);
    await pause(300);
    deepStrictEqual([...told.view].sort(), [["counted", 1], ["created", 1], ["plain", 1]]);
    strictEqual((await kv.status()).values, 3);
    strictEqual((await other.history("plain")).length, 1);
  }));

test("a write whose answer is lost while the server stands still is stored once, and no conflict", () =>
  staged(async ({ server, kv, other }) => {
    await using tools = await toolsOf(server.url);
    const revision = await kv.put("counted", 0);
    const before = (await tools.manager.streams.info("KV_outage")).state.last_seq;
    await server.suspend();
    const waiting = Promise.all([
      kv.put("plain", 1, { timeoutMs: 15_000 }),
      kv.put("counted", 1, { revision, timeoutMs: 15_000 }),
      kv.put("created", 1, { createOnly: true, timeoutMs: 15_000 }),
    ]);
    await pause(5_000); // longer than two attempts
    server.resume();
    const [plain, counted, created] = await waiting;
    ok(counted > revision);
    strictEqual((await other.get("plain"))?.revision, plain);
    strictEqual((await other.get("created"))?.revision, created);
    const after = (await tools.manager.streams.info("KV_outage")).state.last_seq;
    strictEqual(after - before, 3, "messages of three writes");
  }));

test("while the server is away a write says so when its time is over", () =>
  staged(async ({ server, bus, kv }) => {
    await kv.put("a", 1);
    await server.kill();
    const errors = [kv.put("a", 2, { timeoutMs: 300 }), kv.get("a", { timeoutMs: 300 })].map(
      errorOf,
    );
    ok(!`${await errors[1]}`.includes("may be"), `a reading stores nothing: ${await errors[1]}`);
    for (const error of await Promise.all(errors)) {
      ok(
        AegisError.is(error, "SERVICE_UNAVAILABLE") || AegisError.is(error, "TIMEOUT"),
        `${error}`,
      );
      ok((error as Error).message.includes('"a"'), `${error}`);
    }
    const reason = new Error("not any more");
    const aborted = new AbortController();
    const waiting = errorOf(kv.put("a", 3, { signal: aborted.signal, timeoutMs: 60_000 }));
    await pause(50);
    aborted.abort(reason);
    strictEqual(await waiting, reason);
    const opening = errorOf(bus.kv("new", { signal: aborted.signal }));
    strictEqual(await opening, reason);
    const ended = new AbortController();
    const waits = errorOf(bus.kv("new", { signal: ended.signal, timeoutMs: 60_000 }));
    ended.abort(reason);
    strictEqual(await waits, reason);
    ok(AegisError.is(await errorOf(bus.kv("new", { timeoutMs: 300 })), "SERVICE_UNAVAILABLE"));
    await server.restart();
    await bus.kv("new", { timeoutMs: 20_000 });
  }));

test("a watch that is cut off is told what has changed and what has gone meanwhile", async () => {
  await using server = await startNatsServer();
  await using way = await wayTo(server);
  await using bus = await connect({ servers: way.url, logger });
  await using two = await connect({ servers: server.url, logger });
  const kv = await bus.kv<number>("outage", { history: 3 });
  const other = await two.kv<number>("outage");
  await other.putMany({ kept: 1, changed: 1, deleted: 1, purged: 1, vanished: 1, again: 1 });
  const told = tell(kv);
  const narrow = tell(kv, { key: "vanished" });
  await Promise.all([told.watch.ready, narrow.watch.ready]);
  await until("what was there is told", () => told.changes.length === 6);
  await way.cut();
  await other.put("changed", 2);
  await other.delete("deleted");
  await other.purge("purged");
  await other.delete("again");
  await other.put("again", 1);
  await other.put("again", 2);
  await other.put("new", 1);
  // Nothing of it is left, not even a word that it was removed.
  await using tools = await toolsOf(server.url);
  await tools.manager.streams.purge("KV_outage", { filter: "$KV.outage.vanished" });
  await way.mend();
  await until("all is told", () => told.view.size === 4 && !told.view.has("vanished"), 20_000);
  await until("it is told to the other", () => narrow.view.size === 0, 20_000);
  await pause(300);
  deepStrictEqual([...told.view].sort(), [["again", 2], ["changed", 2], ["kept", 1], ["new", 1]]);
  deepStrictEqual(narrow.words(), ["put vanished", "purge vanished"]);
  const later = told.words().slice(6).sort();
  const gone = ["delete deleted", "purge purged", "purge vanished"];
  // Every change that the bucket has kept, and not the last of each key alone.
  const again = ["delete again", "put again", "put again"];
  deepStrictEqual(later, [...gone, ...again, "put changed", "put new"].sort());
  deepStrictEqual(revisionsGoBack(told.changes), []);
});

test("a server that stands still is followed again, and nothing is told twice", () =>
  staged(async ({ server, kv, other }) => {
    await other.putMany({ a: 1, b: 1 });
    const told = tell(kv);
    await told.watch.ready;
    await server.suspend();
    const waiting = other.put("a", 2, { timeoutMs: 20_000 });
    await pause(6_000); // longer than a watch goes without a word
    server.resume();
    await waiting;
    await until("the change is told", () => told.view.get("a") === 2, 20_000);
    await pause(1_000);
    deepStrictEqual(told.words(), ["put a", "put b", "put a"]);
  }));

test("a bucket that was removed and made anew: what is gone is told, and revisions begin again", () =>
  staged(async ({ server, kv, other }) => {
    await other.putMany({ a: 1, b: 1, c: 1 });
    const told = tell(kv);
    await told.watch.ready;
    await until("what was there is told", () => told.changes.length === 3);
    await using tools = await toolsOf(server.url);
    await tools.manager.streams.delete("KV_outage");
    await other.put("b", 2, { timeoutMs: 20_000 });
    await until("all is told", () => told.view.size === 1 && told.view.get("b") === 2, 20_000);
    deepStrictEqual(told.words().slice(3, 6).sort(), ["purge a", "purge b", "purge c"]);
    strictEqual(told.changes.at(-1)?.revision, 1);
    await other.put("a", 3);
    await until("what comes after it is told", () => told.view.get("a") === 3);
  }));

test("a server that lost its data: the bucket is made again, and watches go on", () =>
  staged(async ({ server, kv, other }) => {
    await other.putMany({ a: 1, b: 1 });
    const told = tell(kv);
    await told.watch.ready;
    await server.kill();
    await rm(server.storeDir, { recursive: true, force: true });
    await server.restart();
    strictEqual(await kv.get("a", { timeoutMs: 20_000 }), undefined);
    await until("what is gone is told", () => told.view.size === 0, 20_000);
    await other.put("a", 2, { timeoutMs: 20_000 });
    await until("what comes is told", () => told.view.get("a") === 2, 20_000);
    deepStrictEqual((await kv.status()).history, 1);
  }));

test("a consumer that the server has lost is made again", () =>
  staged(async ({ server, kv, other }) => {
    await other.put("a", 1);
    const told = tell(kv);
    await told.watch.ready;
    await using tools = await toolsOf(server.url);
    const { consumers } = tools.manager;
    for (const { name } of await consumers.list("KV_outage").next()) {
      await consumers.delete("KV_outage", name);
    }
    await other.put("a", 2);
    await until("the change is told", () => told.view.get("a") === 2, 20_000);
    await other.put("a", 3);
    await until("the next is told", () => told.view.get("a") === 3, 20_000);
    deepStrictEqual(told.words(), ["put a", "put a", "put a"]);
  }));

test("what the tools of NATS purge is told to a watch that is not cut off", () =>
  staged(async ({ server, kv, other }) => {
    await other.putMany({ a: 1, b: 1, c: 1 });
    const told = tell(kv);
    await told.watch.ready;
    await using tools = await toolsOf(server.url);
    await tools.manager.streams.purge("KV_outage");
    await other.put("b", 2);
    await until("what is gone is told", () => told.view.size === 1, 30_000);
    deepStrictEqual([...told.view], [["b", 2]]);
  }));

test("a key that ends while a watch is cut off is told as purged when it is back", async () => {
  await using server = await startNatsServer();
  await using way = await wayTo(server);
  await using bus = await connect({ servers: way.url, logger });
  await using two = await connect({ servers: server.url, logger });
  const kv = await bus.kv<number>("outage");
  const other = await two.kv<number>("outage");
  await other.putMany({ ended: 1, renewed: 1 }, { ttlMs: 1_000 });
  const told = tell(kv);
  await told.watch.ready;
  await until("what was there is told", () => told.changes.length === 2);
  await way.cut();
  for (let round = 0; round < 6; round++) {
    await other.put("renewed", 1, { ttlMs: 1_000 });
    await pause(300);
  }
  await other.put("renewed", 2);
  await way.mend();
  await until(
    "both are told",
    () => told.view.size === 1 && told.view.get("renewed") === 2,
    20_000,
  );
  await pause(2_500);
  const words = told.words();
  deepStrictEqual(words.filter((word) => word.startsWith("purge")), ["purge ended"]);
});
