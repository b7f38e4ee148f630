// One instance of a service that is in the registry.

import process from "node:process";
import { connect, createLogger, createService, rpc, run } from "../../mod.ts";

const [servers = "", instanceId = "", ttlMs = "15000"] = process.argv.slice(2);
const logger = createLogger({ level: "silent" });
await using bus = await connect({ servers, logger });
const service = createService("svc", {
  bus,
  instanceId,
  handlers: [rpc("hello", () => "hello")],
  registry: { ttlMs: Number(ttlMs) },
});
const running = run(service);
// Whoever started it waits for this line.
while (service.status !== "started") await new Promise((resolve) => setTimeout(resolve, 5));
console.log("started");
await running;
