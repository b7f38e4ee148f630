// The priority of commands beside a backlog that has waited long.

import { ok } from "node:assert/strict";
import { command, createClient, createService, ensureTopology } from "../../mod.ts";
import { bothStreams, until } from "./buses.ts";

bothStreams(
  "a critical command does not wait for a backlog that is older than its priority is worth",
  async (buses) => {
    const LOW = 400;
    const begun: string[] = [];
    const step = command("step", { concurrency: 4 }, async ({ priority }) => {
      begun.push(priority);
      await new Promise((resolve) => setTimeout(resolve, 5));
    });
    const service = createService("svc", { bus: buses.server, handlers: [step] });
    await ensureTopology({ bus: buses.server, services: [service] });
    const { send } = createClient({ bus: buses.client });
    await Promise.all(
      Array.from({ length: LOW }, () => send("svc", "step", {}, { priority: "low" })),
    );
    // The oldest has waited for longer than three levels are worth.
    await new Promise((resolve) => setTimeout(resolve, 500));
    await buses.serve("svc", [step], { ageingMs: 100 });
    await until(() => begun.length >= 40);
    const before = begun.length;
    const job = await send("svc", "step", {}, { priority: "critical" });
    await job.result();
    const at = begun.indexOf("critical");
    ok(at < before + 150, `it began as number ${at}, and was sent after ${before}`);
    await until(() => begun.length === LOW + 1);
  },
);
