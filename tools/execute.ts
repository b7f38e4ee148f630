// Runs a program to its end and keeps what it prints.

import { spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../", import.meta.url));

/** How a program has ended. */
export interface Outcome {
  /** Its exit code, 1 where it has none. */
  readonly code: number;
  /** What it printed, on standard output and error. */
  readonly output: string;
}

/** Where a program runs, and for how long. */
export interface ExecuteOptions {
  /** The folder. @default that of the repository */
  readonly cwd?: string;
  /** What its environment has beside that of this process. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** How long it may take, in milliseconds. @default ten minutes */
  readonly limitMs?: number;
}

/** Runs a program, which is killed when it takes too long; `deno` is the Deno that runs this. */
export function execute(
  [program = "", ...args]: readonly string[],
  { cwd = ROOT, env = {}, limitMs = 600_000 }: ExecuteOptions = {},
): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = spawn(program === "deno" ? process.execPath : program, args, {
      cwd,
      env: { ...process.env, NO_COLOR: "1", ...env },
      stdio: ["ignore", "pipe", "pipe"],
      // On Windows npm and npx are no programs, but scripts of its shell.
      shell: process.platform === "win32" && /^np[mx]$/.test(program),
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => output += text);
    }
    const limit = setTimeout(() => {
      output += `\nended after ${limitMs / 1000} s`;
      child.kill("SIGKILL");
    }, limitMs);
    const done = (code: number) => {
      clearTimeout(limit);
      resolve({ code, output });
    };
    child.once("error", (error) => {
      output += error.message;
      done(1);
    });
    child.once("close", (code) => done(code ?? 1));
  });
}

/** What a program prints that has to end well. @throws {Error} with what it printed, when it does not. */
export async function mustExecute(
  command: readonly string[],
  options?: ExecuteOptions,
): Promise<string> {
  const { code, output } = await execute(command, options);
  if (code === 0) return output;
  throw new Error(`${command.join(" ")} ended with ${code}:\n${output}`);
}
