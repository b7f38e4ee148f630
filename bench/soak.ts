// A million calls through one client and one service, to see that memory stays flat: `deno task bench:soak`.

import process from "node:process";
import { parseArgs } from "node:util";
import { startNatsServer } from "../tools/nats_server.ts";
import { findBun, findDeno, findNode, type Runtime } from "../tools/runtime.ts";
import { type Child, startChild } from "./child.ts";
import type { Memory } from "./orders.ts";
import type { Outcomes } from "./soak_child.ts";

const HELP = `deno task bench:soak [options]

Makes calls, one in a thousand of which times out and one in a thousand is aborted, and prints what client and service
keep in memory after each tenth. Fails when the heap grows by more than the bound between the second tenth and the end.

  --calls 1000000    how many calls
  --runtime deno     where to run: deno, node or bun
  --bound-mb 5       how much the heap may grow, in MB`;

const MB = 1024 * 1024;
const SIDES = ["client", "service"] as const;

interface Options {
  readonly runtime: Runtime;
  readonly calls: number;
  readonly boundMb: number;
}

async function main(): Promise<boolean> {
  const { runtime, calls, boundMb } = await parse();
  await using server = await startNatsServer({ jetstream: false });
  console.log(
    `${calls.toLocaleString("en")} calls on ${runtime.name} ${runtime.version}, ` +
      `nats-server ${server.version}; MB after a collection of garbage`,
  );
  const start = (side: string): Promise<Child> =>
    startChild(runtime, "soak_child.ts", [side, server.url], { collect: true });
  const service = await start("service");
  const client = await start("client");
  const children = { client, service };

  const heaps: Record<(typeof SIDES)[number], number[]> = { client: [], service: [] };
  const step = Math.ceil(calls / 10);
  console.log("     calls | client heap   rss | service heap   rss |    ok  timed out  aborted");
  for (let made = step; made <= step * 10; made += step) {
    const outcomes = await client.ask<Outcomes>({ do: "call", calls: step });
    const kept = { client: await memoryOf(client), service: await memoryOf(service) };
    for (const side of SIDES) heaps[side].push(kept[side].heap);
    const shown = SIDES.map((side) => megabytes(kept[side], side.length + 5)).join(" | ");
    const { ok, timedOut, aborted } = outcomes;
    console.log(
      `${made.toLocaleString("en").padStart(10)} | ${shown} | ${
        [ok, timedOut, aborted].map((n, i) => String(n).padStart([6, 10, 8][i]!)).join(" ")
      }`,
    );
  }
  await Promise.all(Object.values(children).map((child) => child.stop()));

  let flat = true;
  for (const side of SIDES) {
    const growth = (heaps[side].at(-1)! - heaps[side][1]!) / MB;
    if (growth > boundMb) flat = false;
    console.log(
      `The ${side}'s heap grew by ${growth.toFixed(2)} MB; ` +
        `${growth > boundMb ? "too much" : "fine"}, the bound is ${boundMb} MB`,
    );
  }
  return flat;
}

async function memoryOf(child: Child): Promise<Memory> {
  const memory = await child.ask<Memory>({ do: "memory" });
  if (!memory.collected) throw new Error("No collection of garbage could be forced");
  return memory;
}

function megabytes({ heap, rss }: Memory, width: number): string {
  return `${(heap / MB).toFixed(2).padStart(width)} ${(rss / MB).toFixed(0).padStart(5)}`;
}

async function parse(): Promise<Options> {
  const { values } = parseArgs({
    options: {
      calls: { type: "string", default: "1000000" },
      runtime: { type: "string", default: "deno" },
      "bound-mb": { type: "string", default: "5" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    process.exit(0);
  }
  const calls = Number(values.calls);
  const boundMb = Number(values["bound-mb"]);
  if (!(Number.isInteger(calls) && calls >= 1_000)) {
    throw new RangeError(`--calls takes a whole number of at least 1000, not "${values.calls}"`);
  }
  if (!(boundMb > 0)) {
    throw new RangeError(`--bound-mb takes a number over 0, not "${values["bound-mb"]}"`);
  }
  const find: Record<string, () => Promise<Runtime>> = {
    deno: findDeno,
    node: findNode,
    bun: findBun,
  };
  const found = find[values.runtime];
  if (found === undefined) {
    throw new RangeError(`--runtime knows deno, node and bun, not "${values.runtime}"`);
  }
  return { runtime: await found(), calls, boundMb };
}

for (const name of ["SIGINT", "SIGTERM"] as const) {
  process.once(name, () => process.exit(1)); // what was started ends with this process
}
try {
  process.exit(await main() ? 0 : 1);
} catch (error) {
  console.error(error);
  process.exit(1);
}
