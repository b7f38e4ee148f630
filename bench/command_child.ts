// A sender or a worker of commands on any runtime, by hand or by this SDK, which does as it is told.

import process from "node:process";
import { connect, createClient, createService } from "../mod.ts";
import { sendBare, type SendOne, workBare } from "./command_bare.ts";
import {
  AT_ONCE,
  type ClientOrder,
  processOrder,
  type SendOrder,
  type Sent,
  type Together,
  waitForAll,
  WORK,
  type WorkService,
} from "./command_contract.ts";
import { logger, serveOrders } from "./orders.ts";

/** One that sends. */
interface Sender {
  readonly send: SendOne;
  /** Sends commands that wait for each other. */
  readonly together?: () => Promise<Together>;
}

async function workAegis(servers: string): Promise<void> {
  const bus = await connect({ servers, logger });
  const handlers = [processOrder, waitForAll] as const;
  await createService(WORK.service, { bus, handlers }).start();
}

async function aegis(servers: string): Promise<Sender> {
  const bus = await connect({ servers, logger });
  const orders = createClient({ bus }).service<WorkService>(WORK.service);
  return {
    send: async (params) => {
      const job = await orders.send("process_order", params);
      return await job.result();
    },
    together: async () => {
      const start = performance.now();
      const results = await Promise.all(Array.from({ length: AT_ONCE }, async () => {
        const job = await orders.send("wait_for_all", {});
        return await job.result();
      }));
      const ms = performance.now() - start;
      return { atOnce: Math.max(...results.map(({ most }) => most)), ms };
    },
  };
}

async function send(
  { send }: Sender,
  { commands, inFlight, reports }: SendOrder,
): Promise<Sent> {
  const times = inFlight === 1 ? new Float64Array(commands) : undefined;
  let heard = 0;
  const onStep = (): void => {
    heard++;
  };
  let begun = 0;
  const sender = async (): Promise<void> => {
    while (begun < commands) {
      const number = begun++;
      const orderId = `order-${number}`;
      const from = times === undefined ? 0 : performance.now();
      const result = await send({ orderId, amount: 9.5, reports }, onStep);
      if (times !== undefined) times[number] = performance.now() - from;
      if (result.orderId !== orderId) throw new Error(`${orderId} got ${result.orderId}`);
    }
  };
  const start = performance.now();
  await Promise.all(Array.from({ length: inFlight }, sender));
  const ms = performance.now() - start;
  if (times === undefined) return { ms, heard };
  times.sort();
  const rank = (share: number): number => times[Math.ceil(share * commands) - 1] ?? NaN;
  return { ms, heard, p50Ms: rank(0.5), p99Ms: rank(0.99) };
}

const [, , kind, role, servers = ""] = process.argv;
if (role === "worker") {
  await (kind === "aegis" ? workAegis(servers) : workBare(servers));
  serveOrders(() => undefined);
} else {
  const sender: Sender = kind === "aegis"
    ? await aegis(servers)
    : { send: await sendBare(servers) };
  serveOrders((order: ClientOrder) =>
    order.do === "send" ? send(sender, order) : sender.together?.()
  );
}
