// Runs the tests on one runtime: `run_tests.ts deno|oldest|bun|node|node22|node20 [--few-kills] [files…]`; `oldest` is Deno
// beside the oldest server.

import { spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath, pathToFileURL } from "node:url";
import { buildNpm } from "./build_npm.ts";
import { execute } from "./execute.ts";
import {
  findBun,
  findDeno,
  findNode,
  findNodeOf,
  type NodeMajor,
  type Runtime,
} from "./runtime.ts";
import { countTests } from "./test_counts.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));

/** One test may take this long; Bun's own default of 5 s is short for a cluster. */
const BUN_TIMEOUT_MS = 120_000;
/** How many files run at once: tests wait more than they work. */
const AT_ONCE = 3;
/** How long a process may take for its part of the tests, in milliseconds. */
const LIMIT_MS = 1_800_000;
/** And on Deno, where more of them wait for what they have killed. */
const DENO_AT_ONCE = 4;
/** Into how many parts the files are divided on Deno, so that none has to wait long for the last. */
const PARTS = 6 * AT_ONCE;
/** Connections are made alike to every server; all else is run on the oldest one too. */
const OF_CONNECTIONS =
  /^test\/nats\/(auth|connect|own_connection|per_request|reconnect|remembered|rolling|second|tls|troubles|websocket)/;
const ON_OLDEST = /^test\/(nats|contract)\/|^test\/app\/(command|event|kv)/;
/**
 * Programs, servers and clusters that are killed and cut off for minutes under streams, keys and commands, and what is much or
 * long for any runtime: `--few-kills` leaves them out. What a connection does as its server goes is in other files.
 */
const KILLS =
  /(ack_wait|cluster|failover_poison|failover_server|frozen|kill|many_watches|restart|start|(event|command|kv)_outage|kv_lost|stream_follow|stream_ingest)_test\.ts$|^test\/proof\//;
/** What files say that freeze a process or ask it to stop: on Windows, which has no signals, they are left out. */
const SIGNALS =
  /suspend\(|(?<!\[)"SIG(?:STOP|CONT|TERM|INT)"|websocket_program|failover_tools|(?:command|discovery)_proof/;
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

/** The runtimes that the tests run on. */
export const TEST_RUNTIMES = ["deno", "bun", "node", "node22", "node20"] as const;

/** How to run `files`, or all tests, on one of {@linkcode TEST_RUNTIMES}. */
export async function testRun(name: string, files: readonly string[] = []): Promise<TestRun> {
  const chosen = (all: string) => files.length > 0 ? files : [all];
  switch (name) {
    case "deno": {
      const args = ["test", "-A", "--parallel", ...chosen("test/")];
      return { runtime: await findDeno(), args, env: { DENO_JOBS: `${DENO_AT_ONCE}` } };
    }
    case "bun": {
      const args = [
        "test",
        `--parallel=${AT_ONCE}`,
        "--no-isolate", // to load the package for each file takes longer than many a file
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
  const all = await testFiles(); // Node 20 finds none by a pattern
  return {
    runtime: await findNodeOf(major),
    args: [...NODE, ...(files.length > 0 ? files : all)],
    // What the tests start themselves is to read the same files.
    env: { NODE_OPTIONS: `--import ${new URL("older_node/register.mjs", import.meta.url).href}` },
  };
}

/** The files of tests, by their paths from the root. */
async function testFiles(): Promise<string[]> {
  const found = await readdir(join(ROOT, "test"), { recursive: true });
  return found.filter((file) => file.endsWith("_test.ts")).sort()
    .map((file) => `test/${file.replaceAll("\\", "/")}`);
}

/** Those that can be run on this system. */
export async function runnable(
  files: readonly string[],
  system: string = process.platform,
): Promise<string[]> {
  if (system !== "win32") return [...files];
  const texts = await Promise.all(files.map((file) => readFile(join(ROOT, file), "utf8")));
  const left = files.filter((_, index) => !SIGNALS.test(texts[index]!));
  console.error(`left out, for Windows has no signals: ${files.length - left.length} files`);
  return left;
}

/**
 * Tests on Deno, in a few modules that import the files: Deno would load the package anew for each file, which takes longer
 * than many a file. Types are checked by `deno check`.
 */
async function onDeno(files: readonly string[], env: Readonly<Record<string, string>>) {
  const { bin } = await findDeno();
  const folder = await mkdtemp(join(tmpdir(), "tests-"));
  try {
    await Promise.all(Array.from({ length: PARTS }, (_, part) => {
      const own = files.filter((_, index) => index % PARTS === part);
      const lines = own.map((file) =>
        `import ${JSON.stringify(`${pathToFileURL(ROOT + file)}`)};\n`
      );
      return writeFile(join(folder, `part_${part + 1}_test.ts`), lines.join(""));
    }));
    const args = ["test", "-A", "--no-check", "--parallel", "--config", "deno.json", folder];
    return await run(bin, args, { DENO_JOBS: `${DENO_AT_ONCE}`, ...env });
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Runs a command to its end, with the output of this process. @returns its exit code */
function run(
  bin: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<number> {
  const child = spawn(bin, args, {
    stdio: "inherit",
    cwd: ROOT,
    env: { ...process.env, ...env },
  });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => resolve(code ?? 1));
  });
}

/**
 * All tests on Node, in a few processes that run one file after the other: to start one for each file, and to strip the
 * types of the package in it, takes as long as the tests.
 */
async function onNode(files: readonly string[]): Promise<number> {
  const { bin } = await findNode();
  const outcomes = await Promise.all(Array.from({ length: AT_ONCE }, (_, index) => {
    const shard = `--test-shard=${index + 1}/${AT_ONCE}`;
    const args = ["--test", "--test-isolation=none", shard, ...files];
    return execute([bin, ...args], { limitMs: LIMIT_MS });
  }));
  let passed = 0;
  let failed = 0;
  for (const { output } of outcomes) {
    process.stdout.write(output);
    const counts = countTests(output);
    passed += counts?.passed ?? 0;
    failed += counts?.failed ?? 1;
  }
  console.log(`\nall ${AT_ONCE} processes together\nℹ pass ${passed}\nℹ fail ${failed}`);
  return failed > 0 || outcomes.some(({ code }) => code !== 0) ? 1 : 0;
}

if (import.meta.main) {
  const few = "--few-kills";
  const [name = "deno", ...chosen] = process.argv.slice(2).filter((arg) => arg !== few);
  const isFew = process.argv.includes(few);
  const found = await testFiles();
  const all = (await runnable(found)).filter((file) => !isFew || !KILLS.test(file));
  if (name === "oldest") {
    // It runs beside the others.
    const env = {
      NATS_SERVER_SUITE: "bookworm",
      TEST_BACKEND: "NATS",
      DENO_JOBS: `${AT_ONCE}`,
    };
    const stored = all.filter((file) => ON_OLDEST.test(file) && !OF_CONNECTIONS.test(file));
    process.exitCode = await onDeno(chosen.length > 0 ? chosen : stored, env);
  } else if (name === "deno" && chosen.length === 0) {
    process.exitCode = await onDeno(all, {});
  } else if (name === "node" && chosen.length === 0) {
    process.exitCode = await onNode(all);
  } else {
    const isWhole = all.length === found.length;
    const files = chosen.length > 0 || isWhole ? chosen : all.map((file) => `./${file}`);
    const { runtime, args, env } = await testRun(name, files);
    process.exitCode = await run(runtime.bin, args, env);
  }
}
