// The proof of discovery in small: whatever becomes of instances, whoever looks knows in time, and calls go to others.

import { ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { startNatsServer } from "../../tools/nats_server.ts";
import { findDeno } from "../../tools/runtime.ts";
import { discoveryReportText, proveDiscovery } from "./discovery_proof.ts";

/** It has processes of its own, which are the same whatever the test runs on. */
const onDeno = "Deno" in globalThis;
const why = onDeno ? "" : " (on Deno only: its processes run there)";

test(
  `instances that are killed, frozen, cut off and restarted are known as they are in time${why}`,
  { skip: !onDeno },
  async () => {
    await using server = await startNatsServer();
    const proof = await proveDiscovery({
      server,
      runtime: await findDeno(),
      instances: 4,
      troubles: 1,
      callers: 4,
      ttlMs: 3_000,
      heartbeatMs: 1_000,
      overMs: 10_000,
    });
    const text = discoveryReportText(proof);
    strictEqual(proof.faults.length, 0, text);
    ok((proof.calls.ok ?? 0) > 100 && proof.changes > 4, text);
  },
);
