// Lookups of discovery, on each runtime: `deno task bench:discovery`.

import process from "node:process";
import { parseArgs } from "node:util";
import { startNatsServer } from "../tools/nats_server.ts";
import type { Runtime } from "../tools/runtime.ts";
import { startChild } from "./child.ts";
import type { DiscoveryOrder, Lookup } from "./discovery_child.ts";
import { count, progress, runMain, runtimesOf } from "./run.ts";

const HELP = `deno task bench:discovery [options]

Looks for the instances of a service, of which the registry of a fresh nats-server has many, and prints how long one
lookup takes, in microseconds, awaited one after the other: medians of rounds, each the median of chunks of 1,000.

  --runtime deno,node,bun    where to run
  --instances 100            how many there are
  --rounds 5                 how often each is measured
  --times 100000             lookups of a round`;

const LOOKUPS: readonly Lookup[] = [
  "discover",
  "discover healthy of a version",
  "round_robin",
  "random",
  "sticky",
  "least_loaded",
];
const GOAL_US = 2;

interface Options {
  readonly instances: number;
  readonly rounds: number;
  readonly times: number;
}

/** The median time of each lookup. */
async function runOn(runtime: Runtime, url: string, options: Options): Promise<number[]> {
  const { instances, rounds, times } = options;
  const child = await startChild(runtime, "discovery_child.ts", [url]);
  const ask = (order: DiscoveryOrder): Promise<number> => child.ask<number>({ ...order });
  try {
    const found = await ask({ do: "fill", instances });
    if (found !== instances) throw new Error(`${found} of ${instances} instances were found`);
    const samples: number[][] = LOOKUPS.map(() => []);
    for (let round = 0; round <= rounds; round++) {
      progress(`${runtime.name}: ${round === 0 ? "warm-up" : `round ${round} of ${rounds}`}`);
      for (const [index, lookup] of LOOKUPS.entries()) {
        const us = await ask({ do: "look", lookup, times });
        if (round > 0) samples[index]!.push(us);
      }
    }
    return samples.map((all) => all.sort((a, b) => a - b)[all.length >> 1]!);
  } finally {
    progress("");
    await child.stop();
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      runtime: { type: "string", default: "deno,node,bun" },
      instances: { type: "string", default: "100" },
      rounds: { type: "string", default: "5" },
      times: { type: "string", default: "100000" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return console.log(HELP);
  const runtimes = await runtimesOf(values.runtime);
  const options = {
    instances: count("--instances", values.instances),
    rounds: count("--rounds", values.rounds),
    times: count("--times", values.times),
  };
  const columns: number[][] = [];
  for (const runtime of runtimes) {
    // Of its own, so that none finds what another one left.
    await using server = await startNatsServer();
    columns.push(await runOn(runtime, server.url, options));
  }
  console.log(`A lookup among ${options.instances} instances, in µs; the goal is ≤ ${GOAL_US}`);
  const width = Math.max(...LOOKUPS.map((lookup) => lookup.length));
  const line = (head: string, cells: readonly string[]): string =>
    `${head.padEnd(width)}${cells.map((cell) => cell.padStart(8)).join("")}`;
  console.log(line("", runtimes.map(({ name }) => name)));
  for (const [index, lookup] of LOOKUPS.entries()) {
    console.log(line(lookup, columns.map((column) => column[index]!.toFixed(2))));
  }
}

for (const name of ["SIGINT", "SIGTERM"] as const) {
  process.once(name, () => process.exit(1)); // what was started ends with this process
}
await runMain(main);
