// The proof of events at its full size: `deno task proof:events`. Its last lines are the figures.

import process from "node:process";
import { parseArgs } from "node:util";
import { startNatsCluster, startNatsServer } from "../../tools/nats_server.ts";
import { findDeno } from "../../tools/runtime.ts";
import { isExact, type ProofReport, proveEvents, reportText } from "./event_proof.ts";
import { pause } from "./instances.ts";

const HELP = `deno task proof:events [--events 100000] [--seconds 60] [--only quiet,chaos,cluster]

Publishes events and handles them by three instances, and counts how often each was handled:
  quiet     instances are stopped in order and started anew, handlers are slow; each event once
  chaos     instances are killed (kill -9), the server is killed and stopped; each event at least once
  cluster   three servers, of which one after the other is killed, three replicas; no event lost`;

const { values } = parseArgs({
  options: {
    events: { type: "string", default: "100000" },
    seconds: { type: "string", default: "60" },
    only: { type: "string", default: "quiet,chaos,cluster" },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  console.log(HELP);
  process.exit(0);
}
const events = Number(values.events);
const base = {
  runtime: await findDeno(),
  events,
  overMs: Number(values.seconds) * 1_000,
  instances: 3,
  slowEvery: 997,
  slowMs: 1_500,
  ackWaitMs: 1_000,
  limitMs: 300_000,
};
let failed = false;

function report(name: string, proof: ProofReport, fine: boolean): void {
  if (!fine) failed = true;
  console.log(`${fine ? "ok    " : "FAILED"} ${name}: ${reportText(proof)}`);
}

if (values.only.includes("quiet")) {
  await using server = await startNatsServer();
  const proof = await proveEvents({
    ...base,
    urls: [server.url],
    endEveryMs: 2_000,
    signal: "SIGTERM",
  });
  report("quiet", proof, proof.stored === events && proof.lost === 0 && isExact(proof));
}

if (values.only.includes("chaos")) {
  await using server = await startNatsServer();
  let restarts = 0;
  const proof = await proveEvents({
    ...base,
    urls: [server.url],
    endEveryMs: 2_500,
    signal: "SIGKILL",
    async disturb(over) {
      while (!over.aborted) {
        await pause(4_000 * (0.5 + Math.random()), over);
        if (over.aborted) return;
        await server.kill();
        restarts++;
        await pause(500 * Math.random());
        await server.restart();
      }
    },
  });
  report(`chaos, server killed ${restarts} times`, proof, proof.lost === 0);
}

if (values.only.includes("cluster")) {
  await using cluster = await startNatsCluster(3);
  let restarts = 0;
  const proof = await proveEvents({
    ...base,
    urls: cluster.urls,
    replicas: 3,
    endEveryMs: 0,
    signal: "SIGTERM",
    async disturb(over) {
      for (let i = 0; !over.aborted; i++) {
        await pause(3_000 * (0.5 + Math.random()), over);
        if (over.aborted) return;
        const server = cluster.servers[i % cluster.servers.length]!;
        await server.kill();
        restarts++;
        await pause(1_000);
        await server.restart();
        await cluster.ready();
      }
    },
  });
  report(`cluster, a server killed ${restarts} times`, proof, proof.lost === 0);
}
process.exit(failed ? 1 : 0);
