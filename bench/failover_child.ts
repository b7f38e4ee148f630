// One instance of a single-active service, which says a line when it has started.

import process from "node:process";
import { command, connect, createLogger, createService, failover, rpc, run } from "../mod.ts";
import { LONG_MS, SLOW_MS } from "./failover_contract.ts";

const [servers = "", policy = ""] = process.argv.slice(2);
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const bus = await connect({ servers, logger: createLogger({ level: "silent" }) });
const service = createService("payments", {
  bus,
  singleActive: failover[policy as keyof typeof failover],
  handlers: [
    rpc("pay", { exclusive: true }, (_, ctx) => [ctx.fencingToken, process.pid]),
    rpc("pay_slowly", { exclusive: true }, async (_, ctx) => {
      const answer = [ctx.fencingToken, process.pid];
      await sleep(SLOW_MS);
      return answer;
    }),
    command("report", () => sleep(LONG_MS)),
  ],
});
const running = run(service);
while (service.status !== "started") await sleep(5);
console.log("started");
await running;
await bus.close();
