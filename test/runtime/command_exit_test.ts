// Processes end by themselves when all that ran commands in them was stopped: no timer is left.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { spawn } from "node:child_process";
import process from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { watchChild } from "../../tools/guard.ts";
import { startNatsServer } from "../../tools/nats_server.ts";

const PROGRAM = fileURLToPath(new URL("command_exit_program.ts", import.meta.url));

/** Runs the program in the runtime of this test; how it ended, and how long after its last line. */
async function run(...args: readonly string[]) {
  const flags = "Deno" in globalThis ? ["run", "-A", "-q"] : [];
  const child = spawn(process.execPath, [...flags, PROGRAM, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  watchChild(child);
  const limit = setTimeout(() => process.kill(child.pid!, "SIGKILL"), 25_000);
  let text = "", overAt = NaN;
  child.stdout.on("data", (chunk) => {
    text += chunk;
    if (text.includes("over")) overAt = performance.now();
  });
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  clearTimeout(limit);
  return { lines: text.trim().split("\n"), code, tookMs: performance.now() - overAt };
}

/** How it is to end: at once, and with all of its lines. */
async function ends(servers: string, closes: "bus" | "service"): Promise<void> {
  const { lines, code, tookMs } = await run(servers, closes);
  deepStrictEqual(lines, ["done", "over"]);
  strictEqual(code, 0);
  ok(tookMs < 5_000, `it ended ${tookMs} ms later`);
}

test("a process ends when its service has stopped and its bus is closed", async () => {
  await using server = await startNatsServer();
  await ends(server.url, "bus");
});

test("a process with the embedded broker ends when its bus is closed", async () => {
  await ends("memory:", "bus");
});

test("a process with the embedded broker ends when its service has stopped, and nobody waits for anything", async () => {
  await ends("memory:", "service");
});
