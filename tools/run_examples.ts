// Runs every example, embedded and on a server; each ends by itself, without a failure.

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { startNatsServer } from "./nats_server.ts";
import { findDeno } from "./runtime.ts";

const FOLDER = fileURLToPath(new URL("../examples/", import.meta.url));
const MAX_LINES = 60;
const TIMEOUT_MS = 60_000;

/** Numbered examples: `01_name.ts` runs alone, `02_name_service.ts` beside `02_name_client.ts`, on a server. */
async function main(): Promise<number> {
  const files = await readdir(FOLDER);
  const examples = files.filter((name) => /^\d+_.*\.ts$/.test(name)).sort();
  if (examples.length === 0) throw new Error("There is no example in examples/");
  const { bin } = await findDeno();
  await using server = await startNatsServer();
  const faults: string[] = [];
  const run = async (servers: string, name: string, ...rest: string[]) => {
    try {
      await promisify(execFile)(bin, ["run", "-A", `${FOLDER}${name}`, ...rest], {
        env: { ...process.env, AEGIS_SERVERS: servers },
        timeout: TIMEOUT_MS,
        killSignal: "SIGKILL",
      });
    } catch (error) {
      const { stdout, stderr, message } = error as Error & Record<"stdout" | "stderr", string>;
      faults.push(`examples/${name} fails on ${servers}: ${message}\n${stdout}${stderr}`);
    }
  };
  for (const name of examples) {
    const lines = (await readFile(`${FOLDER}${name}`, "utf8")).trimEnd().split("\n").length;
    if (lines > MAX_LINES) {
      faults.push(`examples/${name} has ${lines} lines, allowed are ${MAX_LINES}`);
    }
    const client = name.replace(/_service\.ts$/, "_client.ts");
    if (client !== name && examples.includes(client)) {
      const service = await startService(bin, name, server.url);
      await run(server.url, client);
      const code = await endService(service);
      if (code !== 0) faults.push(`examples/${name} ends with ${code} on SIGTERM`);
    } else if (!/_client\.ts$/.test(name)) {
      await run("memory:", name);
      await run(server.url, name);
    }
  }
  await run(server.url, "demo.ts", "--servers", server.url);
  for (const fault of faults) console.error(fault);
  console.log(`examples: ${examples.length} and the demo, ${faults.length} faults`);
  return faults.length;
}

/** Resolves at the first line that the service prints, at the latest when it has ended. */
function startService(bin: string, name: string, servers: string): Promise<ChildProcess> {
  const child = spawn(bin, ["run", "-A", `${FOLDER}${name}`], {
    env: { ...process.env, AEGIS_SERVERS: servers },
    stdio: ["ignore", "pipe", "pipe"],
  });
  return new Promise((resolve) => {
    const done = () => resolve(child);
    child.stdout.on("data", (text) => String(text).trim() && done());
    child.stderr.on("data", (text) => process.stderr.write(text));
    child.once("exit", done);
    setTimeout(done, TIMEOUT_MS).unref();
  });
}

async function endService(child: ChildProcess): Promise<number | NodeJS.Signals | null> {
  if (child.exitCode !== null || child.pid === undefined) return null; // over before it was asked to end
  const ended = new Promise<number | NodeJS.Signals | null>((resolve) => {
    child.once("exit", (code, signal) => resolve(code ?? signal));
  });
  // Not child.kill(), after which Deno reports the signal whatever the exit code was.
  process.kill(child.pid, "SIGTERM");
  const force = setTimeout(() => child.kill("SIGKILL"), TIMEOUT_MS);
  const code = await ended;
  clearTimeout(force);
  return code;
}

process.exitCode = await main() === 0 ? 0 : 1;
