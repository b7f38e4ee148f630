// A service that dies over events as they say: at once, or never done with them.

import process from "node:process";
import { connect, createLogger, createService, on, run } from "../../mod.ts";

const logger = createLogger({ level: "silent" });
await using bus = await connect({ servers: process.argv[2] ?? "", logger });
const handle = on("crash.*", { ackWaitMs: 1_000, retry: { attempts: 1 } }, async ({ type }) => {
  if (type === "crash.die") process.exit(1);
  if (type === "crash.hang") await new Promise(() => {});
});
await run(createService("crasher", { bus, handlers: [handle] }));
