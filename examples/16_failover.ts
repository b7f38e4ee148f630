// Failover: of three processes one leads. It is killed, then the next one is stopped; callers wait a moment, and no longer.
// deno run -A examples/16_failover.ts [nats://localhost:4222]

import { spawn } from "node:child_process";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { connect, createClient, createLogger, createService, failover, rpc, run } from "@aegis/sdk";

const servers = process.argv[2] || process.env.AEGIS_SERVERS || "nats://localhost:4222";
const name = process.argv[3];
await using bus = await connect({ servers, logger: createLogger({ level: "silent" }) });

/** One of the three: it serves `pay` while it leads, and stands by while another one does. */
async function serve(instanceId: string): Promise<void> {
  const pay = rpc("pay", { exclusive: true }, (_, ctx) => {
    // What is written along with the token can refuse a leader that does not know yet that another one follows.
    return { by: ctx.instanceId, token: ctx.fencingToken, pid: process.pid };
  });
  const hooks = {
    onLeadership: (leader: boolean, token: number) =>
      console.log(`  ${instanceId} ${leader ? "leads" : "leads no longer"}, token ${token}`),
  };
  const singleActive = failover.aggressive;
  await run(createService("payments", { bus, instanceId, handlers: [pay], singleActive, hooks }));
}

async function demo(): Promise<void> {
  const script = process.argv[1]!;
  const start = (name: string) =>
    spawn(process.execPath, ["run", "-A", script, servers, name], { stdio: "inherit" });
  const processes = ["one", "two", "three"].map(start);
  const { call } = createClient({ bus });
  // It may run twice, so what a leader takes with it as it dies is sent to the next one.
  const options = { timeoutMs: 30_000, idempotent: true };
  const pay = async () => {
    for (let left = 300;; left--) {
      try {
        return await call<{ by: string; pid: number }>("payments", "pay", {}, options);
      } catch (error) {
        if (left === 0) throw error;
        await sleep(100); // nobody is there yet
      }
    }
  };

  for (const [signal, what] of [["SIGKILL", "killed"], ["SIGTERM", "stopped"]] as const) {
    const leader = await pay();
    const lastAt = performance.now();
    process.kill(leader.pid, signal);
    let next = await pay();
    while (next.by === leader.by) next = await pay();
    const gapMs = performance.now() - lastAt;
    console.log(`${leader.by} was ${what}; ${next.by} answers after ${gapMs.toFixed(0)} ms`);
    console.log(`within a second after it was ${what}: ${gapMs < 1_000}`);
  }
  for (const child of processes) child.kill("SIGTERM");
}

await (name === undefined ? demo() : serve(name));
