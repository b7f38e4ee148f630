// Events side by side with bare nats.js in one run, on each runtime: `deno task bench:events`.

import process from "node:process";
import { parseArgs } from "node:util";
import type { NatsServer } from "../tools/nats_server.ts";
import type { Runtime } from "../tools/runtime.ts";
import { type Child, startChild } from "./child.ts";
import { type EventOrder, type Published, STREAMS } from "./event_contract.ts";
import { type Case, CASES, type EventRun, type EventSample, eventTable } from "./event_report.ts";
import { openStreams, type StreamKeeper } from "./event_streams.ts";
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
  const names = values.only.split(",");
  for (const name of names) {
    if (!CASES.some((one) => one.name === name)) {
      throw new RangeError(
        `--only knows ${CASES.map((one) => one.name).join(", ")}, not ${name}`,
      );
    }
  }
  return {
    runtimes: await runtimesOf(values.runtime),
    rounds: count("--rounds", values.rounds),
    cases: CASES.filter(({ name }) => names.includes(name)),
    events: count("--events", values.events),
    consume: count("--consume", values.consume),
    json: values.json,
  };
}

async function main(): Promise<void> {
  const { json, ...options } = await parse();
  await runSideBySide({
    title: `Events, this SDK (aegis) against bare nats.js, medians of ${options.rounds} rounds`,
    runtimes: options.runtimes,
    json,
    jetstream: true,
    runOn: (runtime, server) => runOn(runtime, server, options),
    table: eventTable,
  });
}

if (import.meta.main) await runMain(main);
