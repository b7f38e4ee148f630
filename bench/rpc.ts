// RPC side by side with bare nats.js in one run, on each runtime: `deno task bench`.

import process from "node:process";
import { parseArgs } from "node:util";
import type { NatsServer } from "../tools/nats_server.ts";
import type { Runtime } from "../tools/runtime.ts";
import { type Child, startChild } from "./child.ts";
import type { Usage } from "./orders.ts";
import { type Kind, type RuntimeRun, type Sample, table } from "./report.ts";
import type { Called } from "./rpc_client.ts";
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

const HELP = `deno task bench [options]

Calls a service through this SDK ("aegis": whole envelope, validated by valibot) and through nats.js alone ("bare":
nc.request() with JSON), one client and one service process each, in turns on a fresh nats-server.

  --runtime deno,node,bun    where to run
  --rounds 5                 how often each is measured; the table shows medians
  --in-flight 64,256,1024    calls at a time
  --calls 40000              calls of a measurement; an eighth of it where they are made one at a time
  --json FILE                writes every measurement to FILE`;

interface Options {
  readonly runtimes: readonly Runtime[];
  readonly rounds: number;
  readonly levels: readonly number[];
  readonly calls: number;
}

/** One client and one service process. */
interface Pair {
  readonly client: Child;
  readonly service: Child;
}

async function runOn(runtime: Runtime, server: NatsServer, options: Options): Promise<RuntimeRun> {
  const children: Child[] = [];
  const start = async (script: string, kind: Kind): Promise<Child> => {
    const child = await startChild(runtime, script, [kind, server.url]);
    children.push(child);
    return child;
  };
  try {
    const pairs = {} as Record<Kind, Pair>;
    for (const kind of KINDS) {
      const service = await start("rpc_service.ts", kind);
      pairs[kind] = { service, client: await start("rpc_client.ts", kind) };
    }
    const samples: Sample[] = [];
    for (let round = 1 - WARM_UP_ROUNDS; round <= options.rounds; round++) {
      progress(`${runtime.name}: ${round < 1 ? "warm-up" : `round ${round} of ${options.rounds}`}`);
      for (const inFlight of [1, ...options.levels]) {
        for (const kind of KINDS) {
          const sample = await measure(pairs, kind, round, inFlight, options.calls, server.pid);
          if (round >= 1) samples.push(sample);
        }
      }
    }
    return { runtime: runtime.name, version: runtime.version, samples };
  } finally {
    progress("");
    await Promise.all(children.map((child) => child.stop()));
  }
}

async function measure(
  pairs: Record<Kind, Pair>,
  kind: Kind,
  round: number,
  inFlight: number,
  total: number,
  serverPid: number,
): Promise<Sample> {
  const { client, service } = pairs[kind];
  const others = pairs[kind === "bare" ? "aegis" : "bare"];
  const usage = async (child: Child): Promise<number> =>
    (await child.ask<Usage>({ do: "usage" })).cpuUs;
  const othersUsage = async (): Promise<number> =>
    await usage(others.client) + await usage(others.service);
  const calls = inFlight === 1 ? Math.ceil(total / 8) : total;

  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  const othersBefore = await othersUsage();
  const serviceBefore = await usage(service);
  const serverBefore = await cpuUsOf(serverPid);
  const { ms, cpuUs, p50Ms, p99Ms } = await client.ask<Called>({ do: "call", calls, inFlight });
  const serviceUs = await usage(service) - serviceBefore;
  const serverUs = await cpuUsOf(serverPid) - serverBefore;
  const othersUs = await othersUsage() - othersBefore;
  return {
    round,
    inFlight,
    kind,
    callsPerSecond: calls / ms * 1_000,
    clientCpuUs: cpuUs / calls,
    serviceCpuUs: serviceUs / calls,
    serverCpuUs: serverUs / calls,
    ...(p50Ms === undefined || p99Ms === undefined ? {} : { p50Ms, p99Ms }),
    othersShare: othersUs / (ms * 1_000),
  };
}

async function parse(): Promise<Options & { readonly json: string | undefined }> {
  const { values } = parseArgs({
    options: {
      runtime: { type: "string", default: "deno,node,bun" },
      rounds: { type: "string", default: "5" },
      "in-flight": { type: "string", default: "64,256,1024" },
      calls: { type: "string", default: "40000" },
      json: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    process.exit(0);
  }
  return {
    runtimes: await runtimesOf(values.runtime),
    rounds: count("--rounds", values.rounds),
    levels: values["in-flight"].split(",").map((level) => count("--in-flight", level)),
    calls: count("--calls", values.calls),
    json: values.json,
  };
}

async function main(): Promise<void> {
  const { json, ...options } = await parse();
  await runSideBySide({
    title: `RPC, this SDK (aegis) against bare nats.js, medians of ${options.rounds} rounds`,
    runtimes: options.runtimes,
    json,
    jetstream: false,
    runOn: (runtime, server) => runOn(runtime, server, options),
    table: table,
  });
}

if (import.meta.main) await runMain(main);
