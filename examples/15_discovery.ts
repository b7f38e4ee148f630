// Which instance to ask: lookups, strategies, a watch, calls that pass on from an instance that has gone, and circuits.
// deno run -A examples/15_discovery.ts [nats://localhost:4222]

import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import {
  connect,
  createClient,
  createDiscovery,
  createLogger,
  createService,
  rpc,
} from "@aegis/sdk";

const servers = process.argv[2] || process.env.AEGIS_SERVERS || "memory:";
await using bus = await connect({ servers, logger: createLogger({ level: "silent" }) });
const draw = rpc("draw", (_, { instanceId }) => {
  if (instanceId === "map-3") throw new Error("out of ink");
  return `drawn by ${instanceId}`;
});
const instance = (instanceId: string, version: string) =>
  createService("map", { bus, instanceId, version, handlers: [draw] });
const maps = [instance("map-1", "1.2.0"), instance("map-2", "1.3.0"), instance("map-3", "2.0.0")];
await using discovery = createDiscovery({ bus });
const changes: string[] = [];
const watching = (async () => {
  for await (const { type, instance } of discovery.watch("map")) {
    changes.push(`${instance.instanceId} ${type}`);
  }
})();
for (const map of maps) await map.start();

const known = async (count: number) => {
  while ((await discovery.discover("map")).length !== count) await sleep(5);
};
await known(3);
const old = await discovery.discover("map", { version: "^1.2", onlyHealthy: true });
console.log("of version 1:", old.map(({ instanceId }) => instanceId).join(", "));
const next = await discovery.select("map", { strategy: "least_loaded", version: ">=2" });
console.log("of version 2:", next.instanceId, next.status, next.load?.inFlight, "in flight");

// A method that keeps failing at one instance is not asked there for a while; a selection passes it by.
const client = createClient({ bus, circuit: { failures: 2, openMs: 30_000 } });
const ask = (options: object) => client.call("map", "draw", {}, options).catch(({ code }) => code);
for (let i = 0; i < 3; i++) console.log("map-3:", await ask({ instance: "map-3" }));
const answers = [await ask({ select: "round_robin" }), await ask({ select: "round_robin" })];
console.log(answers.sort().join(", "));

// The same key leads to the same instance for as long as that is there.
const sticky = () => ask({ select: "sticky", key: "sheet 7" });
console.log("twice the same:", await sticky() === await sticky());
await maps[0]!.stop();
console.log("map-1 has gone:", await ask({ instance: "map-1" }));
await known(2);
await discovery.close();
await watching;
console.log(changes.join(", "));
for (const map of maps) await map.stop();
