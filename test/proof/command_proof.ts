// The proof of commands: many of all kinds through several instances, while instances and the server are killed.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  AegisError,
  type Client,
  type CommandHandle,
  type CommandRecord,
  type CommandState,
  connect,
  createClient,
  createLogger,
} from "../../mod.ts";
import { partsOf } from "../../src/app/bus.ts";
import { PRIORITIES } from "../../src/domain/command.ts";
import type { Streams } from "../../src/ports/stream.ts";
import { commandStream } from "../../src/domain/command_subject.ts";
import { watchFolder } from "../../tools/guard.ts";
import type { NatsServer } from "../../tools/nats_server.ts";
import type { Runtime } from "../../tools/runtime.ts";
import { keepHistory, readHistory } from "./command_history.ts";
import { stepOf, WAYS } from "./command_steps.ts";
import { attemptsOf, judge, type Sent, type Verdict } from "./command_verdict.ts";
import { Instances, pause, readNotes } from "./instances.ts";

/** How much, and what goes wrong meanwhile. */
export interface CommandProofOptions {
  readonly server: NatsServer;
  /** What the instances run on. */
  readonly runtime: Runtime;
  /** How many commands. */
  readonly commands: number;
  /** For how long they are sent, in milliseconds, so that it lasts as long as what goes wrong. */
  readonly overMs: number;
  /** How many instances. */
  readonly instances: number;
  /** How often, on average, an instance is killed, in milliseconds. */
  readonly killEveryMs: number;
  /** How many instances must have been killed before the last commands are sent, on a busy machine too. @default 0 */
  readonly kills?: number;
  /** How often, on average, the server is killed and started again on its store, in milliseconds. */
  readonly restartEveryMs: number;
  /** The ack wait of the handler, in milliseconds. */
  readonly ackWaitMs: number;
  /** How long all of it may take, in milliseconds. */
  readonly limitMs: number;
}

/** What came of it. */
export interface CommandProofReport extends Verdict {
  /** How many commands were sent. */
  readonly sent: number;
  /** How many instances were killed. */
  readonly killed: number;
  /** How often the server was. */
  readonly restarts: number;
  /** How many dead letters there are. */
  readonly deadLetters: number;
  /** How long it took, in milliseconds. */
  readonly ms: number;
}

const SERVICE = "proof";
/** One in so many is sent twice with its id. */
const TWICE = 50;
/** How many commands are the last ones. */
const LAST = 60;
/** The longest that the server is away, in milliseconds. */
const AWAY_MS = 500;

/** Sends commands, kills meanwhile, waits until all have ended, and judges. */
export async function proveCommands(options: CommandProofOptions): Promise<CommandProofReport> {
  const { server, runtime, ackWaitMs, killEveryMs, limitMs } = options;
  const startedAt = performance.now();
  const folder = await mkdtemp(join(tmpdir(), "aegis-proof-"));
  watchFolder(folder);
  const over = new AbortController();
  await keepHistory(server.url);
  const bus = await connect({ servers: server.url, logger: createLogger({ level: "silent" }) });
  const client = createClient({ bus });
  const instances = new Instances({
    runtime,
    program: "command_worker.ts",
    argsOf: (file) => [server.url, file, `${ackWaitMs}`],
    folder,
    endEveryMs: killEveryMs,
    signal: "SIGKILL",
  });
  try {
    await Promise.all(Array.from({ length: options.instances }, () => instances.start()));
    const restarting = restart(options, over.signal);
    const disturbed = Promise.all([instances.disturb(over.signal), restarting]);
    disturbed.catch(() => {}); // it is waited for below
    const sent = await sendAll(client, options, () => instances.ended);
    over.abort();
    await disturbed;
    const streams = partsOf(bus, "the proof").runtime.transport.streams!;
    const { admin } = streams;
    const messages = async () => (await admin.stream(commandStream(SERVICE)))?.messages ?? 0;
    const end = startedAt + limitMs;
    while (await messages() > 0 && performance.now() < end) await pause(50);
    const left = await subjectsIn(streams, commandStream(SERVICE));
    await instances.stop();
    const attempts = attemptsOf(await readNotes(folder), instances.killedAt);
    return {
      ...judge({ sent, history: await readHistory(server.url), attempts, left }),
      sent: sent.length,
      killed: instances.ended,
      restarts: await restarting,
      deadLetters: (await client.listDeadLetters({ service: SERVICE, limit: options.commands * 2 }))
        .length,
      ms: performance.now() - startedAt,
    };
  } finally {
    over.abort();
    await instances.stop();
    await bus.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** The subjects of what a stream holds, oldest first. */
async function subjectsIn({ admin, store }: Streams, stream: string): Promise<string[]> {
  const subjects: string[] = [];
  const { messages = 0 } = await admin.stream(stream) ?? {};
  for (let sequence = 1; subjects.length < messages;) {
    const message = await store.read(stream, sequence, ">");
    if (message === undefined) break;
    subjects.push(message.subject);
    sequence = message.sequence + 1;
  }
  return subjects;
}

/** Kills the server now and then, and starts it again on its store; how often. */
async function restart(
  { server, restartEveryMs }: CommandProofOptions,
  over: AbortSignal,
): Promise<number> {
  for (let restarts = 0;; restarts++) {
    await pause(restartEveryMs * (0.5 + Math.random()), over);
    if (over.aborted) return restarts;
    await server.kill();
    await pause(AWAY_MS * Math.random());
    await server.restart();
  }
}

/** Sends all, and waits for each as its sender does. */
async function sendAll(
  client: Client,
  options: CommandProofOptions,
  killed: () => number,
): Promise<Sent[]> {
  const { commands, overMs, ackWaitMs, limitMs, kills = 0 } = options;
  const startedAt = performance.now();
  const all: Promise<Sent>[] = [];
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), limitMs);
  for (let n = 0; n < commands; n++) {
    const ahead = startedAt + n * overMs / commands - performance.now();
    if (ahead > 0) await pause(ahead);
    while (n === commands - LAST && killed() < kills && !late.signal.aborted) await pause(20);
    all.push(sendOne(client, n, ackWaitMs, late.signal));
  }
  try {
    return await Promise.all(all);
  } finally {
    clearTimeout(timer);
  }
}

async function sendOne(
  client: Client,
  n: number,
  ackWaitMs: number,
  late: AbortSignal,
): Promise<Sent> {
  const step = stepOf(n, ackWaitMs);
  const { timeoutMs, maxRetries } = WAYS[step.kind];
  // Half of them with the id that they are given, half with one by which a second try is known.
  const id = n % 2 === 0 ? {} : { id: `step-${n}` };
  const send = (): Promise<CommandHandle> =>
    patiently(() =>
      client.send(SERVICE, "step", step, {
        priority: PRIORITIES[n % PRIORITIES.length]!,
        timeoutMs,
        maxRetries,
        ...id,
      }), late);
  const job = await send();
  let cancelled: CommandRecord | undefined;
  if (step.kind === "cancelled") {
    await pause(Math.random() * 300);
    cancelled = await patiently(() => job.cancel("not needed"), late);
  }
  const { ended, result } = await endOf(job, late);
  const base = { id: job.id, step, result, cancelled };
  if (n % TWICE !== 1) return { ...base, ended };
  // Who sends it a second time gets what it has come to.
  const second = await endOf(await send(), late);
  return { ...base, ended: second.ended === ended ? ended : undefined };
}

/** Tries again what the server could not do for the moment. */
async function patiently<T>(work: () => Promise<T>, late: AbortSignal): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      const passes = AegisError.is(error, "TIMEOUT") || AegisError.is(error, "SERVICE_UNAVAILABLE");
      if (!passes || late.aborted) throw error;
      await pause(100);
    }
  }
}

/** How it ended for who waits for it. */
async function endOf(
  job: CommandHandle,
  late: AbortSignal,
): Promise<{ readonly ended: CommandState | undefined; readonly result: unknown }> {
  try {
    return { ended: "completed", result: await job.result({ signal: late }) };
  } catch (error) {
    return { ended: late.aborted ? undefined : stateOf(error), result: undefined };
  }
}

function stateOf(error: unknown): CommandState {
  if (AegisError.is(error, "CANCELLED")) return "cancelled";
  if (AegisError.is(error, "TIMEOUT")) return "timed_out";
  if (AegisError.is(error) && error.name === "CommandError") return "failed";
  throw error;
}

/** The report as a table. */
export function commandReportText(report: CommandProofReport): string {
  const { sent, states, attempts, retried, crashed, most, killed, restarts } = report;
  const rows: [string, string | number][] = [
    ["sent", sent],
    ...Object.entries(states),
    ["attempts", attempts],
    ["commands with more than one", retried],
    ["the most of one command", most],
    ["attempts that ended with their process", crashed],
    ["dead letters", report.deadLetters],
    ["instances killed", killed],
    ["server killed", restarts],
    ["time", `${(report.ms / 1_000).toFixed(1)} s`],
    ["faults", report.faults.length],
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  return [
    ...rows.map(([name, value]) =>
      `  ${name.padEnd(width)} ${value.toLocaleString("en").padStart(8)}`
    ),
    ...report.faults.slice(0, 20).map((fault) => `  - ${fault}`),
  ].join("\n");
}
