// How long callers wait for the next leader of a single-active service: `deno task bench:failover`.

import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { AegisError, type Client, connect, createClient, createLogger } from "../mod.ts";
import { watchProcess } from "../tools/guard.ts";
import type { NatsServer } from "../tools/nats_server.ts";
import type { Runtime } from "../tools/runtime.ts";
import { count, progress, runMain, runSideBySide, runtimesOf } from "./run.ts";

const HELP = `deno task bench:failover [options]

Three processes of a service of which one leads, and a client that calls a method of the leader every 2 ms. The leader is
killed (kill -9) or stopped, and the gap is the longest time between two answers. What the leader had in hand as it was
killed is answered by nobody; every other call waits for the next leader.

  --runtime deno,node,bun    where the processes run
  --rounds 7                 how often each is measured
  --json FILE                writes every measurement to FILE`;

const EVERY_MS = 2;
const CHILD = fileURLToPath(new URL("failover_child.ts", import.meta.url));

/** What is done to the leader, and within what another one has to answer. */
const CASES = [
  { name: "kill -9, aggressive", policy: "aggressive", signal: "SIGKILL", goalMs: 1_000 },
  { name: "kill -9, balanced", policy: "balanced", signal: "SIGKILL", goalMs: 3_000 },
  { name: "stop(), aggressive", policy: "aggressive", signal: "SIGTERM", goalMs: 50 },
  { name: "stop(), balanced", policy: "balanced", signal: "SIGTERM", goalMs: 50 },
] as const;

type Case = typeof CASES[number];

interface Measured {
  readonly name: string;
  readonly goalMs: number;
  readonly gapsMs: readonly number[];
  readonly answered: number;
  /** Calls that failed, by code, all rounds together. */
  readonly failures: Readonly<Record<string, number>>;
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
  if (child.pid !== undefined) watchProcess(child.pid);
  await new Promise((resolve, reject) => {
    child.stdout.once("data", resolve);
    child.once("close", () => reject(new Error("An instance did not start")));
  });
  return child;
}

type Answer = readonly [instance: string, token: number, pid: number];

/** Calls until `isOver` says so; the longest time between two answers. */
async function load(
  client: Client,
  failures: Record<string, number>,
  onAnswer: (answer: Answer) => void,
  isOver: () => boolean,
): Promise<{ readonly gapMs: number; readonly answered: number }> {
  let lastAt = performance.now(), gapMs = 0, answered = 0;
  const calls: Promise<void>[] = [];
  for (let next = lastAt; !isOver(); next += EVERY_MS) {
    const wait = next - performance.now();
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    calls.push(
      client.call<Answer>("payments", "pay").then((answer) => {
        const now = performance.now();
        gapMs = Math.max(gapMs, now - lastAt);
        lastAt = now;
        answered++;
        onAnswer(answer);
      }, (error) => {
        const code = AegisError.is(error) ? error.code : String(error);
        failures[code] = (failures[code] ?? 0) + 1;
      }),
    );
  }
  await Promise.all(calls);
  return { gapMs, answered };
}

async function measure(
  runtime: Runtime,
  { url }: NatsServer,
  { name, policy, signal, goalMs }: Case,
  rounds: number,
): Promise<Measured> {
  const bus = await connect({ servers: url, logger: createLogger({ level: "silent" }) });
  const client = createClient({ bus });
  const children = new Map<number, ChildProcess>();
  const add = async (): Promise<void> => {
    const child = await start(runtime, url, policy);
    children.set(child.pid!, child);
  };
  const gapsMs: number[] = [];
  const failures: Record<string, number> = {};
  let answered = 0;
  try {
    for (let i = 0; i < 3; i++) await add();
    for (let round = 1; round <= rounds; round++) {
      progress(`${runtime.name}: ${name}, round ${round} of ${rounds}`);
      await client.call("payments", "pay", {}, { timeoutMs: 30_000 });
      let leader = 0, from = 0, after = 0;
      const result = await load(client, failures, ([, token, pid]) => {
        if (from === 0) [leader, from] = [pid, token];
        else if (token > from) after++;
        if (++answered % 200 === 0 && after === 0 && children.has(leader)) {
          children.delete(leader);
          process.kill(leader, signal);
        }
      }, () => after >= 200);
      gapsMs.push(result.gapMs);
      await add();
    }
  } finally {
    for (const child of children.keys()) process.kill(child, "SIGKILL");
    await bus.close();
  }
  return { name, goalMs, gapsMs, answered, failures };
}

function table({ runtime, measured }: Run): string {
  const lines = measured.map(({ name, goalMs, gapsMs, answered, failures }) => {
    const sorted = gapsMs.toSorted((a, b) => a - b);
    const median = sorted[sorted.length >> 1]!, most = sorted.at(-1)!;
    const failed = Object.entries(failures).map(([code, times]) => `${times} ${code}`).join(", ");
    const verdict = most < goalMs ? "ok" : median < goalMs ? "mostly" : "MISSED";
    return [
      name.padEnd(22),
      `${median.toFixed(0)} ms`.padStart(9),
      `${most.toFixed(0)} ms`.padStart(9),
      `< ${goalMs} ms`.padStart(11),
      verdict.padStart(7),
      ` ${answered.toLocaleString("en")} answered, ${failed === "" ? "none" : failed} failed`,
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
      return { runtime: runtime.name, measured };
    },
    table,
  });
});
