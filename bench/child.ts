// The parent's side of a benchmark: children on any runtime that carry out orders, and end when it ends.

import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { watchChild } from "../tools/guard.ts";
import type { Runtime } from "../tools/runtime.ts";

/** A child that was started and is ready. */
export interface Child {
  /** Has an order carried out. @throws {Error} with the child's own words when it failed, or has ended. */
  ask<Answer>(order: { readonly do: string; readonly [key: string]: unknown }): Promise<Answer>;
  /** Ends it. */
  stop(): Promise<void>;
}

/** What a runtime is started with. `collect` lets a program force a collection of garbage. */
function command({ name }: Runtime, collect: boolean): string[] {
  switch (name) {
    case "deno":
      return ["run", "-A", "-q", ...(collect ? ["--v8-flags=--expose-gc"] : [])];
    case "node":
      return ["--no-warnings", ...(collect ? ["--expose-gc"] : [])];
    case "bun":
      return ["run"];
  }
}

/** Starts `script`, a file of this folder, and resolves when it takes orders. */
export async function startChild(
  runtime: Runtime,
  script: string,
  args: readonly string[],
  { collect = false }: { readonly collect?: boolean } = {},
): Promise<Child> {
  const file = fileURLToPath(new URL(script, import.meta.url));
  const process = spawn(runtime.bin, [...command(runtime, collect), file, ...args], {
    stdio: ["pipe", "pipe", "inherit"],
    detached: true, // so that Ctrl-C reaches the parent alone, which ends its children in order
  });
  watchChild(process);
  const exited = new Promise<void>((resolve) => {
    process.once("error", () => resolve());
    process.once("close", () => resolve());
  });
  const answers = readAnswers(process, `${script} on ${runtime.name}`);
  const child: Child = {
    ask: async (order) => {
      const answer = answers();
      process.stdin?.write(`${JSON.stringify(order)}\n`);
      return await answer as never;
    },
    stop: async () => {
      process.stdin?.end();
      const force = setTimeout(() => process.kill("SIGKILL"), 2_000);
      await exited;
      clearTimeout(force);
    },
  };
  await answers();
  return child;
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** Gives a function that waits for the child's next line. */
function readAnswers(process: ChildProcess, name: string): () => Promise<unknown> {
  const waiting: Waiting[] = [];
  let ended: Error | undefined;
  const end = (error: Error): void => {
    ended ??= error;
    for (const { reject } of waiting.splice(0)) reject(ended);
  };
  process.stdin?.on("error", end); // it has ended, which the answer that does not come tells as well
  process.once("error", end);
  process.once("close", (code, signal) => end(new Error(`${name} ended with ${signal ?? code}`)));
  createInterface({ input: process.stdout! }).on("line", (line) => {
    const { value, error } = JSON.parse(line) as { value?: unknown; error?: string };
    const next = waiting.shift();
    if (error === undefined) next?.resolve(value);
    else next?.reject(new Error(`${name}: ${error}`));
  });
  return () =>
    ended === undefined
      ? new Promise((resolve, reject) => waiting.push({ resolve, reject }))
      : Promise.reject(ended);
}
