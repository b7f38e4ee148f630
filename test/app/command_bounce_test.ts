// A command that an instance has asked for and has no slot for: it goes back, and does not come again as fast as it can.

import { ok, strictEqual } from "node:assert/strict";
import { command, createClient } from "../../mod.ts";
import { bothStreams, until } from "./buses.ts";

bothStreams(
  "a command that finds all slots taken, though it was asked for, is not bounced all the time",
  async (buses) => {
    const gate = Promise.withResolvers<void>();
    let quick = 0, slow = 0;
    await buses.serve("svc", [
      command("quick", { concurrency: 500 }, () => void quick++),
      command("slow", { concurrency: 500 }, async () => {
        slow++;
        await gate.promise;
      }),
    ], { concurrency: 500 });
    const { send } = createClient({ bus: buses.client });
    // So many that much is asked for at a time.
    for (let round = 0; round < 20; round++) {
      await Promise.all(Array.from({ length: 200 }, () => send("svc", "quick")));
    }
    await until(() => quick === 4_000);
    await Promise.all(Array.from({ length: 500 }, () => send("svc", "slow")));
    await until(() => slow === 500);
    const job = await send("svc", "quick");
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    gate.resolve();
    await job.result({ timeoutMs: 5_000 });
    const { delivery, attempts } = await job.status();
    strictEqual(attempts, 1);
    ok(delivery! > 1 && delivery! <= 100, `it was delivered ${delivery} times`);
  },
);
