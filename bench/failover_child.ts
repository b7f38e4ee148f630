// One instance of a single-active service, which says a line when it has started.

import process from "node:process";
import { connect, createLogger, createService, failover, rpc, run } from "../mod.ts";

const [servers = "", policy = ""] = process.argv.slice(2);
const bus = await connect({ servers, logger: createLogger({ level: "silent" }) });
const service = createService("payments", {
  bus,
  singleActive: failover[policy as keyof typeof failover],
  handlers: [
    rpc("pay", { exclusive: true }, (_, ctx) => [ctx.instanceId, ctx.fencingToken, process.pid]),
  ],
});
const running = run(service);
while (service.status !== "started") await new Promise((resolve) => setTimeout(resolve, 5));
console.log("started");
await running;
await bus.close();
