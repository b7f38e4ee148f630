// The KV store side by side with bare @nats-io/kv in one run, on each runtime: `deno task bench:kv`.

import process from "node:process";
import { parseArgs } from "node:util";
import type { NatsServer } from "../tools/nats_server.ts";
import type { Runtime } from "../tools/runtime.ts";
import { type Child, startChild } from "./child.ts";
import type { KvMeasured, KvWork } from "./kv_contract.ts";
import { type KvRun, type KvSample, kvTable, WORKS } from "./kv_report.ts";
import type { Usage } from "./orders.ts";
import type { Kind } from "./report.ts";
import {
  count,
  KINDS,
  progress,
  runMain,
  runSideBySide,
  runtimesOf,
  SETTLE_MS,
  WARM_UP_ROUNDS,
} from "./run.ts";

const HELP = `deno task bench:kv [options]

Puts, gets and watches keys through this SDK ("aegis") and through @nats-io/kv alone ("bare"), a process each, in turns on a
fresh nats-server that stores in files.

  --runtime deno,node,bun    where to run
  --rounds 5                 how often each is measured; the table shows medians
  --only ${WORKS.join(",")}  what is measured; a batch is compared with put
  --json FILE                writes every measurement to FILE`;

/** How many operations one measurement has; of watches how many keys. */
const COUNTS: Readonly<Record<KvWork, number>> = {
  put: 2_000,
  get: 2_000,
  batch: 1_000,
  watch: 10_000,
};

/** How often watches are measured at the most, beyond one round to warm up: it takes long. */
const WATCH_ROUNDS = 3;

interface Options {
  readonly rounds: number;
  readonly works: readonly KvWork[];
}

async function runOn(
  runtime: Runtime,
  server: NatsServer,
  { rounds, works }: Options,
): Promise<KvRun> {
  const children: Partial<Record<Kind, Child>> = {};
  try {
    for (const kind of KINDS) {
      children[kind] = await startChild(runtime, "kv_child.ts", [kind, server.url], {
        collect: true,
      });
    }
    const samples: KvSample[] = [];
    for (let round = 1 - WARM_UP_ROUNDS; round <= rounds; round++) {
      for (const work of works) {
        if (work === "watch" && (round < 0 || round > WATCH_ROUNDS)) continue;
        progress(`${runtime.name}: ${work}, round ${round} of ${rounds}`);
        for (const kind of KINDS) {
          const sample = await measure(children as Record<Kind, Child>, kind, work, round);
          if (round >= 1) samples.push(withGain(sample, samples));
        }
      }
    }
    return { runtime: runtime.name, version: runtime.version, samples };
  } finally {
    progress("");
    await Promise.all(Object.values(children).map((child) => child.stop()));
  }
}

async function measure(
  children: Record<Kind, Child>,
  kind: Kind,
  work: KvWork,
  round: number,
): Promise<KvSample> {
  const other = children[kind === "bare" ? "aegis" : "bare"];
  const usage = async (): Promise<number> => (await other.ask<Usage>({ do: "usage" })).cpuUs;
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  const before = await usage();
  const measured = await children[kind].ask<KvMeasured>({ do: work, count: COUNTS[work] });
  const othersShare = (await usage() - before) / (measured.ms * 1_000);
  return { round, kind, work, count: COUNTS[work], othersShare, ...measured };
}

/** A batch beside the puts one at a time of the same round. */
function withGain(sample: KvSample, samples: readonly KvSample[]): KvSample {
  if (sample.work !== "batch") return sample;
  const single = samples.find(({ round, kind, work }) =>
    work === "put" && kind === sample.kind && round === sample.round
  );
  if (single === undefined) return sample;
  return { ...sample, gain: single.ms / single.count / (sample.ms / sample.count) };
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      runtime: { type: "string", default: "deno,node,bun" },
      rounds: { type: "string", default: "5" },
      only: { type: "string", default: WORKS.join(",") },
      json: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    process.exit(0);
  }
  const works = values.only.split(",") as KvWork[];
  for (const work of works) {
    if (!WORKS.includes(work)) {
      throw new RangeError(`--only knows ${WORKS.join(", ")}, not ${work}`);
    }
  }
  const options: Options = { rounds: count("--rounds", values.rounds), works };
  await runSideBySide({
    title:
      `Keys and values, this SDK (aegis) against @nats-io/kv (bare), medians of ${options.rounds} rounds`,
    runtimes: await runtimesOf(values.runtime),
    json: values.json,
    jetstream: true,
    runOn: (runtime, server) => runOn(runtime, server, options),
    table: kvTable,
  });
}

if (import.meta.main) await runMain(main);
