// Events side by side with bare nats.js in one run, on each runtime: `deno task bench:events`.

import { readFile, writeFile } from "node:fs/promises";
import { availableParallelism, cpus } from "node:os";
import process from "node:process";
import { parseArgs } from "node:util";
import { type NatsServer, startNatsServer } from "../tools/nats_server.ts";
import { findBun, findDeno, findNode, type Runtime } from "../tools/runtime.ts";
import { type Child, startChild } from "./child.ts";
import { type EventOrder, type Published, STREAMS } from "./event_contract.ts";
import { type Case, CASES, type EventRun, type EventSample, eventTable } from "./event_report.ts";
import { openStreams, type StreamKeeper } from "./event_streams.ts";
import type { Usage } from "./orders.ts";
import type { Kind } from "./report.ts";

const HELP = `deno task bench:events [options]

Publishes and consumes events through this SDK ("aegis": whole envelope, with an id, validated by valibot on both sides)
and through nats.js alone ("bare": js.publish() and consume() with JSON), one process each, in turns on a fresh
nats-server that stores in files.

  --runtime deno,node,bun    where to run
  --rounds 5                 how often each is measured; the table shows medians
  --only NAMES               what of ${CASES.map(({ name }) => name).join(",")}
  --events 40000             events of a measurement; an eighth of it where they are published one at a time
  --consume 100000           events of a measurement where they are consumed
  --json FILE                writes every measurement to FILE`;

interface Options {
  readonly runtimes: readonly Runtime[];
  readonly rounds: number;
  readonly cases: readonly Case[];
  readonly events: number;
  readonly consume: number;
}

/** What the measurements of one runtime have in common. */
interface Bench {
  readonly children: Record<Kind, Child>;
  readonly streams: StreamKeeper;
  readonly serverPid: number;
  readonly options: Options;
}

const KINDS: readonly Kind[] = ["bare", "aegis"];
const WARM_UP_ROUNDS = 2;
/** Time for what a measurement leaves behind, such as garbage, before the next begins. */
const SETTLE_MS = 200;
const FILL_IN_FLIGHT = 1_024;

async function runOn(runtime: Runtime, server: NatsServer, options: Options): Promise<EventRun> {
  const children = {} as Record<Kind, Child>;
  const streams = await openStreams(server.url);
  const bench: Bench = { children, streams, serverPid: server.pid, options };
  const samples: EventSample[] = [];
  try {
    for (const kind of KINDS) {
      children[kind] = await startChild(runtime, "event_child.ts", [kind, server.url]);
    }
    const inRounds = async (cases: readonly Case[]): Promise<void> => {
      for (let round = 1 - WARM_UP_ROUNDS; round <= options.rounds; round++) {
        const which = round < 1 ? "warm-up" : `round ${round} of ${options.rounds}`;
        for (const one of cases) {
          progress(`${runtime.name}: ${one.label}, ${which}`);
          for (const kind of KINDS) {
            const sample = await measure(bench, kind, one, round);
            if (round >= 1) samples.push(sample);
          }
        }
      }
    };
    await inRounds(options.cases.filter(({ inFlight }) => inFlight !== undefined));
    const consuming = options.cases.filter(({ inFlight }) => inFlight === undefined);
    if (consuming.length > 0) {
      progress(`${runtime.name}: filling the streams`);
      const { consume: events } = options;
      const fill = { do: "publish", events, inFlight: FILL_IN_FLIGHT, many: true } as const;
      for (const kind of KINDS) await ask(children[kind], fill);
      await inRounds(consuming);
      for (const kind of KINDS) await streams.empty(STREAMS[kind], events);
    }
    return { runtime: runtime.name, version: runtime.version, samples };
  } finally {
    progress("");
    await Promise.all(Object.values(children).map((child) => child.stop()));
    await streams.close();
  }
}

async function measure(
  bench: Bench,
  kind: Kind,
  one: Case,
  round: number,
): Promise<EventSample> {
  const { children, serverPid } = bench;
  const usage = async (child: Child): Promise<number> =>
    (await child.ask<Usage>({ do: "usage" })).cpuUs;
  const other = children[kind === "bare" ? "aegis" : "bare"];

  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  const otherBefore = await usage(other);
  const clientBefore = await usage(children[kind]);
  const serverBefore = await cpuUsOf(serverPid);
  const { events, ms, p50Ms, p99Ms, after } = one.inFlight === undefined
    ? await consume(bench, kind, one)
    : await publish(bench, kind, one, one.inFlight);
  const clientUs = await usage(children[kind]) - clientBefore;
  const serverUs = await cpuUsOf(serverPid) - serverBefore;
  const otherUs = await usage(other) - otherBefore;
  await after();
  return {
    round,
    kind,
    case: one.name,
    eventsPerSecond: events / ms * 1_000,
    clientCpuUs: clientUs / events,
    serverCpuUs: serverUs / events,
    ...(p50Ms === undefined || p99Ms === undefined ? {} : { p50Ms, p99Ms }),
    othersShare: otherUs / (ms * 1_000),
  };
}

/** What one measurement gave, and what is to be done when it is over. */
type Took = Published & { readonly events: number; readonly after: () => Promise<void> };

async function publish(
  { children, streams, options }: Bench,
  kind: Kind,
  { many = false }: Case,
  inFlight: number,
): Promise<Took> {
  const events = inFlight === 1 ? Math.ceil(options.events / 8) : options.events;
  const order = { do: "publish", events, inFlight, many } as const;
  const published = await ask<Published>(children[kind], order);
  // So that it does not grow; and it shows that all were stored.
  return { ...published, events, after: () => streams.empty(STREAMS[kind], events) };
}

/** From the making of a durable until the server has every acknowledgement. */
async function consume(
  { children, streams, options }: Bench,
  kind: Kind,
  { iterate = false }: Case,
): Promise<Took> {
  const { consume: events } = options;
  const durable = streams.newDurable(kind);
  const start = performance.now();
  await ask(children[kind], { do: "consume", events, durable, iterate });
  await streams.whenAcknowledged(STREAMS[kind], durable);
  const ms = performance.now() - start;
  const after = async (): Promise<void> => {
    await ask(children[kind], { do: "stop" });
    await streams.forget(STREAMS[kind], durable);
  };
  return { ms, events, after };
}

async function ask<Answer = void>(child: Child, order: EventOrder): Promise<Answer> {
  return await child.ask<Answer>({ ...order });
}

/** The CPU time of any process, in microseconds, by the ticks of 10 ms that Linux counts; NaN elsewhere. */
async function cpuUsOf(pid: number): Promise<number> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) * 10_000;
  } catch {
    return NaN; // not Linux
  }
}

function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

async function parse(): Promise<Options & { readonly json: string | undefined }> {
  const { values } = parseArgs({
    options: {
      runtime: { type: "string", default: "deno,node,bun" },
      rounds: { type: "string", default: "5" },
      only: { type: "string", default: CASES.map(({ name }) => name).join(",") },
      events: { type: "string", default: "40000" },
      consume: { type: "string", default: "100000" },
      json: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    process.exit(0);
  }
  const find: Record<string, () => Promise<Runtime>> = {
    deno: findDeno,
    node: findNode,
    bun: findBun,
  };
  const runtimes: Runtime[] = [];
  for (const name of values.runtime.split(",")) {
    const found = find[name];
    if (found === undefined) {
      throw new RangeError(`--runtime knows deno, node and bun, not ${name}`);
    }
    runtimes.push(await found());
  }
  const names = values.only.split(",");
  for (const name of names) {
    if (!CASES.some((one) => one.name === name)) {
      throw new RangeError(
        `--only knows ${CASES.map((one) => one.name).join(", ")}, not ${name}`,
      );
    }
  }
  return {
    runtimes,
    rounds: count("--rounds", values.rounds),
    cases: CASES.filter(({ name }) => names.includes(name)),
    events: count("--events", values.events),
    consume: count("--consume", values.consume),
    json: values.json,
  };
}

function count(flag: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1) return value;
  throw new RangeError(`${flag} takes whole numbers of at least 1, not "${text}"`);
}

async function main(): Promise<void> {
  const { json, ...options } = await parse();
  const server = await startNatsServer();
  const interrupted = new Promise<never>((_, reject) => {
    for (const name of ["SIGINT", "SIGTERM"] as const) {
      process.once(name, () => reject(new Error(`Ended by ${name}`)));
    }
  });
  interrupted.catch(() => {}); // it may come when nobody waits for it yet
  try {
    const model = cpus()[0]?.model.trim() || "unknown";
    const machine = `${availableParallelism()} × ${model}, nats-server ${server.version}`;
    console.log(
      `Events, this SDK (aegis) against bare nats.js, medians of ${options.rounds} rounds`,
    );
    console.log(
      `${machine}, ${options.runtimes.map((r) => `${r.name} ${r.version}`).join(", ")}`,
    );
    const runs: EventRun[] = [];
    for (const runtime of options.runtimes) {
      const run = await Promise.race([runOn(runtime, server, options), interrupted]);
      runs.push(run);
      console.log(`\n${eventTable(run)}`);
    }
    if (json !== undefined) {
      await writeFile(json, `${JSON.stringify({ machine, runs }, undefined, 2)}\n`);
    }
  } finally {
    await server.stop();
  }
}

if (import.meta.main) {
  try {
    await main();
    process.exit(0); // signal listeners would keep it
  } catch (error) {
    console.error(error);
    process.exit(1); // what was started ends with this process
  }
}
