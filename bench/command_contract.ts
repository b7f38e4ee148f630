// What the two sides of the run of commands agree on: the commands, the names, and the orders that a child carries out.

import * as v from "valibot";
import { command, type CommandHandler, type Service } from "../mod.ts";
import type { OrderParams, OrderResult } from "./contract.ts";
import type { Kind } from "./report.ts";

/** What senders pass. */
export interface WorkParams extends OrderParams {
  /** How many reports of progress there are to be. */
  readonly reports: number;
}

/** How many commands one worker process runs at once, on both sides. */
export const CONCURRENCY = 256;
/** How many commands are to have begun and not ended at one moment. */
export const AT_ONCE = 1_000;

type ProcessOrder = CommandHandler<"process_order", WorkParams, OrderResult>;

/** The command, validated on the way in and out. */
export const processOrder: ProcessOrder = command("process_order", {
  payload: v.object({
    orderId: v.string(),
    amount: v.pipe(v.number(), v.minValue(0)),
    reports: v.number(),
  }),
  result: v.object({ orderId: v.string(), status: v.literal("created") }),
  concurrency: CONCURRENCY,
}, async ({ payload: { orderId, reports } }, ctx) => {
  for (let step = 1; step <= reports; step++) {
    await ctx.progress(step * 100 / reports, STATUS);
  }
  return { orderId, status: "created" as const };
});

/** What every report of progress says. */
export const STATUS = "half-way";

type WaitForAll = CommandHandler<"wait_for_all", unknown, { running: number; most: number }>;

let running = 0;
let most = 0;
let all: PromiseWithResolvers<void> = Promise.withResolvers();

/** Ends none before {@linkcode AT_ONCE} have begun; each says how many ran at once at most. */
export const waitForAll: WaitForAll = command(
  "wait_for_all",
  { concurrency: AT_ONCE },
  async () => {
    running++;
    most = Math.max(most, running);
    if (running === AT_ONCE) all.resolve();
    await all.promise;
    const seen = { running, most };
    if (--running === 0) {
      all = Promise.withResolvers();
      most = 0;
    }
    return seen;
  },
);

/** The service, by the type of which the client sends. */
export type WorkService = Service<readonly [ProcessOrder, WaitForAll]>;

/** The names on both ways. */
export const WORK = {
  /** The SDK's service. */
  service: "order-service",
  /** The subject of the hand-written queue, as long as that of the SDK. */
  bareSubject: "bareworks.order-service.process_order",
  /** Its consumer. */
  bareDurable: "worker",
} as const;

/** The stream of each. */
export const QUEUES: Readonly<Record<Kind, string>> = {
  bare: "WORK",
  aegis: `COMMANDS_${WORK.service}`,
};

/** Sends commands, each when the result of another is there. */
export interface SendOrder {
  readonly do: "send";
  /** How many. */
  readonly commands: number;
  /** How many at a time; with 1 each is timed. */
  readonly inFlight: number;
  /** How many reports of progress each makes. */
  readonly reports: number;
}

/** Sends so many commands at once that wait for each other. */
export interface TogetherOrder {
  readonly do: "together";
}

/** Any of them. */
export type ClientOrder = SendOrder | TogetherOrder;

/** What a client measured. */
export interface Sent {
  /** How long it took, in milliseconds. */
  readonly ms: number;
  /** How many reports of progress it heard. */
  readonly heard: number;
  /** The median time from sending to the result, in milliseconds, when they were sent one at a time. */
  readonly p50Ms?: number;
  /** The 99th percentile of it. */
  readonly p99Ms?: number;
}

/** What became of commands that waited for each other. */
export interface Together {
  /** How many had begun and not ended at one moment. */
  readonly atOnce: number;
  /** From the first send to the last result, in milliseconds. */
  readonly ms: number;
}
