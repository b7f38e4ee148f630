// The proof of commands in small: whatever is killed, each command ends once, and never runs twice at the same time.

import { ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { startNatsServer } from "../../tools/nats_server.ts";
import { findDeno } from "../../tools/runtime.ts";
import { commandReportText, proveCommands } from "./command_proof.ts";

/** It has processes of its own, which are the same whatever the test runs on. */
const onDeno = "Deno" in globalThis;
const why = onDeno ? "" : " (on Deno only: its processes run there)";

test(
  `with instances and the server killed, 300 commands of all kinds end once each, as they should${why}`,
  { skip: !onDeno },
  async () => {
    await using server = await startNatsServer();
    const proof = await proveCommands({
      server,
      runtime: await findDeno(),
      commands: 300,
      overMs: 5_000,
      instances: 3,
      killEveryMs: 800,
      kills: 2,
      restartEveryMs: 2_500,
      ackWaitMs: 1_000,
      limitMs: 60_000,
    });
    const text = commandReportText(proof);
    strictEqual(proof.faults.length, 0, text);
    ok(proof.sent === 300 && proof.killed >= 2 && proof.restarts >= 1, text);
  },
);
