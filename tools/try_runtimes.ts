// What runs where, as a table: the tests on every runtime, Deno with the least permissions, and compiled programs.
// `try_runtimes.ts [--only name,name]`; the table of docs/runtimes.md is what it prints.

import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { buildNpm, packNpm } from "./build_npm.ts";
import { ensureChromium } from "./chromium.ts";
import { execute, mustExecute } from "./execute.ts";
import { startNatsServer } from "./nats_server.ts";
import { TEST_RUNTIMES, testRun } from "./run_tests.ts";
import { findBun, findDeno, findNode } from "./runtime.ts";
import { countTests } from "./test_counts.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const EXAMPLES = ["01_rpc.ts", "08_events.ts", "11_commands.ts"] as const;
const LIMIT_MS = 1_800_000;

/** A line of the table; `why` says why something was not or did not run. */
interface Row {
  readonly where: string;
  readonly what: string;
  readonly outcome: string;
  readonly failed?: boolean;
  readonly why?: string;
}

const NAMES: Readonly<Record<string, string>> = { deno: "Deno", bun: "Bun", node: "Node" };

/** The test files on one runtime. */
async function tests(name: string): Promise<Row> {
  const { runtime, args, env } = await testRun(name);
  const { code, output } = await execute([runtime.bin, ...args], { env, limitMs: LIMIT_MS });
  const counts = countTests(output);
  const failed = code !== 0 || counts === undefined || counts.failed > 0;
  return {
    where: `${NAMES[runtime.name]} ${runtime.version}`,
    what: /\d/.test(name) ? "the test files, on the package as npm has it" : "the test files",
    outcome: `${counts?.passed ?? 0} passed, ${counts?.failed ?? "none"} failed`,
    failed,
    ...(failed ? { why: output } : {}),
  };
}

/** Programs of services and clients with the least that Deno has to permit. */
async function permissions(): Promise<Row> {
  const { bin, version } = await findDeno();
  const file = "test/runtime/deno_permissions_test.ts";
  const { code, output } = await execute([bin, "test", "-A", file]);
  return {
    where: `Deno ${version}`,
    what: "examples with the least permissions",
    outcome: code === 0 ? "run, embedded and on a server" : "fails",
    failed: code !== 0,
    ...(code === 0 ? {} : { why: output }),
  };
}

/** Workers and a Durable Object in Cloudflare's workerd, which Node starts. */
async function workers(): Promise<Row> {
  const [{ bin }, { default: miniflare }] = await Promise.all([
    findNode(),
    import("miniflare/package.json", { with: { type: "json" } }),
  ]);
  const where = `workerd ${miniflare.dependencies.workerd}`;
  const command = [bin, "--test", "test/runtime/workerd_test.ts"];
  return await oneFile(where, "workers, and a service in a Durable Object", command);
}

/** The page of the examples in a browser. */
async function browser(): Promise<Row> {
  const [{ bin }, { version }] = await Promise.all([findDeno(), ensureChromium()]);
  const command = [bin, "test", "-A", "test/runtime/browser_test.ts"];
  return await oneFile(`Chromium ${version}`, "the page of `examples/browser`", command);
}

/** One file of tests, which may not be left out. */
async function oneFile(where: string, what: string, command: readonly string[]): Promise<Row> {
  const { code, output } = await execute(command);
  const counts = countTests(output);
  const failed = code !== 0 || counts === undefined || counts.failed > 0 || counts.passed === 0;
  const outcome = `${counts?.passed ?? 0} passed, ${counts?.failed ?? "none"} failed`;
  return { where, what, outcome, failed, ...(failed ? { why: output } : {}) };
}

/** Examples as executables that Bun has made of the installed package. */
async function bunCompile(): Promise<Row> {
  const { bin, version } = await findBun();
  const manifest = await buildNpm();
  return await compiled(`Bun ${version}`, "`bun build --compile`", async (folder, example) => {
    await writeFile(join(folder, "package.json"), `{"type":"module","private":true}`);
    const packages = [await packNpm(manifest), `valibot@${manifest.dependencies["valibot"]}`];
    await mustExecute([bin, "add", "--silent", ...packages], { cwd: folder });
    await cp(join(ROOT, "examples", example), join(folder, example));
    const made = executable(folder, example);
    await mustExecute([bin, "build", "--compile", example, "--outfile", made], { cwd: folder });
    return made;
  });
}

/** Examples as executables that Deno has made of the source. It fetches a part of itself for that. */
async function denoCompile(): Promise<Row> {
  const { bin, version } = await findDeno();
  const compile = (made: string, example: string, env?: Record<string, string>) =>
    mustExecute([bin, "compile", "-A", "-o", made, join("examples", example)], { env });
  const what = "`deno compile`";
  const row = await compiled(`Deno ${version}`, what, async (folder, example) => {
    const made = executable(folder, example);
    await compile(made, example);
    return made;
  });
  if (row.failed || row.why === undefined) return row;
  // It is packed all the same, with Deno itself for what is missing, which makes no program of it.
  const folder = await mkdtemp(join(tmpdir(), "aegis-compile-"));
  try {
    const [example] = EXAMPLES;
    await compile(executable(folder, example), example, { DENORT_BIN: bin });
    return { ...row, outcome: `packed, ${row.outcome}` };
  } catch (error) {
    return { ...row, outcome: "fails", failed: true, why: (error as Error).message };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function executable(folder: string, example: string): string {
  return join(folder, basename(example, ".ts") + (process.platform === "win32" ? ".exe" : ""));
}

/** Makes executables of the examples and runs each, embedded and on a server, outside of the repository. */
async function compiled(
  where: string,
  what: string,
  make: (folder: string, example: string) => Promise<string>,
): Promise<Row> {
  const folder = await mkdtemp(join(tmpdir(), "aegis-compile-"));
  try {
    await using server = await startNatsServer();
    for (const example of EXAMPLES) {
      const made = await make(folder, example);
      for (const servers of ["memory:", server.url]) {
        await mustExecute([made, servers], { cwd: folder, limitMs: 60_000 });
      }
    }
    return { where, what, outcome: `${EXAMPLES.length} examples run, embedded and on a server` };
  } catch (error) {
    const why = (error as Error).message;
    // Deno's npm package lacks what its executables are made of, which comes from a site of its own.
    const unreachable = /denort|dl\.deno\.land/.test(why) &&
      /dns error|error sending request/.test(why);
    return unreachable
      ? {
        where,
        what,
        outcome: "not run: its runtime could not be fetched",
        why,
      }
      : { where, what, outcome: "fails", failed: true, why };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const TRIALS: Readonly<Record<string, () => Promise<Row>>> = {
  ...Object.fromEntries(TEST_RUNTIMES.map((name) => [name, () => tests(name)])),
  permissions,
  workers,
  browser,
  "bun-compile": bunCompile,
  "deno-compile": denoCompile,
};

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { only: { type: "string" } } });
  const chosen = values.only?.split(",") ?? Object.keys(TRIALS);
  const unknown = chosen.find((name) => !(name in TRIALS));
  if (unknown !== undefined) {
    throw new RangeError(`"${unknown}" is none of ${Object.keys(TRIALS).join(", ")}`);
  }
  const rows: Row[] = [];
  for (const name of chosen) {
    console.error(`${name} …`);
    const row = await TRIALS[name]!();
    if (row.why !== undefined) console.error(row.why);
    rows.push(row);
  }
  console.log("| where | what | outcome |\n| --- | --- | --- |");
  for (const { where, what, outcome } of rows) console.log(`| ${where} | ${what} | ${outcome} |`);
  return rows.filter(({ failed }) => failed).length;
}

process.exitCode = await main() === 0 ? 0 : 1;
