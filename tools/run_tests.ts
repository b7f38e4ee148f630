// Runs the tests on one runtime: `run_tests.ts deno|bun|node [files…]`.

import { spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { findBun, findDeno, findNode } from "./runtime.ts";

/** One test may take this long; Bun's own default of 5 s is short for a cluster. */
const BUN_TIMEOUT_MS = 120_000;

async function commandOf(runtime: string, files: string[]): Promise<[bin: string, args: string[]]> {
  const chosen = (all: string) => files.length > 0 ? files : [all];
  if (runtime === "deno") return [(await findDeno()).bin, ["test", "-A", ...chosen("test/")]];
  if (runtime === "bun") {
    return [(await findBun()).bin, ["test", "--timeout", `${BUN_TIMEOUT_MS}`, ...chosen("./test")]];
  }
  if (runtime === "node") {
    return [(await findNode()).bin, ["--test", ...chosen("test/**/*_test.ts")]];
  }
  throw new RangeError(`The runtime is "${runtime}", allowed are deno, bun, node`);
}

const [runtime = "deno", ...files] = process.argv.slice(2);
const [bin, args] = await commandOf(runtime, files);
const child = spawn(bin, args, {
  stdio: "inherit",
  cwd: fileURLToPath(new URL("../", import.meta.url)),
});
child.once("exit", (code) => process.exit(code ?? 1));
