// The client of the side-by-side run, on any runtime: makes as many calls as it is told, and measures them.

import process from "node:process";
import { connect as connectBare } from "@nats-io/transport-node";
import { connect, createClient } from "../mod.ts";
import { NAMES, type OrderParams, type OrderResult, type OrderService } from "./contract.ts";
import { logger, serveOrders, usage } from "./orders.ts";

/** What the client is told to do. */
export interface CallOrder {
  /** Makes calls. */
  readonly do: "call";
  /** How many. */
  readonly calls: number;
  /** How many at a time; with 1 each is timed. */
  readonly inFlight: number;
}

/** What it measured. */
export interface Called {
  /** How long it took, in milliseconds. */
  readonly ms: number;
  /** The CPU time that the client used for it, in microseconds. */
  readonly cpuUs: number;
  /** The median time of a call, in milliseconds, when they were made one at a time. */
  readonly p50Ms?: number;
  /** The 99th percentile of it. */
  readonly p99Ms?: number;
}

type Call = (params: OrderParams) => Promise<OrderResult>;

async function aegis(servers: string): Promise<Call> {
  const client = createClient({ bus: await connect({ servers, logger }) });
  const orders = client.service<OrderService>(NAMES.service);
  return (params) => orders.call("create_order", params);
}

async function bare(servers: string): Promise<Call> {
  const connection = await connectBare({ servers });
  return async (params) => {
    const message = await connection.request(NAMES.bareSubject, JSON.stringify(params));
    return message.json<OrderResult>();
  };
}

async function run(call: Call, { calls, inFlight }: CallOrder): Promise<Called> {
  const times = inFlight === 1 ? new Float64Array(calls) : undefined;
  const cpu = usage().cpuUs;
  const start = performance.now();
  let begun = 0;
  const caller = async (): Promise<void> => {
    while (begun < calls) {
      const number = begun++;
      const orderId = `order-${number}`;
      const from = times === undefined ? 0 : performance.now();
      const result = await call({ orderId, amount: 9.5 });
      if (times !== undefined) times[number] = performance.now() - from;
      if (result.orderId !== orderId) throw new Error(`${orderId} got ${result.orderId}`);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, caller));
  const ms = performance.now() - start;
  const cpuUs = usage().cpuUs - cpu;
  if (times === undefined) return { ms, cpuUs };
  times.sort();
  const rank = (share: number): number => times[Math.ceil(share * calls) - 1] ?? NaN;
  return { ms, cpuUs, p50Ms: rank(0.5), p99Ms: rank(0.99) };
}

const [, , kind, servers = ""] = process.argv;
const call = await (kind === "aegis" ? aegis(servers) : bare(servers));
serveOrders((order: CallOrder) => run(call, order));
