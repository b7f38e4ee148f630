// The child's side of a benchmark: orders come in as lines of JSON, each is answered with one.

import process from "node:process";
import { createInterface } from "node:readline";
import { createLogger, type Logger } from "../mod.ts";

/** What a child has used since it started. */
export interface Usage {
  /** CPU time of all its threads, user and system, in microseconds. */
  readonly cpuUs: number;
}

/** What a process keeps, after a collection of garbage where the runtime lets one be forced. */
export interface Memory {
  /** Live objects, in bytes. */
  readonly heap: number;
  /** What the operating system counts, in bytes. */
  readonly rss: number;
  /** Whether a collection was forced first. */
  readonly collected: boolean;
}

/**
 * Carries out orders from stdin, one after the other, and ends the process with the end of stdin. The order `"usage"`
 * is known to every child.
 */
export function serveOrders<Order extends { readonly do: string }>(
  carryOut: (order: Order) => unknown,
): void {
  const lines = createInterface({ input: process.stdin });
  let last: Promise<void> = Promise.resolve();
  lines.on("line", (line) => {
    last = last.then(async () => {
      const order = JSON.parse(line) as Order;
      try {
        answer({ value: order.do === "usage" ? usage() : await carryOut(order) });
      } catch (error) {
        answer({ error: error instanceof Error ? error.stack ?? error.message : String(error) });
      }
    });
  });
  lines.on("close", () => process.exit(0));
  answer({ value: "ready" });
}

/** The CPU time that this process has used. */
export function usage(): Usage {
  const { user, system } = process.cpuUsage();
  return { cpuUs: user + system };
}

/** What this process keeps. */
export async function memory(): Promise<Memory> {
  const collect = collector();
  // Twice, with a turn between: what finalizers and weak references let go of is gone after the second.
  for (let i = 0; i < 2; i++) {
    collect?.();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const { heapUsed: heap, rss } = process.memoryUsage();
  return { heap, rss, collected: collect !== undefined };
}

/** stdout is for answers alone: what is logged goes to stderr. */
export const logger: Logger = createLogger({
  level: "warn",
  write: (line) => process.stderr.write(`${line}\n`),
});

function collector(): (() => void) | undefined {
  const { gc, Bun } = globalThis as {
    gc?: () => void;
    Bun?: { gc(synchronous: boolean): void };
  };
  return Bun === undefined ? gc : () => Bun.gc(true);
}

function answer(message: unknown): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}
