// What the programs that measure side by side have in common: their options, the server, and what it used.

import { readFile, writeFile } from "node:fs/promises";
import { availableParallelism, cpus } from "node:os";
import process from "node:process";
import { type NatsServer, startNatsServer } from "../tools/nats_server.ts";
import { findBun, findDeno, findNode, type Runtime } from "../tools/runtime.ts";
import type { Kind } from "./report.ts";

/** Who is measured, in this order. */
export const KINDS: readonly Kind[] = ["bare", "aegis"];
/** How often each is run before it is measured. */
export const WARM_UP_ROUNDS = 2;
/** Time for what a measurement leaves behind, such as garbage, before the next begins. */
export const SETTLE_MS = 200;

/** The CPU time of any process, in microseconds, by the ticks of 10 ms that Linux counts; NaN elsewhere. */
export async function cpuUsOf(pid: number): Promise<number> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) * 10_000;
  } catch {
    return NaN; // not Linux
  }
}

/** Shows on a terminal what is being done. */
export function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

/** The runtimes that a flag names. @throws {RangeError} when it names another. */
export async function runtimesOf(names: string): Promise<Runtime[]> {
  const find: Record<string, () => Promise<Runtime>> = {
    deno: findDeno,
    node: findNode,
    bun: findBun,
  };
  const runtimes: Runtime[] = [];
  for (const name of names.split(",")) {
    const found = find[name];
    if (found === undefined) {
      throw new RangeError(`--runtime knows deno, node and bun, not ${name}`);
    }
    runtimes.push(await found());
  }
  return runtimes;
}

/** A whole number of at least 1. @throws {RangeError} when it is none. */
export function count(flag: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1) return value;
  throw new RangeError(`${flag} takes whole numbers of at least 1, not "${text}"`);
}

/** What is run on each runtime, on one server. */
export interface SideBySide<Run> {
  /** What the head of the report says is compared. */
  readonly title: string;
  readonly runtimes: readonly Runtime[];
  /** Where every measurement goes, if it is to. */
  readonly json: string | undefined;
  /** Whether the server has JetStream. */
  readonly jetstream: boolean;
  readonly runOn: (runtime: Runtime, server: NatsServer) => Promise<Run>;
  readonly table: (run: Run) => string;
}

/** Runs it on a fresh server, and prints a table for each runtime. Ends in order when it is interrupted. */
export async function runSideBySide<Run>(options: SideBySide<Run>): Promise<void> {
  const { title, runtimes, json, jetstream, runOn, table } = options;
  const server = await startNatsServer({ jetstream });
  const interrupted = new Promise<never>((_, reject) => {
    for (const name of ["SIGINT", "SIGTERM"] as const) {
      process.once(name, () => reject(new Error(`Ended by ${name}`)));
    }
  });
  interrupted.catch(() => {}); // it may come when nobody waits for it yet
  try {
    const model = cpus()[0]?.model.trim() || "unknown";
    const machine = `${availableParallelism()} × ${model}, nats-server ${server.version}`;
    console.log(title);
    console.log(`${machine}, ${runtimes.map((r) => `${r.name} ${r.version}`).join(", ")}`);
    const runs: Run[] = [];
    for (const runtime of runtimes) {
      const run = await Promise.race([runOn(runtime, server), interrupted]);
      runs.push(run);
      console.log(`\n${table(run)}`);
    }
    if (json !== undefined) {
      await writeFile(json, `${JSON.stringify({ machine, runs }, undefined, 2)}\n`);
    }
  } finally {
    await server.stop();
  }
}

/** Runs a program's main function, and ends the process with it. */
export async function runMain(main: () => Promise<void>): Promise<never> {
  try {
    await main();
    process.exit(0); // signal listeners would keep it
  } catch (error) {
    console.error(error);
    process.exit(1); // what was started ends with this process
  }
}
