// Watches under whatever comes: writers, ends, purges behind their backs, cuts; what they have told is what is there.

import { deepStrictEqual, ok } from "node:assert/strict";
import { test } from "node:test";
import { connect, createLogger, type Kv, type KvChange, type KvWatch } from "../../mod.ts";
import { createMemoryTransport, MemoryBroker } from "../../testing.ts";
import { until } from "./buses.ts";

const logger = createLogger({ level: "silent" });
const KEYS = ["a", "a.1", "a.2", "b:1", "b:2", "c"];
const PREFIXES = ["", "a", "a.", "b:"];

/** Numbers that are the same for the same seed. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32;
    return Math.floor(state / 2 ** 32 * below);
  };
}

/** What a watch has told. */
class Witness {
  readonly prefix: string;
  readonly watch: KvWatch;
  readonly view = new Map<string, unknown>();
  readonly faults: string[] = [];
  readonly #last = new Map<string, KvChange>();

  constructor(kv: Kv, prefix: string) {
    this.prefix = prefix;
    this.watch = kv.watch({ prefix });
    void this.#listen();
  }

  async #listen(): Promise<void> {
    for await (const change of this.watch) {
      const { operation, key, revision, entry } = change;
      const last = this.#last.get(key);
      const what = `${operation} ${key} ${revision} after ${last?.operation} ${last?.revision}`;
      if (!key.startsWith(this.prefix)) this.faults.push(`not asked for: ${what}`);
      if (revision < (last?.revision ?? 0)) this.faults.push(`goes back: ${what}`);
      // A key that has vanished has no other revision than that of its last value.
      const isSame = operation === "put" || last?.operation !== "put";
      if (revision === last?.revision && isSame) this.faults.push(`again: ${what}`);
      this.#last.set(key, change);
      if (entry === undefined) this.view.delete(key);
      else this.view.set(key, entry.value);
    }
  }
}

async function chaos(seed: number, history: number): Promise<void> {
  const below = numbers(seed);
  const broker = new MemoryBroker();
  await using writers = await connect({ transport: createMemoryTransport(broker), logger });
  const line = createMemoryTransport(broker);
  await using watchers = await connect({ transport: line, logger });
  const kv = await writers.kv("chaos", { history });
  const seen = await watchers.kv("chaos");
  const { view } = createMemoryTransport(broker).streams!;
  const witnesses = PREFIXES.map((prefix) => new Witness(seen, prefix));
  const key = (): string => KEYS[below(KEYS.length)]!;
  let isCut = false;
  for (let step = 0; step < 300; step++) {
    const what = below(20);
    if (what < 8) await kv.put(key(), step);
    else if (what < 10) await kv.put(key(), step, { ttlMs: 1 + below(60) });
    else if (what < 12) await kv.delete(key());
    else if (what === 12) await kv.purge(key());
    else if (what === 13) await kv.put(key(), step, { createOnly: true }).catch(() => undefined);
    else if (what === 14) witnesses.push(new Witness(seen, PREFIXES[below(PREFIXES.length)]!));
    else if (what === 15 && witnesses.length > PREFIXES.length) await witnesses.pop()!.watch.stop();
    else if (what === 16 || what === 17) {
      isCut = !isCut;
      if (isCut) line.disconnect();
      else line.reconnect();
    } else if (what === 18 && isCut) {
      // Behind the back of all: nothing says that it is gone.
      await view!.purge("KV_chaos", { filter: `$KV.chaos.${["a", "a.1", "c"][below(3)]}` });
    } else await new Promise((resolve) => setTimeout(resolve, below(12)));
  }
  if (isCut) line.reconnect();
  await kv.put("end", 0);
  const there = async (): Promise<Map<string, unknown>> =>
    new Map([...await kv.getMany([...KEYS, "end"])].map(([key, { value }]) => [key, value]));
  const isSame = (view: Map<string, unknown>, is: Map<string, unknown>, prefix: string): boolean =>
    JSON.stringify([...view].sort()) ===
      JSON.stringify([...is].filter(([key]) => key.startsWith(prefix)).sort());
  let is = await there();
  let isTold = false;
  await until(async () => {
    is = await there();
    return isTold = witnesses.every(({ view, prefix }) => isSame(view, is, prefix));
  }).catch(() => {});
  for (const { view, prefix, faults } of witnesses) {
    deepStrictEqual(faults, [], `seed ${seed}, prefix "${prefix}"`);
    const words = `${JSON.stringify([...view])} is ${JSON.stringify([...is])}`;
    ok(isTold || isSame(view, is, prefix), `seed ${seed}, prefix "${prefix}": ${words}`);
  }
}

for (const history of [1, 3]) {
  test(`watches have told what is there, whatever came, history ${history}`, async () => {
    for (let seed = 1; seed <= 24; seed += 8) {
      await Promise.all(
        Array.from({ length: 8 }, (_, index) => chaos(seed + index + history * 1_000, history)),
      );
    }
  });
}
