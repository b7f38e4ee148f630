// The proof of commands at its full size: `deno task proof:commands`. Its last lines are the figures.

import process from "node:process";
import { parseArgs } from "node:util";
import { startNatsServer } from "../../tools/nats_server.ts";
import { findDeno } from "../../tools/runtime.ts";
import { commandReportText, proveCommands } from "./command_proof.ts";
import { proveAgeing, provePriority } from "./command_priority.ts";

const HELP =
  `deno task proof:commands [--commands 20000] [--seconds 90] [--only chaos,priority,ageing]

  chaos      20,000 commands of all kinds through three instances, which are killed (kill -9) as the server is: each ends
             once and as it should, its result is stored once, none runs twice at the same time
  priority   100,000 commands wait before an instance is there: critical ones go first, then those of high priority
  ageing     critical commands keep coming: one of low priority has its turn all the same, when it has waited long enough`;

const { values } = parseArgs({
  options: {
    commands: { type: "string", default: "20000" },
    seconds: { type: "string", default: "90" },
    only: { type: "string", default: "chaos,priority,ageing" },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  console.log(HELP);
  process.exit(0);
}
let failed = false;

function report(name: string, fine: boolean, text: string): void {
  if (!fine) failed = true;
  console.log(`${fine ? "ok    " : "FAILED"} ${name}: ${text}`);
}

if (values.only.includes("chaos")) {
  await using server = await startNatsServer();
  const proof = await proveCommands({
    server,
    runtime: await findDeno(),
    commands: Number(values.commands),
    overMs: Number(values.seconds) * 1_000,
    instances: 3,
    killEveryMs: 2_000,
    restartEveryMs: 7_000,
    ackWaitMs: 2_000,
    limitMs: 600_000,
  });
  report("chaos", proof.faults.length === 0, `\n${commandReportText(proof)}`);
}

if (values.only.includes("priority")) {
  await using server = await startNatsServer();
  const { fine, text } = await provePriority(server.url, {
    backlog: 100_000,
    drain: 30_000,
    slots: 16,
  });
  report("priority", fine, text);
}

if (values.only.includes("ageing")) {
  await using server = await startNatsServer();
  const { fine, text } = await proveAgeing(server.url, { ageingMs: 1_000, seconds: 10 });
  report("ageing", fine, text);
}
process.exit(failed ? 1 : 0);
