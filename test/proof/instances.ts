// The instances of a proof: processes that note what they do in files, are ended at random, and started again.

import { type ChildProcess, spawn } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { watchChild } from "../../tools/guard.ts";
import type { Runtime } from "../../tools/runtime.ts";

/** How they are started, and ended. */
export interface InstancesOptions {
  /** What they run on. */
  readonly runtime: Runtime;
  /** The program, a file of this folder, which says a line when it works. */
  readonly program: string;
  /** Its arguments, with the file for its notes in their place. */
  readonly argsOf: (notes: string) => readonly string[];
  /** The folder for the notes. */
  readonly folder: string;
  /** How often, on average, one is ended, in milliseconds; 0 is never. */
  readonly endEveryMs: number;
  /** How one is ended: as a crash does, or in order. */
  readonly signal: "SIGKILL" | "SIGTERM";
}

/** Processes that do the same. */
export class Instances {
  /** How many were ended. */
  ended = 0;
  /** By the name of their notes, when those were killed that were, in milliseconds since the epoch. */
  readonly killedAt: Map<string, number> = new Map();
  readonly #options: InstancesOptions;
  readonly #program: string;
  readonly #running = new Map<ChildProcess, string>();
  #stopped = false;
  #files = 0;

  constructor(options: InstancesOptions) {
    this.#options = options;
    this.#program = fileURLToPath(new URL(options.program, import.meta.url));
  }

  /** Starts one; resolves when it works. One that finds no server is started again, as a supervisor does. */
  async start(): Promise<void> {
    while (!this.#stopped && !await this.#startOne()) await pause(200);
  }

  async #startOne(): Promise<boolean> {
    const { runtime, argsOf, folder } = this.#options;
    const flags = runtime.name === "deno" ? ["run", "-A", "-q"] : [];
    const notes = `${++this.#files}.txt`;
    const args = [...flags, this.#program, ...argsOf(join(folder, notes))];
    const child = spawn(runtime.bin, args, { stdio: ["ignore", "pipe", "ignore"], detached: true });
    watchChild(child);
    this.#running.set(child, notes);
    child.once("close", () => this.#running.delete(child));
    return await new Promise<boolean>((resolve) => {
      createInterface({ input: child.stdout! }).once("line", () => resolve(true));
      child.once("close", () => resolve(false));
    });
  }

  /** Ends one at random now and then, and starts another. */
  async disturb(over: AbortSignal): Promise<void> {
    const { endEveryMs } = this.#options;
    if (endEveryMs === 0) return;
    while (!over.aborted) {
      await pause(endEveryMs * (0.5 + Math.random()), over);
      if (over.aborted) return;
      this.#endOne();
      await this.start();
    }
  }

  #endOne(): void {
    const { signal } = this.#options;
    // One that is about to start is ended too: that is when programs are weakest.
    const all = [...this.#running];
    const [child, notes] = all[Math.floor(Math.random() * all.length)] ?? [];
    if (child === undefined || notes === undefined) return;
    if (signal === "SIGKILL") this.killedAt.set(notes, Date.now());
    child.kill(signal);
    this.ended++;
  }

  /** Ends all of them in order. */
  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    await Promise.all([...this.#running.keys()].map((child) =>
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

/** The lines of all notes, each as its words, by the name of the file. */
export async function readNotes(folder: string): Promise<Map<string, string[][]>> {
  const notes = new Map<string, string[][]>();
  for (const name of await readdir(folder)) {
    const lines = (await readFile(join(folder, name), "utf8")).split("\n");
    lines.pop(); // what stands behind the last line break was cut off
    notes.set(name, lines.map((line) => line.split(" ")));
  }
  return notes;
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
