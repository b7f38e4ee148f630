// The gate: every check and every test, in turn. `--all` goes on after a failure; `--npx` runs the README's
// commands as they stand there.

import { existsSync, readdirSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { execute, type Outcome } from "./execute.ts";
import { ENTRIES } from "./layers.ts";
import { countTests } from "./test_counts.ts";
import { testFailures } from "./test_failures.ts";

interface Step {
  readonly name: string;
  /** The command; `deno` is the Deno that runs this. */
  readonly command: readonly string[];
  /** Whether its output ends with a test runner's summary. */
  readonly tests?: boolean;
  /** Whether it runs side by side with the one before it. */
  readonly beside?: boolean;
}

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const DENO = process.argv.includes("--npx") ? ["npx", "-y", "deno@2"] : ["deno"];
const PAGES = readdirSync(`${ROOT}docs`).filter((file) => file.endsWith(".md"))
  .map((file) => `docs/${file}`);
const DOCUMENTS = [...ENTRIES, "src", "README.md"].filter((path) => existsSync(`${ROOT}${path}`));

/** How long a step may take, in milliseconds, on a machine that is busy with other things too. */
const STEP_MS = 1_800_000;

const STEPS: readonly Step[] = [
  { name: "install", command: ["deno", "install"] },
  { name: "runtimes", command: ["deno", "run", "-A", "tools/runtime.ts"] },
  { name: "servers", command: ["deno", "run", "-A", "tools/nats_binary.ts", "bookworm"] },
  { name: "fmt", command: ["deno", "fmt", "--check"] },
  { name: "lint", command: ["deno", "lint"] },
  { name: "check", command: ["deno", "check"] },
  { name: "doc lint", command: ["deno", "doc", "--lint", ...ENTRIES] },
  { name: "layers", command: ["deno", "run", "-A", "tools/check_layers.ts"] },
  { name: "edge", command: ["deno", "task", "size"] },
  { name: "exports", command: ["deno", "run", "-A", "tools/check_exports.ts"] },
  { name: "manifest", command: ["deno", "run", "-A", "tools/check_manifest.ts"] },
  { name: "version", command: ["deno", "run", "-A", "tools/check_version.ts"] },
  { name: "docs", command: ["deno", "run", "-A", "tools/check_docs.ts"] },
  { name: "npm package", command: ["deno", "run", "-A", "tools/try_npm.ts"] },
  { name: "demo", command: [...DENO, "task", "demo"] },
  // They wait more than they work: two side by side take little longer than one.
  { name: "tests on Deno", command: [...DENO, "task", "test"], tests: true },
  {
    name: "tests on the oldest server",
    command: ["deno", "task", "test:oldest"],
    tests: true,
    beside: true,
  },
  { name: "tests on Bun", command: ["deno", "task", "test:bun", "--few-kills"], tests: true },
  {
    name: "tests on Node",
    command: ["deno", "task", "test:node", "--few-kills"],
    tests: true,
    beside: true,
  },
  {
    name: "doc tests",
    command: ["deno", "test", "-A", "--doc", ...DOCUMENTS, ...PAGES],
    tests: true,
  },
  { name: "publish", command: ["deno", "publish", "--dry-run", "--allow-dirty"] },
];

/** Runs the steps, up to the first that fails; the number of tests passed, and of tests or steps failed. */
async function main(): Promise<{ passed: number; failed: number }> {
  let passed = 0;
  let failed = 0;
  const running = new Map<Step, { readonly start: number; readonly outcome: Promise<Outcome> }>();
  const begin = (step: Step): void => {
    if (running.has(step)) return;
    running.set(step, {
      start: performance.now(),
      outcome: execute(step.command, { limitMs: STEP_MS }),
    });
  };
  for (const [index, step] of STEPS.entries()) {
    const { name, command, tests } = step;
    begin(step);
    const next = STEPS[index + 1];
    if (next?.beside) begin(next);
    const { start, outcome } = running.get(step)!;
    const { code, output } = await outcome;
    const seconds = `${((performance.now() - start) / 1000).toFixed(1)} s`;
    const counts = tests ? countTests(output) : { passed: 0, failed: 0 };
    passed += counts?.passed ?? 0;
    if (
      code === 0 && counts !== undefined && counts.failed === 0 && !(tests && counts.passed === 0)
    ) {
      console.log(`ok    ${name}, ${seconds}${tests ? `, ${counts.passed} passed` : ""}`);
      continue;
    }
    const reason = code === 0 ? "no test is named as passed" : `exit code ${code}`;
    console.log(`${output}\nFAIL  ${name}, ${seconds}: ${reason}\n      ${command.join(" ")}`);
    for (const failure of tests ? testFailures(output) : []) console.log(`      ${failure}`);
    failed += Math.max(1, counts?.failed ?? 0);
    if (!process.argv.includes("--all")) break;
  }
  return { passed, failed };
}

const { passed, failed } = await main();
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
