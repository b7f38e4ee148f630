// Runs the tests on one runtime: `run_tests.ts deno|bun|node|node22|node20 [files…]`. With `--few-kills` instead of files
// all are run but those in which servers and processes are killed for minutes.

import { spawn } from "node:child_process";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { buildNpm } from "./build_npm.ts";
import {
  findBun,
  findDeno,
  findNode,
  findNodeOf,
  type NodeMajor,
  type Runtime,
} from "./runtime.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));

/** One test may take this long; Bun's own default of 5 s is short for a cluster. */
const BUN_TIMEOUT_MS = 120_000;
/** How many files run at once: tests wait more than they work. */
const AT_ONCE = 3;
const NODE = ["--test", `--test-concurrency=${AT_ONCE}`];

/** How the tests are started on one runtime. */
export interface TestRun {
  /** The runtime. */
  readonly runtime: Runtime;
  /** What it is called with. */
  readonly args: readonly string[];
  /** What its environment has beside that of this process. */
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * What is about servers and processes that die, and takes minutes. The gate runs it on Deno, on the newest server and on
 * the oldest; what a runtime's own sockets do in an outage is in the other files.
 */
const KILLS =
  /^test\/nats\/(\w+_kill|\w*_?cluster|failover_server|command_restart|rolling_restart)_test\.ts$/;

/** All files but those. */
async function fewKills(): Promise<string[]> {
  const found = await readdir(join(ROOT, "test"), { recursive: true });
  return found.map((file) => `test/${file.replaceAll("\\", "/")}`)
    .filter((file) => file.endsWith("_test.ts") && !KILLS.test(file)).sort();
}

/** The runtimes that the tests run on. */
export const TEST_RUNTIMES = ["deno", "bun", "node", "node22", "node20"] as const;

/** How to run `files`, or all tests, on one of {@linkcode TEST_RUNTIMES}. */
export async function testRun(name: string, files: readonly string[] = []): Promise<TestRun> {
  const chosen = (all: string) => files.length > 0 ? files : [all];
  switch (name) {
    case "deno":
      return { runtime: await findDeno(), args: ["test", "-A", ...chosen("test/")] };
    case "bun": {
      const args = [
        "test",
        `--parallel=${AT_ONCE}`,
        "--timeout",
        `${BUN_TIMEOUT_MS}`,
        ...chosen("./test"),
      ];
      return { runtime: await findBun(), args };
    }
    case "node":
      return { runtime: await findNode(), args: [...NODE, ...chosen("test/**/*_test.ts")] };
    case "node22":
      return await onOlderNode(22, files);
    case "node20":
      return await onOlderNode(20, files);
  }
  throw new RangeError(`The runtime is "${name}", allowed are ${TEST_RUNTIMES.join(", ")}`);
}

/**
 * What the tests are written in is too new for an older Node, and is compiled as it is loaded; the package is that of npm.
 */
async function onOlderNode(major: NodeMajor, files: readonly string[]): Promise<TestRun> {
  await buildNpm();
  const found = await readdir(join(ROOT, "test"), { recursive: true });
  const all = found.filter((file) => file.endsWith("_test.ts")).sort()
    .map((file) => join("test", file)); // Node 20 finds none by a pattern
  return {
    runtime: await findNodeOf(major),
    args: [...NODE, ...(files.length > 0 ? files : all)],
    // What the tests start themselves is to read the same files.
    env: { NODE_OPTIONS: `--import ${new URL("older_node/register.mjs", import.meta.url).href}` },
  };
}

if (import.meta.main) {
  const [name = "deno", ...given] = process.argv.slice(2);
  // Bun takes a path for one only when it begins like one.
  const files = given[0] === "--few-kills" ? (await fewKills()).map((file) => `./${file}`) : given;
  const { runtime, args, env } = await testRun(name, files);
  const child = spawn(runtime.bin, args, {
    stdio: "inherit",
    cwd: ROOT,
    env: { ...process.env, ...env },
  });
  child.once("exit", (code) => process.exit(code ?? 1));
}
