// Commands side by side with a work queue by hand in one run, on each runtime: `deno task bench:commands`.

import process from "node:process";
import { parseArgs } from "node:util";
import type { NatsServer } from "../tools/nats_server.ts";
import type { Runtime } from "../tools/runtime.ts";
import { type Child, startChild } from "./child.ts";
import type { ClientOrder, Sent, Together } from "./command_contract.ts";
import {
  type Case,
  CASES,
  type CommandRun,
  type CommandSample,
  commandTable,
} from "./command_report.ts";
import { type StreamWatcher, watchStreams } from "./command_streams.ts";
import type { Usage } from "./orders.ts";
import type { Kind } from "./report.ts";
import {
  count,
  cpuUsOf,
  KINDS,
  progress,
  runMain,
  runSideBySide,
  runtimesOf,
  SETTLE_MS,
  WARM_UP_ROUNDS,
} from "./run.ts";

const TOGETHER = "together";
const NAMES = [...CASES.map(({ name }) => name), TOGETHER];

const HELP = `deno task bench:commands [options]

Sends commands and waits for their results through this SDK ("aegis": with a record, validated by valibot, results stored)
and through a work queue by hand in nats.js alone ("bare": without a record, results told once), one sender and one
worker process each, in turns on a fresh nats-server that stores in files.

  --runtime deno,node,bun    where to run
  --rounds 5                 how often each is measured; the table shows medians
  --only NAMES               what of ${NAMES.join(",")}
  --commands 20000           commands of a measurement; an eighth of it where they are sent one at a time
  --json FILE                writes every measurement to FILE`;

interface Options {
  readonly rounds: number;
  readonly cases: readonly Case[];
  readonly together: boolean;
  readonly commands: number;
}

/** One sender and one worker process. */
interface Pair {
  readonly client: Child;
  readonly worker: Child;
}

/** What the measurements of one runtime have in common. */
interface Bench {
  readonly pairs: Record<Kind, Pair>;
  readonly streams: StreamWatcher;
  readonly serverPid: number;
  readonly commands: number;
}

async function runOn(
  runtime: Runtime,
  server: NatsServer,
  { rounds, cases, together: isTogether, commands }: Options,
): Promise<CommandRun> {
  const children: Child[] = [];
  const start = async (kind: Kind, role: string): Promise<Child> => {
    const child = await startChild(runtime, "command_child.ts", [kind, role, server.url]);
    children.push(child);
    return child;
  };
  const streams = await watchStreams(server.url);
  try {
    const pairs = {} as Record<Kind, Pair>;
    for (const kind of KINDS) {
      const worker = await start(kind, "worker");
      pairs[kind] = { worker, client: await start(kind, "client") };
    }
    const bench: Bench = { pairs, streams, serverPid: server.pid, commands };
    const samples: CommandSample[] = [];
    const together: Together[] = [];
    for (let round = 1 - WARM_UP_ROUNDS; round <= rounds; round++) {
      const which = round < 1 ? "warm-up" : `round ${round} of ${rounds}`;
      for (const one of cases) {
        progress(`${runtime.name}: ${one.label}, ${which}`);
        for (const kind of KINDS) {
          const sample = await measure(bench, kind, one, round);
          if (round >= 1) samples.push(sample);
        }
      }
      if (!isTogether) continue;
      progress(`${runtime.name}: running at once, ${which}`);
      const one = await ask<Together>(pairs.aegis.client, { do: "together" });
      await streams.whenDone("aegis");
      if (round >= 1) together.push(one);
    }
    return { runtime: runtime.name, version: runtime.version, samples, together };
  } finally {
    progress("");
    await Promise.all(children.map((child) => child.stop()));
    await streams.close();
  }
}

async function measure(
  { pairs, streams, serverPid, commands: total }: Bench,
  kind: Kind,
  { name, inFlight, reports }: Case,
  round: number,
): Promise<CommandSample> {
  const { client, worker } = pairs[kind];
  const others = pairs[kind === "bare" ? "aegis" : "bare"];
  const usage = async (child: Child): Promise<number> =>
    (await child.ask<Usage>({ do: "usage" })).cpuUs;
  const othersUsage = async (): Promise<number> =>
    await usage(others.client) + await usage(others.worker);
  const commands = inFlight === 1 ? Math.ceil(total / 8) : total;

  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  const storedBefore = await streams.stored(kind);
  const othersBefore = await othersUsage();
  const clientBefore = await usage(client);
  const workerBefore = await usage(worker);
  const serverBefore = await cpuUsOf(serverPid);
  const { ms, heard, p50Ms, p99Ms } = await ask<Sent>(client, {
    do: "send",
    commands,
    inFlight,
    reports,
  });
  const clientUs = await usage(client) - clientBefore;
  const workerUs = await usage(worker) - workerBefore;
  const serverUs = await cpuUsOf(serverPid) - serverBefore;
  const othersUs = await othersUsage() - othersBefore;
  // What was told is acknowledged too; and all reports have come.
  await streams.whenDone(kind);
  if (kind === "bare" && heard !== commands * reports) {
    throw new Error(`${heard} reports of ${commands} commands were heard`);
  }
  const stored = await streams.stored(kind) - storedBefore;
  if (kind === "aegis") await streams.emptyRecords();
  return {
    round,
    kind,
    case: name,
    commandsPerSecond: commands / ms * 1_000,
    clientCpuUs: clientUs / commands,
    workerCpuUs: workerUs / commands,
    serverCpuUs: serverUs / commands,
    stored: stored / commands,
    ...(p50Ms === undefined || p99Ms === undefined ? {} : { p50Ms, p99Ms }),
    othersShare: othersUs / (ms * 1_000),
  };
}

async function ask<Answer>(child: Child, order: ClientOrder): Promise<Answer> {
  return await child.ask<Answer>({ ...order });
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      runtime: { type: "string", default: "deno,node,bun" },
      rounds: { type: "string", default: "5" },
      only: { type: "string", default: NAMES.join(",") },
      commands: { type: "string", default: "20000" },
      json: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    process.exit(0);
  }
  const names = values.only.split(",");
  for (const name of names) {
    if (!NAMES.includes(name)) {
      throw new RangeError(`--only knows ${NAMES.join(", ")}, not ${name}`);
    }
  }
  const options: Options = {
    rounds: count("--rounds", values.rounds),
    cases: CASES.filter(({ name }) => names.includes(name)),
    together: names.includes(TOGETHER),
    commands: count("--commands", values.commands),
  };
  await runSideBySide({
    title:
      `Commands, this SDK (aegis) against a work queue by hand (bare), medians of ${options.rounds} rounds`,
    runtimes: await runtimesOf(values.runtime),
    json: values.json,
    jetstream: true,
    runOn: (runtime, server) => runOn(runtime, server, options),
    table: commandTable,
  });
}

if (import.meta.main) await runMain(main);
