// The proof of priorities: the order in which a long backlog is run, and that nobody starves behind those who keep coming.

import { jetstream } from "@nats-io/jetstream";
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
/** How many commands are published at a time. */
const BATCH = 1_000;

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
  await ensureTopology({ bus, services: [serviceOf(bus, SERVICE, handler)] });
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
  const service = serviceOf(bus, SERVICE, handler);
  await service.start();
  await done.promise;
  const drainedMs = performance.now() - drainingAt;
  await service.stop();

  const sorted = [...mixed].sort((a, b) => PRIORITIES.indexOf(a) - PRIORITIES.indexOf(b));
  const order = begun.slice(0, drain);
  const rank = (priority: Priority): number => PRIORITIES.indexOf(priority);
  const ahead = order.flatMap((priority, i) => rank(priority) > rank(sorted[i]!) ? [i] : []);
  // Those that run at the same time have no order among themselves: where one priority gives way to the next, as many of
  // the next may have begun as there are slots, and none of those behind it.
  const far = ahead.filter((i) => sorted[Math.min(i + slots, sorted.length - 1)] !== order[i]);
  return {
    fine: far.length === 0,
    text:
      `${drain.toLocaleString("en")} of ${backlog.toLocaleString("en")} were run in ${
        (drainedMs / 1_000).toFixed(1)
      } s, in ${slots} slots (stored in ${(filledMs / 1_000).toFixed(1)} s): ${countsOf(order)}; ` +
      `${ahead.length} began before more urgent ones, ${far.length} of them out of turn`,
  };
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
  // Another service for each, so that nothing is left of the one before.
  const name = `${SERVICE}-${ageingMs}`;
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
  const service = serviceOf(bus, name, handler, ageingMs);
  await ensureTopology({ bus, services: [service] });
  const run = Math.random().toString(36).slice(2);
  const add = (count: number): void => {
    for (let i = 0; i < count; i++) {
      sentAt.push(performance.now());
      publish(connection, name, "critical", `${run}-${sent++}`);
    }
  };
  add(WAITING);
  await connection.flush();
  await service.start();
  // An instance that has just begun has free slots for whatever is there: the low ones come when it has none.
  while (critical < WAITING / 2) await pause(5);
  startedAt = performance.now();
  const before = critical;
  for (let i = 0; i < LOW; i++) publish(connection, name, "low", `${run}-low-${i}`);
  for (const end = startedAt + seconds * 1_000; performance.now() < end; await pause(5)) {
    leastWaiting = Math.min(leastWaiting, sent - critical);
    add(WAITING - (sent - critical));
  }
  const result = {
    lowMs: [...lowMs],
    criticalPerSecond: (critical - before) / seconds,
    leastWaiting,
    waitedMs,
  };
  await service.stop();
  await connection.close();
  return result;
}

function serviceOf(bus: Bus, name: string, handler: CommandHandler, ageingMs?: number) {
  return createService(name, {
    bus,
    handlers: [handler],
    ...(ageingMs === undefined ? {} : { ageingMs }),
  });
}

/** Publishes into the stream, as any sender of the protocol may: without a record, many at a time. */
async function fill(connection: NatsConnection, priorities: readonly Priority[]): Promise<void> {
  const js = jetstream(connection);
  for (let i = 0; i < priorities.length; i += BATCH) {
    await Promise.all(
      priorities.slice(i, i + BATCH).map((priority, at) =>
        js.publish(
          commandSubject(SERVICE, COMMAND, priority),
          bodyOf(SERVICE, priority, `backlog-${i + at}`),
        )
      ),
    );
  }
}

function publish(
  connection: NatsConnection,
  service: string,
  priority: Priority,
  id: string,
): void {
  connection.publish(
    commandSubject(service, COMMAND, priority),
    bodyOf(service, priority, id),
  );
}

function bodyOf(target: string, priority: Priority, id: string): string {
  return commandJson({
    messageId: id,
    traceId: id,
    correlationId: null,
    timestamp: new Date().toISOString(),
    source: "proof",
    target,
    command: COMMAND,
    payload: {},
    priority,
    maxRetries: 3,
    timeoutMs: 60_000,
  }, "{}");
}

function countsOf(order: readonly Priority[]): string {
  return PRIORITIES.map((priority) => {
    const count = order.filter((one) => one === priority).length;
    return `${count.toLocaleString("en")} ${priority}`;
  }).join(", ");
}
