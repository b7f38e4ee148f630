// The proof of events: many of them through several instances, while instances and servers are killed.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Bus, connect, createClient, createLogger, event } from "../../mod.ts";
import { watchFolder } from "../../tools/guard.ts";
import type { Runtime } from "../../tools/runtime.ts";
import { Instances, pause, readNotes } from "./instances.ts";

/** How much, and what goes wrong meanwhile. */
export interface ProofOptions {
  /** The servers' addresses. */
  readonly urls: readonly string[];
  /** What the instances run on. */
  readonly runtime: Runtime;
  /** How many events. */
  readonly events: number;
  /** For how long they are published, in milliseconds, so that it lasts as long as what goes wrong. */
  readonly overMs: number;
  /** How many instances. */
  readonly instances: number;
  /** How many servers keep the stream. */
  readonly replicas?: number;
  /** How often, on average, an instance is ended, in milliseconds; 0 is never. */
  readonly endEveryMs: number;
  /** How an instance is ended: as a crash does, or in order. */
  readonly signal: "SIGKILL" | "SIGTERM";
  /** Of how many events one is slow, and for how long; longer than the ack wait. */
  readonly slowEvery: number;
  readonly slowMs: number;
  /** The ack wait of the handler, in milliseconds. */
  readonly ackWaitMs: number;
  /** Goes wrong beside the instances, until `over`; such as servers that are killed. */
  readonly disturb?: (over: AbortSignal) => Promise<void>;
  /** How long all of it may take, in milliseconds. */
  readonly limitMs: number;
}

/** What came of it. */
export interface ProofReport {
  /** How many events the stream said it had stored. */
  readonly stored: number;
  /** How many of those were never handled. */
  readonly lost: number;
  /** How many events were handled so often. */
  readonly counts: ReadonlyMap<number, number>;
  /** How many instances were ended. */
  readonly ended: number;
  /** How many events have become dead letters. */
  readonly deadLetters: number;
  /** How long it took, in milliseconds. */
  readonly ms: number;
}

const Step = event("proof.step");
/** How many breaths the publisher takes. */
const BREATHS = 200;

/** Publishes events, ends instances meanwhile, waits until all are handled, and counts. */
export async function proveEvents(options: ProofOptions): Promise<ProofReport> {
  const { urls, events, overMs, instances, limitMs, replicas = 1 } = options;
  const { runtime, endEveryMs, signal, slowEvery, slowMs, ackWaitMs } = options;
  const startedAt = performance.now();
  const folder = await mkdtemp(join(tmpdir(), "aegis-proof-"));
  watchFolder(folder);
  const over = new AbortController();
  const logger = createLogger({ level: "error" });
  const bus = await connect({ servers: [...urls], replicas, logger });
  const workers = new Instances({
    runtime,
    program: "event_worker.ts",
    argsOf: (
      file,
    ) => [urls.join(","), file, `${slowEvery}`, `${slowMs}`, `${ackWaitMs}`, `${replicas}`],
    folder,
    endEveryMs,
    signal,
  });
  try {
    await Promise.all(Array.from({ length: instances }, () => workers.start()));
    const disturbed = Promise.all([
      workers.disturb(over.signal),
      options.disturb?.(over.signal),
    ]);
    const stored = await publishAll(bus, events, overMs);
    const allHandled = async () => [...(await countNotes(folder)).keys()].length >= stored.size;
    const end = performance.now() + limitMs;
    while (!await allHandled() && performance.now() < end) await pause(200);
    over.abort();
    await disturbed;
    // What was redelivered is handled too before it is counted.
    await pause(2 * ackWaitMs + slowMs);
    await workers.stop();
    const notes = await countNotes(folder);
    const counts = new Map<number, number>();
    for (const count of notes.values()) counts.set(count, (counts.get(count) ?? 0) + 1);
    return {
      stored: stored.size,
      lost: [...stored].filter((n) => !notes.has(n)).length,
      counts,
      ended: workers.ended,
      deadLetters: (await createClient({ bus }).listDeadLetters({ service: "proof" })).length,
      ms: performance.now() - startedAt,
    };
  } finally {
    over.abort();
    await workers.stop();
    await bus.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Publishes events with numbers; those that are stored. */
async function publishAll(bus: Bus, count: number, overMs: number): Promise<Set<number>> {
  const stored = new Set<number>();
  async function* steps() {
    for (let n = 0; n < count; n++) {
      if (n % Math.ceil(count / BREATHS) === 0) await pause(overMs / BREATHS);
      yield Step({ n });
    }
  }
  await createClient({ bus }).publishMany(steps(), {
    timeoutMs: 120_000,
    onOutcome: (outcome) => {
      if (outcome.ok) stored.add(outcome.index);
    },
  });
  return stored;
}

/** How often each number was noted. */
async function countNotes(folder: string): Promise<Map<number, number>> {
  const counts = new Map<number, number>();
  for (const lines of (await readNotes(folder)).values()) {
    for (const [number] of lines) {
      const n = Number(number);
      counts.set(n, (counts.get(n) ?? 0) + 1);
    }
  }
  return counts;
}

/** The report as a line. */
export function reportText({ stored, lost, counts, ended, deadLetters, ms }: ProofReport): string {
  const times = [...counts].sort(([a], [b]) => a - b)
    .map(([count, number]) => `${number} × ${count}`).join(", ");
  return `${stored} stored, ${lost} lost, handled ${times}; ${ended} instances ended, ` +
    `${deadLetters} dead letters, ${(ms / 1_000).toFixed(1)} s`;
}

/** Whether each of them was handled just once. */
export function isExact({ counts }: ProofReport): boolean {
  return [...counts.keys()].every((count) => count === 1);
}
