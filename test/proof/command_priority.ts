// The proof of priorities: the order in which a long backlog is run, and that nobody starves behind those who keep coming.

import { connect as dial, type NatsConnection } from "@nats-io/transport-node";
import {
  type Bus,
  command,
  type CommandHandler,
  connect,
  createLogger,
  createService,
  ensureTopology,
  type Priority,
} from "../../mod.ts";
import { partsOf } from "../../src/app/bus.ts";
import { commandJson, PRIORITIES } from "../../src/domain/command.ts";
import { commandStream, commandSubject } from "../../src/domain/command_subject.ts";
import { pause } from "./instances.ts";

/** What came of it. */
export interface PriorityReport {
  readonly fine: boolean;
  readonly text: string;
}

const SERVICE = "prior";
const COMMAND = "step";
const logger = createLogger({ level: "error" });
/** How many commands are published before the server is heard. */
const BATCH = 2_000;

/** What goes first of a backlog: `backlog` commands of all priorities, of which the first `drain` are run in `slots` slots. */
export async function provePriority(
  url: string,
  { backlog, drain, slots }: {
    readonly backlog: number;
    readonly drain: number;
    readonly slots: number;
  },
): Promise<PriorityReport> {
  await using bus = await connect({ servers: url, logger });
  const begun: Priority[] = [];
  const done = Promise.withResolvers<void>();
  const handler = command(COMMAND, { concurrency: slots }, async ({ priority }) => {
    begun.push(priority);
    if (begun.length >= drain) done.resolve();
    await pause(0);
  });
  const fillingAt = performance.now();
  await ensureTopology({ bus, services: [serviceOf(bus, handler)] });
  const connection = await dial({ servers: url });
  // Mixed as a shuffle is, and the same each time: 7,919 is a prime.
  const mixed = Array.from({ length: backlog }, (_, i) => PRIORITIES[i * 7_919 % backlog % 4]!);
  await fill(connection, mixed);
  await connection.close();
  const { admin } = partsOf(bus, "the proof").runtime.transport.streams!;
  const stored = (await admin.stream(commandStream(SERVICE)))?.messages;
  if (stored !== backlog) throw new Error(`${stored} commands are stored, not ${backlog}`);
  const filledMs = performance.now() - fillingAt;

  const drainingAt = performance.now();
  const service = serviceOf(bus, handler);
  await service.start();
  await done.promise;
  const drainedMs = performance.now() - drainingAt;
  await service.stop();

  const sorted = [...mixed].sort((a, b) => PRIORITIES.indexOf(a) - PRIORITIES.indexOf(b));
  const order = begun.slice(0, drain);
  const wrong = order.flatMap((priority, i) => priority === sorted[i] ? [] : [i]);
  const away = wrong.map((i) => distance(i, order[i]!, sorted));
  const most = Math.max(0, ...away);
  return {
    // Those that run at the same time have no order among themselves.
    fine: most <= slots,
    text:
      `${drain.toLocaleString("en")} of ${backlog.toLocaleString("en")} were run in ${
        (drainedMs / 1_000).toFixed(1)
      } s, in ${slots} slots (stored in ${(filledMs / 1_000).toFixed(1)} s): ${countsOf(order)}; ` +
      `${wrong.length} were not at their place in the order, by ${most} at most`,
  };
}

/** How far a place is from the nearest that belongs to a priority. */
function distance(at: number, priority: Priority, sorted: readonly Priority[]): number {
  const first = sorted.indexOf(priority);
  const last = sorted.lastIndexOf(priority);
  return at < first ? first - at : Math.max(0, at - last);
}

/** Whether a command of low priority has its turn, and when, while critical ones come faster than they can be run. */
export async function proveAgeing(
  url: string,
  { ageingMs, seconds }: { readonly ageingMs: number; readonly seconds: number },
): Promise<PriorityReport> {
  const aged = await flood(`${url}`, ageingMs, seconds);
  const never = await flood(`${url}`, 3_600_000, seconds);
  // Three levels lie between low and critical; the oldest of the critical ones has waited as well.
  const least = 3 * ageingMs;
  const [first = Infinity] = aged.lowMs;
  const most = least + aged.waitedMs + 1_500;
  return {
    fine: first >= least - 100 && first <= most && never.lowMs.length === 0,
    text:
      `for ${seconds} s ${
        Math.round(aged.criticalPerSecond)
      } critical commands a second were run, and never fewer than ${aged.leastWaiting} waited; with ageing by ${ageingMs} ms ` +
      `a level ${aged.lowMs.length} of ${LOW} low ones were run, the first after ${
        (first / 1_000).toFixed(1)
      } s; without it ${never.lowMs.length}`,
  };
}

interface Flood {
  /** When those of low priority began, in milliseconds after they were stored. */
  readonly lowMs: readonly number[];
  readonly criticalPerSecond: number;
  /** The fewest critical commands that waited. */
  readonly leastWaiting: number;
  /** For how long a critical command waited at most. */
  readonly waitedMs: number;
}

const LOW = 20;
const WAITING = 300;

async function flood(url: string, ageingMs: number, seconds: number): Promise<Flood> {
  await using bus = await connect({ servers: url, logger });
  const connection = await dial({ servers: url });
  const lowMs: number[] = [];
  let critical = 0, sent = 0, leastWaiting = Infinity, waitedMs = 0;
  let startedAt = 0;
  const sentAt: number[] = [];
  const handler = command(COMMAND, { concurrency: 4 }, async ({ priority, id }) => {
    if (priority === "low") lowMs.push(performance.now() - startedAt);
    else {
      critical++;
      const number = Number(id.slice(id.lastIndexOf("-") + 1));
      waitedMs = Math.max(waitedMs, performance.now() - sentAt[number]!);
    }
    await pause(5);
  });
  const service = serviceOf(bus, handler, ageingMs);
  await ensureTopology({ bus, services: [service] });
  const run = Math.random().toString(36).slice(2);
  const add = (count: number): void => {
    for (let i = 0; i < count; i++) {
      sentAt.push(performance.now());
      publish(connection, "critical", `${run}-${sent++}`);
    }
  };
  startedAt = performance.now();
  add(WAITING);
  for (let i = 0; i < LOW; i++) publish(connection, "low", `${run}-low-${i}`);
  await connection.flush();
  await service.start();
  for (const end = startedAt + seconds * 1_000; performance.now() < end; await pause(5)) {
    leastWaiting = Math.min(leastWaiting, sent - critical);
    add(WAITING - (sent - critical));
  }
  const result = {
    lowMs: [...lowMs],
    criticalPerSecond: critical / seconds,
    leastWaiting,
    waitedMs,
  };
  await service.stop();
  await connection.close();
  return result;
}

function serviceOf(bus: Bus, handler: CommandHandler, ageingMs?: number) {
  return createService(SERVICE, {
    bus,
    handlers: [handler],
    ...(ageingMs === undefined ? {} : { ageingMs }),
  });
}

/** Publishes into the stream, as any sender of the protocol may: without a record, and without waiting for each. */
async function fill(connection: NatsConnection, priorities: readonly Priority[]): Promise<void> {
  for (const [i, priority] of priorities.entries()) {
    publish(connection, priority, `backlog-${i}`);
    if (i % BATCH === BATCH - 1) await connection.flush();
  }
  await connection.flush();
}

function publish(connection: NatsConnection, priority: Priority, id: string): void {
  const body = commandJson({
    messageId: id,
    traceId: id,
    correlationId: null,
    timestamp: new Date().toISOString(),
    source: "proof",
    target: SERVICE,
    command: COMMAND,
    payload: {},
    priority,
    maxRetries: 3,
    timeoutMs: 60_000,
  }, "{}");
  connection.publish(commandSubject(SERVICE, COMMAND, priority), body);
}

function countsOf(order: readonly Priority[]): string {
  return PRIORITIES.map((priority) => {
    const count = order.filter((one) => one === priority).length;
    return `${count.toLocaleString("en")} ${priority}`;
  }).join(", ");
}
