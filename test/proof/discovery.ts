// The proof of discovery at its full size: `deno task proof:discovery`. Its last lines are the figures.

import process from "node:process";
import { parseArgs } from "node:util";
import { startNatsServer } from "../../tools/nats_server.ts";
import { findDeno } from "../../tools/runtime.ts";
import { discoveryReportText, proveDiscovery } from "./discovery_proof.ts";

const HELP = `deno task proof:discovery [--seconds 120]

  Eight instances are called by all strategies and by name, while two at a time are killed (kill -9), frozen, cut off or
  restarted at random: whoever looks or watches knows within TTL and one heartbeat, no call goes to an instance that is
  known to be gone, none runs twice, and none fails for want of an instance.`;

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "120" },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  console.log(HELP);
  process.exit(0);
}
await using server = await startNatsServer();
const proof = await proveDiscovery({
  server,
  runtime: await findDeno(),
  instances: 8,
  troubles: 2,
  callers: 16,
  ttlMs: 3_000,
  heartbeatMs: 1_000,
  overMs: Number(values.seconds) * 1_000,
});
const isFine = proof.faults.length === 0;
console.log(`${isFine ? "ok    " : "FAILED"} discovery: ${discoveryReportText(proof)}`);
process.exitCode = isFine ? 0 : 1;
