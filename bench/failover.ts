// How long callers wait for the next leader of a single-active service: `deno task bench:failover`.

import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type Client, connect, createClient, createLogger } from "../mod.ts";
import { watchChild } from "../tools/guard.ts";
import type { NatsServer } from "../tools/nats_server.ts";
import type { Runtime } from "../tools/runtime.ts";
import { LONG_MS } from "./failover_contract.ts";
import { Load, type Outcome } from "./failover_load.ts";
import { count, progress, runMain, runSideBySide, runtimesOf } from "./run.ts";

/** For how long a leader is frozen, in milliseconds. */
const FROZEN_MS = 5_000;
const HELP = `deno task bench:failover [options]

Three processes of a service of which one leads, and a client that calls a method of the leader every 2 ms. The leader is
killed (kill -9) or stopped, and the gap is the longest time between two answers. What the leader had in hand as it was
killed is answered by nobody; every other call waits for the next leader. One that is frozen (SIGSTOP) stays so for
${
  FROZEN_MS / 1_000
} s, under calls that must find the next one all the while. One that is stopped while busy has slow calls of
the leader in hand, which it finishes, and commands of ${LONG_MS} ms, for which nobody waits. It is an error when a gap is
longer than it may be, or a call fails that began after the next leader had answered.

  --runtime deno,node,bun    where the processes run
  --rounds 7                 how often each is measured
  --json FILE                writes every measurement to FILE`;

const CHILD = fileURLToPath(new URL("failover_child.ts", import.meta.url));

interface Case {
  readonly name: string;
  readonly policy: "aggressive" | "balanced";
  /** What is done to the leader, and within what another one has to answer. */
  readonly signal: "SIGKILL" | "SIGTERM" | "SIGSTOP";
  readonly goalMs: number;
  /** Whether it has work in hand that takes long. */
  readonly isBusy?: boolean;
}

const CASES: readonly Case[] = [
  { name: "kill -9, aggressive", policy: "aggressive", signal: "SIGKILL", goalMs: 1_000 },
  { name: "kill -9, balanced", policy: "balanced", signal: "SIGKILL", goalMs: 3_000 },
  { name: "stop(), aggressive", policy: "aggressive", signal: "SIGTERM", goalMs: 50 },
  { name: "stop(), balanced", policy: "balanced", signal: "SIGTERM", goalMs: 50 },
  {
    name: "stop() while busy",
    policy: "aggressive",
    signal: "SIGTERM",
    goalMs: 50,
    isBusy: true,
  },
  { name: "SIGSTOP, held", policy: "aggressive", signal: "SIGSTOP", goalMs: 1_000 },
];

interface Measured {
  readonly name: string;
  readonly goalMs: number;
  readonly rounds: readonly Outcome[];
}

interface Run {
  readonly runtime: string;
  readonly measured: readonly Measured[];
}

async function start(runtime: Runtime, url: string, policy: string): Promise<ChildProcess> {
  const flags = runtime.name === "deno" ? ["run", "-A", "-q"] : [];
  const child = spawn(runtime.bin, [...flags, CHILD, url, policy], {
    stdio: ["ignore", "pipe", "inherit"],
    detached: true,
  });
  watchChild(child);
  await new Promise((resolve, reject) => {
    child.stdout.once("data", resolve);
    child.once("close", () => reject(new Error("An instance did not start")));
  });
  return child;
}

async function measure(
  runtime: Runtime,
  { url }: NatsServer,
  { name, policy, signal, goalMs, isBusy = false }: Case,
  count: number,
): Promise<Measured> {
  const bus = await connect({ servers: url, logger: createLogger({ level: "silent" }) });
  const client = createClient({ bus });
  const children = new Map<number, ChildProcess>();
  const add = async (): Promise<void> => {
    const child = await start(runtime, url, policy);
    children.set(child.pid!, child);
  };
  const rounds: Outcome[] = [];
  try {
    for (let i = 0; i < 3; i++) await add();
    for (let round = 1; round <= count; round++) {
      progress(`${runtime.name}: ${name}, round ${round} of ${count}`);
      await client.call("payments", "pay", {}, { timeoutMs: 30_000 });
      if (isBusy) await occupy(client);
      const load = new Load(client);
      load.begin(isBusy);
      await until(() => load.answered >= 200);
      const leader = load.leader!;
      if (signal !== "SIGSTOP") children.delete(leader);
      const struckAt = performance.now();
      process.kill(leader, signal);
      await until(() => load.followedAt !== undefined);
      if (signal === "SIGSTOP") {
        await until(() => performance.now() - struckAt >= FROZEN_MS);
        process.kill(leader, "SIGCONT");
      }
      const from = load.answered;
      await until(() => load.answered >= from + 200);
      rounds.push(await load.end());
      if (signal !== "SIGSTOP") await add();
    }
  } finally {
    for (const child of children.keys()) process.kill(child, "SIGKILL");
    await bus.close();
  }
  return { name, goalMs, rounds };
}

/** Gives every instance commands that take long; resolves when they run. */
async function occupy(client: Client): Promise<void> {
  const jobs = await Promise.all(
    Array.from({ length: 12 }, () => client.send("payments", "report")),
  );
  await until(async () => {
    const records = await Promise.all(jobs.map((job) => job.status()));
    return records.every(({ state }) => state === "running");
  });
}

async function until(met: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = performance.now() + 60_000; !await met();) {
    if (performance.now() > end) throw new Error(`Not within a minute: ${met}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** The median and the longest gap. */
function gapsOf(rounds: readonly Outcome[]): { readonly median: number; readonly most: number } {
  const sorted = rounds.map(({ gapMs }) => gapMs).sort((a, b) => a - b);
  return { median: sorted[sorted.length >> 1]!, most: sorted.at(-1)! };
}

/** The failures of all rounds together. */
function failuresOf(rounds: readonly Outcome[], of: "inHand" | "late"): string {
  const counts = new Map<string, number>();
  for (const round of rounds) {
    for (const [code, times] of Object.entries(round[of])) {
      counts.set(code, (counts.get(code) ?? 0) + times);
    }
  }
  return [...counts].map(([code, times]) => `${times} ${code}`).join(", ") || "none";
}

/** What is not as it has to be. */
function faultsOf({ runtime, measured }: Run): string[] {
  return measured.flatMap(({ name, goalMs, rounds }) => {
    const { most } = gapsOf(rounds);
    const late = failuresOf(rounds, "late");
    return [
      ...most < goalMs ? [] : [`${runtime}, ${name}: ${most.toFixed(0)} ms without an answer`],
      ...late === "none" ? [] : [`${runtime}, ${name}: calls of the next leader failed: ${late}`],
    ];
  });
}

function table({ runtime, measured }: Run): string {
  const lines = measured.map(({ name, goalMs, rounds }) => {
    const { median, most } = gapsOf(rounds);
    const answered = rounds.reduce((sum, round) => sum + round.answered, 0).toLocaleString("en");
    const [inHand, late] = [failuresOf(rounds, "inHand"), failuresOf(rounds, "late")];
    return [
      name.padEnd(22),
      `${median.toFixed(0)} ms`.padStart(9),
      `${most.toFixed(0)} ms`.padStart(9),
      `< ${goalMs} ms`.padStart(11),
      (most < goalMs ? "ok" : "MISSED").padStart(7),
      ` ${answered} answered, failed in hand: ${inHand}, later: ${late}`,
    ].join(" ");
  });
  const head = `${runtime.padEnd(22)} ${"median".padStart(9)} ${"longest".padStart(9)} ${
    "goal".padStart(11)
  }`;
  return [head, ...lines].join("\n");
}

await runMain(async () => {
  const { values } = parseArgs({
    options: {
      runtime: { type: "string", default: "deno,node,bun" },
      rounds: { type: "string", default: "7" },
      json: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return console.log(HELP);
  const rounds = count("--rounds", values.rounds);
  const faults: string[] = [];
  await runSideBySide<Run>({
    title:
      "Failover: the longest time without an answer for a client that calls the leader every 2 ms",
    runtimes: await runtimesOf(values.runtime),
    json: values.json,
    jetstream: true,
    runOn: async (runtime, server) => {
      const measured: Measured[] = [];
      for (const one of CASES) measured.push(await measure(runtime, server, one, rounds));
      progress("");
      const run = { runtime: runtime.name, measured };
      faults.push(...faultsOf(run));
      return run;
    },
    table,
  });
  if (faults.length > 0) throw new Error(faults.join("\n"));
});
