// What lookups cost a process that knows many instances, on any runtime.

import process from "node:process";
import { connect, createDiscovery, type Discovery, type SelectStrategy } from "../mod.ts";
import { instanceKey, instanceValue } from "../src/domain/instance.ts";
import { logger, serveOrders } from "./orders.ts";

const SERVICE = "shop";
const CHUNK = 1_000;

/** A kind of lookup. */
export type Lookup = "discover" | "discover healthy of a version" | SelectStrategy;

/** What is asked of the child: to write records, or to look up many times. */
export type DiscoveryOrder =
  | { readonly do: "fill"; readonly instances: number }
  | { readonly do: "look"; readonly lookup: Lookup; readonly times: number };

function looking(discovery: Discovery, lookup: Lookup): (turn: number) => Promise<unknown> {
  switch (lookup) {
    case "discover":
      return () => discovery.discover(SERVICE);
    case "discover healthy of a version": {
      const options = { onlyHealthy: true, version: "^1.2" };
      return () => discovery.discover(SERVICE, options);
    }
    case "sticky":
      return (turn) => discovery.select(SERVICE, { strategy: "sticky", key: `user:${turn}` });
    default: {
      const options = { strategy: lookup };
      return () => discovery.select(SERVICE, options);
    }
  }
}

const [, , servers = ""] = process.argv;
const bus = await connect({ servers, logger });
const discovery = createDiscovery({ bus });

async function fill(instances: number): Promise<number> {
  const kv = await bus.kv("service_registry");
  const records = Array.from({ length: instances }, (_, i) => {
    const instanceId = `${SERVICE}-${i}`;
    return [
      instanceKey(SERVICE, instanceId),
      instanceValue(
        {
          service: SERVICE,
          instanceId,
          version: `1.${i % 4}.0`,
          status: "ACTIVE",
          group: undefined,
          methods: [{ name: "who" }],
          events: [],
          commands: [],
          load: { inFlight: i % 7, eventLoopDelayMs: 1 },
          metadata: { zone: "a" },
        },
        "2026-01-01T00:00:00.000Z",
        "2026-01-01T00:00:00.000Z",
      ),
    ] as const;
  });
  await kv.putMany(records);
  return (await discovery.discover(SERVICE)).length;
}

/** The time of a lookup in the middle chunk of all, in microseconds. */
async function look(lookup: Lookup, times: number): Promise<number> {
  const run = looking(discovery, lookup);
  const chunks: number[] = [];
  for (let turn = 0; turn < times;) {
    const startedAt = performance.now();
    for (const end = turn + CHUNK; turn < end; turn++) await run(turn);
    chunks.push((performance.now() - startedAt) * 1_000 / CHUNK);
  }
  return chunks.sort((a, b) => a - b)[chunks.length >> 1]!;
}

serveOrders<DiscoveryOrder>((order) =>
  order.do === "fill" ? fill(order.instances) : look(order.lookup, order.times)
);
