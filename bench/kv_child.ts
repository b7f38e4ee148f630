// A process that works with a bucket on any runtime, by @nats-io/kv or by this SDK, and does as it is told.

import process from "node:process";
import { jetstreamManager } from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import { connect as connectBare } from "@nats-io/transport-node";
import { connect } from "../mod.ts";
import { BUCKETS, keyOf, type KvMeasured, type KvOrder, valueOf, WATCHES } from "./kv_contract.ts";
import { logger, memory, serveOrders } from "./orders.ts";

/** A bucket, whoever it is by. */
interface Bucket {
  readonly put: (key: string, value: unknown) => Promise<unknown>;
  readonly get: (key: string) => Promise<unknown>;
  readonly batch: (numbers: readonly number[]) => Promise<void>;
  /** Watches all keys; resolves when `count` have been told. */
  readonly watch: (count: number) => Promise<Watched>;
  /** Whether many watches may begin together. A server ends a connection that has 64 MB to read. */
  readonly together: boolean;
}

/** A watch that has been told all that was there. */
interface Watched {
  /** Resolves when one more change is told. */
  readonly another: () => Promise<void>;
  readonly end: () => Promise<void>;
}

/** Takes from a watch; resolves when `count` have come. */
async function take(
  watch: AsyncIterable<{ json?(): unknown }>,
  count: number,
  end: () => Promise<void>,
): Promise<Watched> {
  let seen = 0;
  let goal = count;
  let reached = (): void => {};
  void (async () => {
    for await (const entry of watch) {
      entry.json?.();
      if (++seen === goal) reached();
    }
  })();
  const reach = (upTo: number): Promise<void> => {
    goal = upTo;
    return new Promise((resolve) => {
      reached = resolve;
      if (seen >= goal) resolve();
    });
  };
  await reach(count);
  return { another: () => reach(count + 1), end };
}

async function aegis(servers: string): Promise<Bucket> {
  const kv = await (await connect({ servers, logger })).kv(BUCKETS.aegis);
  return {
    put: (key, value) => kv.put(key, value),
    get: async (key) => (await kv.get(key))?.value,
    batch: async (numbers) => {
      const outcomes = await kv.putMany(numbers.map((n) => [keyOf(n), valueOf(n)] as const));
      for (const outcome of outcomes.values()) if (!outcome.ok) throw outcome.error;
    },
    watch: (count) => {
      const watch = kv.watch();
      return take(watch as AsyncIterable<object>, count, () => watch.stop());
    },
    together: true,
  };
}

async function bare(servers: string): Promise<Bucket> {
  const kv = await new Kvm(await connectBare({ servers })).create(BUCKETS.bare);
  const put = (key: string, value: unknown): Promise<number> => kv.put(key, JSON.stringify(value));
  return {
    put,
    get: async (key) => (await kv.get(key))?.json(),
    batch: async (numbers) => {
      await Promise.all(numbers.map((n) => put(keyOf(n), valueOf(n))));
    },
    watch: async (count) => {
      const watch = await kv.watch();
      return await take(watch, count, () => Promise.resolve(watch.stop()));
    },
    together: false,
  };
}

async function oneByOne(work: (number: number) => Promise<unknown>, count: number) {
  const times = new Float64Array(count);
  const start = performance.now();
  for (let number = 0; number < count; number++) {
    const from = performance.now();
    await work(number);
    times[number] = performance.now() - from;
  }
  const ms = performance.now() - start;
  times.sort();
  const rank = (share: number): number => times[Math.ceil(share * count) - 1] ?? NaN;
  return { ms, p50Ms: rank(0.5), p99Ms: rank(0.99) };
}

const [, , kind, servers = ""] = process.argv;
const bucket = kind === "aegis" ? await aegis(servers) : await bare(servers);
const name = `KV_${kind === "aegis" ? BUCKETS.aegis : BUCKETS.bare}`;

async function watchAll(count: number): Promise<KvMeasured> {
  await bucket.batch(Array.from({ length: count }, (_, number) => number));
  const before = await memory();
  const start = performance.now();
  const watches: Watched[] = [];
  if (bucket.together) {
    watches.push(
      ...await Promise.all(Array.from({ length: WATCHES }, () => bucket.watch(count))),
    );
  } else while (watches.length < WATCHES) watches.push(await bucket.watch(count));
  const ms = performance.now() - start;
  const { heap } = await memory();
  const connection = await connectBare({ servers });
  const { state } = await (await jetstreamManager(connection)).streams.info(name);
  await connection.close();
  const told = Promise.all(watches.map(({ another }) => another()));
  const changed = performance.now();
  await bucket.put(keyOf(0), valueOf(0));
  await told;
  const changeMs = performance.now() - changed;
  await Promise.all(watches.map(({ end }) => end()));
  return { ms, heap: heap - before.heap, consumers: state.consumer_count, changeMs };
}

serveOrders(async (order: KvOrder): Promise<KvMeasured> => {
  const { count } = order;
  switch (order.do) {
    case "put":
      return await oneByOne((number) => bucket.put(keyOf(number), valueOf(number)), count);
    case "get":
      return await oneByOne(async (number) => {
        const value = await bucket.get(keyOf(number)) as { id?: number } | undefined;
        if (value?.id !== number) throw new Error(`${keyOf(number)} has ${JSON.stringify(value)}`);
      }, count);
    case "batch": {
      const numbers = Array.from({ length: count }, (_, number) => number);
      const start = performance.now();
      await bucket.batch(numbers);
      return { ms: performance.now() - start };
    }
    case "watch":
      return await watchAll(count);
  }
});
