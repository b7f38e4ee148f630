// The proof of events: many of them through several instances, while instances and servers are killed.

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { type Bus, connect, createClient, createLogger, event } from "../../mod.ts";
import { watchFolder, watchProcess } from "../../tools/guard.ts";
import type { Runtime } from "../../tools/runtime.ts";

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

const WORKER = fileURLToPath(new URL("event_worker.ts", import.meta.url));
const Step = event("proof.step");
/** How many breaths the publisher takes. */
const BREATHS = 200;

/** Publishes events, ends instances meanwhile, waits until all are handled, and counts. */
export async function proveEvents(options: ProofOptions): Promise<ProofReport> {
  const { urls, events, overMs, instances, limitMs, replicas = 1 } = options;
  const startedAt = performance.now();
  const folder = await mkdtemp(join(tmpdir(), "aegis-proof-"));
  watchFolder(folder);
  const over = new AbortController();
  const logger = createLogger({ level: "error" });
  const bus = await connect({ servers: [...urls], replicas, logger });
  const workers = new Workers(options, folder);
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
    await pause(2 * options.ackWaitMs + options.slowMs);
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

/** The instances, as processes of their own. */
class Workers {
  ended = 0;
  readonly #options: ProofOptions;
  readonly #folder: string;
  readonly #running = new Set<ChildProcess>();
  #stopped = false;
  #files = 0;

  constructor(options: ProofOptions, folder: string) {
    this.#options = options;
    this.#folder = folder;
  }

  /** Starts one; resolves when it handles events. One that finds no server is started again, as a supervisor does. */
  async start(): Promise<void> {
    while (!this.#stopped && !await this.#startOne()) await pause(200);
  }

  async #startOne(): Promise<boolean> {
    const { runtime, urls, slowEvery, slowMs, ackWaitMs } = this.#options;
    const flags = runtime.name === "deno" ? ["run", "-A", "-q"] : [];
    const file = join(this.#folder, `${++this.#files}.txt`);
    const args = [WORKER, urls.join(","), file, `${slowEvery}`, `${slowMs}`, `${ackWaitMs}`];
    const child = spawn(runtime.bin, [...flags, ...args], {
      stdio: ["ignore", "pipe", "ignore"],
      detached: true,
    });
    const forget = child.pid === undefined ? () => {} : watchProcess(child.pid);
    this.#running.add(child);
    child.once("close", () => {
      this.#running.delete(child);
      forget();
    });
    return await new Promise<boolean>((resolve) => {
      createInterface({ input: child.stdout! }).once("line", () => resolve(true));
      child.once("close", () => resolve(false));
    });
  }

  /** Ends one at random now and then, and starts another. */
  async disturb(over: AbortSignal): Promise<void> {
    const { endEveryMs, signal } = this.#options;
    if (endEveryMs === 0) return;
    while (!over.aborted) {
      await pause(endEveryMs * (0.5 + Math.random()), over);
      if (over.aborted) return;
      const all = [...this.#running];
      const child = all[Math.floor(Math.random() * all.length)];
      // One that is about to start is ended too: that is when programs are weakest.
      child?.kill(signal);
      this.ended++;
      await this.start();
    }
  }

  /** Ends all of them in order. */
  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    await Promise.all([...this.#running].map((child) =>
      new Promise<void>((resolve) => {
        const force = setTimeout(() => child.kill("SIGKILL"), 10_000);
        child.once("close", () => {
          clearTimeout(force);
          resolve();
        });
        child.kill("SIGTERM");
      })
    ));
  }
}

/** How often each number was noted. */
async function countNotes(folder: string): Promise<Map<number, number>> {
  const counts = new Map<number, number>();
  for (const name of await readdir(folder)) {
    const lines = (await readFile(join(folder, name), "utf8")).split("\n");
    lines.pop(); // what stands behind the last line break was cut off
    for (const line of lines) {
      const n = Number(line.split(" ")[0]);
      counts.set(n, (counts.get(n) ?? 0) + 1);
    }
  }
  return counts;
}

/** Resolves after a while, or as soon as `over` says so. */
export function pause(ms: number, over?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      over?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    over?.addEventListener("abort", done);
    if (over?.aborted) done();
  });
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
