// How long a service in a Durable Object is there that no request reaches: with its alarm, and without. Four minutes.

import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { connect, createClient, createLogger } from "../../mod.ts";
import { startWebSocketServer } from "../../tools/nats_websocket.ts";
import { startWorker } from "../../tools/workerd.ts";

const LIMIT_MS = 240_000;
const LOOK_MS = 5_000;
const logger = createLogger({ level: "silent" });

/** For how long the instance that the one request has started answers over NATS, and in milliseconds at most `LIMIT_MS`. */
async function awakeFor(alarmMs: number): Promise<number> {
  await using server = await startWebSocketServer();
  await using bus = await connect({ servers: server.server.url, logger });
  await using worker = await startWorker("examples/17_worker.ts", {
    vars: { NATS: server.url, AWAKE_MS: alarmMs },
    objects: { VISITS: "Visits" },
    onLog: () => {},
  });
  const { instanceId } = await (await worker.fetch("/visits")).json() as { instanceId: string };
  const start = performance.now();
  const { call } = createClient({ bus });
  while (performance.now() - start < LIMIT_MS) {
    const answer = await call<{ by: string }>("visits", "visit").catch(() => undefined);
    if (answer?.by !== instanceId) break;
    await sleep(LOOK_MS);
  }
  return performance.now() - start;
}

const [awake, left] = await Promise.all([awakeFor(30_000), awakeFor(86_400_000)]);
const seconds = (ms: number) => `${Math.round(ms / 1_000)} s`;
console.log(`with an alarm every 30 s it answers after ${seconds(awake)}`);
console.log(`without one it is gone after ${seconds(left)}`);
process.exitCode = awake >= LIMIT_MS && left < LIMIT_MS ? 0 : 1;
