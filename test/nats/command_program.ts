// One instance of a service that runs the command "steps".

import process from "node:process";
import { connect, createLogger, createService, run } from "../../mod.ts";
import { steps } from "./command_steps.ts";

const [servers = "", file = "", who = "", ackWaitMs = "1000", concurrency = "16"] = process.argv
  .slice(2);
const logger = createLogger({ level: "silent" });
await using bus = await connect({ servers, logger });
const handler = steps(file, who, {
  ackWaitMs: Number(ackWaitMs),
  concurrency: Number(concurrency),
});
// Out of the registry: it says that it has started as soon as commands may end it.
const options = { instanceId: who, registry: false } as const;
const service = createService("svc", { bus, handlers: [handler], ...options });
const running = run(service);
// Whoever started it waits for this line.
while (service.status !== "started") await new Promise((resolve) => setTimeout(resolve, 5));
console.log("started");
await running;
