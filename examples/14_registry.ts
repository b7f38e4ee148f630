// Who is there and how they are: the registry, and what every service answers without a line of code.
// On a server the nats command line sees the same: nats service list, nats service stats stock.
// deno run -A examples/14_registry.ts [nats://localhost:4222]

import process from "node:process";
import {
  connect,
  createClient,
  createLogger,
  createService,
  type HealthReport,
  type MetricsReport,
  rpc,
} from "@aegis/sdk";
import * as z from "zod";

const servers = process.argv[2] || process.env.AEGIS_SERVERS || "memory:";
await using bus = await connect({ servers, logger: createLogger({ level: "silent" }) });
const left = rpc("left", {
  description: "How many of an article are left",
  params: z.object({ article: z.string() }),
  result: z.object({ left: z.number() }),
}, () => ({ left: 3 }));

const instance = (instanceId: string, zone: string) =>
  createService("stock", {
    bus,
    instanceId,
    version: "1.2.0",
    handlers: [left],
    metadata: { zone },
    registry: { ttlMs: 5_000 }, // gone that long after a kill -9, at once after stop()
  });
const [one, two] = [instance("stock-1", "north"), instance("stock-2", "south")];
await Promise.all([one.start(), two.start()]);

const registry = await bus.kv("service_registry");
const list = async () => {
  for (const key of await registry.keys("service-instances__stock__")) {
    const { value } = (await registry.get(key))!;
    const { instanceId, version, status, metadata } = value as Record<string, unknown>;
    const { zone, aegis } = metadata as { zone: string; aegis: { methods: { name: string }[] } };
    console.log(instanceId, version, status, zone, aegis.methods.map(({ name }) => name));
  }
};
await list();

const client = createClient({ bus });
await client.call("stock", "left", { article: "lamp" }, { instance: "stock-1" });
const health = await client.call<HealthReport>("stock", "health", {}, { instance: "stock-1" });
console.log("live", health.live, "ready", health.ready, "problems", health.problems.length);
const { counters } = await client.call<MetricsReport>("stock", "metrics");
console.log(counters.find(({ labels }) => labels.method === "left")?.value, "call was counted");

await one.stop();
await list();
await two.stop();
