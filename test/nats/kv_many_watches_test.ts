// Many watches of many keys: one look of the server for all, whenever they begin, and one message for each change.

import { ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { connect, type Kv } from "../../mod.ts";
import { startNatsServer } from "../../tools/nats_server.ts";
import { toolsOf } from "./kv_tools.ts";
import { lossyWay } from "./lossy_way.ts";
import { logger, until } from "./outage_tools.ts";

const KEYS = 10_000;
/** How many messages there may be beside those with keys: requests, and heartbeats of the server. */
const BESIDE = 300;

/** Watches without keeping what is told. */
class Count {
  told = 0;
  initial = 0;
  readonly ready: Promise<void>;

  constructor(kv: Kv) {
    const watch = kv.watch();
    this.ready = watch.ready;
    void (async () => {
      for await (const { initial } of watch) initial ? this.initial++ : this.told++;
    })();
  }
}

test("100 watches of 10,000 keys cost one consumer, and each list and change comes once for all", async () => {
  await using server = await startNatsServer();
  await using way = await lossyWay(server);
  await using bus = await connect({ servers: way.url, logger });
  await using two = await connect({ servers: server.url, logger });
  await using tools = await toolsOf(server.url);
  const other = await two.kv("many");
  const keys = Array.from({ length: KEYS }, (_, number) => [`key:${number}`, number] as const);
  for (const { ok: isStored } of (await other.putMany(keys, { timeoutMs: 60_000 })).values()) {
    ok(isStored);
  }
  const kv = await bus.kv("many");
  const watches: Count[] = [];
  for (const count of [50, 49, 1]) {
    const before = way.messages;
    const begun = Array.from({ length: count }, () => new Count(kv));
    watches.push(...begun);
    await Promise.all(begun.map(({ ready }) => ready));
    await until("all keys are told", () => begun.every(({ initial }) => initial === KEYS), 60_000);
    const messages = way.messages - before;
    // Once for all, and not for each; a list that is cut off on a busy machine is begun anew.
    ok(messages < 3 * KEYS + BESIDE, `${messages} messages for ${count} watches`);
  }
  await until("one consumer is left", async () => {
    return (await tools.manager.streams.info("KV_many")).state.consumer_count === 1;
  }, 30_000);
  const before = way.messages;
  await other.putMany(keys.slice(0, 100));
  await until("each change is told to all", () => watches.every(({ told }) => told === 100));
  const messages = way.messages - before;
  ok(messages < 100 + BESIDE, `${messages} messages for 100 changes`);
  strictEqual(watches.filter(({ initial }) => initial !== KEYS).length, 0);
});
