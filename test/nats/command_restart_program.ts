// One process of a test in which all are killed: a sender, or an instance of the service that it sends to.

import process from "node:process";
import {
  command,
  CommandError,
  connect,
  createClient,
  createLogger,
  createService,
  type SendOptions,
} from "../../mod.ts";

const [role = "", servers = "", who = ""] = process.argv.slice(2);
const bus = await connect({ servers, name: who, logger: createLogger({ level: "silent" }) });

/** What is sent, by what is to become of it. */
const SENT: Readonly<Record<string, SendOptions>> = {
  completed: { priority: "critical" },
  failed: { priority: "critical" },
  retrying: { priority: "critical" },
  "running 1": { priority: "high" },
  "running 2": { priority: "high" },
  pending: {},
  cancelled: { priority: "low" },
  later: { delayMs: 3_600_000 },
};

if (role === "sender") {
  const { send } = createClient({ bus });
  const ids: Record<string, string> = {};
  for (const [name, options] of Object.entries(SENT)) {
    const job = await send("svc", "work", { name }, options);
    ids[name] = job.id;
    if (name === "cancelled") await job.cancel("not needed");
  }
  console.log(JSON.stringify(ids));
} else {
  const options = {
    ackWaitMs: 1_000,
    concurrency: 2,
    retry: { initialDelayMs: 8_000, jitter: 0 },
  };
  const work = command("work", options, async ({ payload }, ctx) => {
    const { name } = payload as { name: string };
    if (name === "failed") throw new CommandError("NO", "no", { data: { why: 1 }, final: true });
    if (name === "retrying" && ctx.attempt === 1) throw new Error("not now");
    if (name.startsWith("running") && ctx.attempt === 1) {
      await ctx.progress(40, "nearly half", { name });
      await new Promise(() => {});
    }
    return { who, attempt: ctx.attempt, data: ctx.lastProgress?.data ?? null };
  });
  await createService("svc", { bus, handlers: [work], instanceId: who }).start();
  console.log("started");
}
// Until it is killed.
setInterval(() => {}, 60_000);
