// The client and the service of the soak, on any runtime.

import process from "node:process";
import * as v from "valibot";
import { connect, createClient, createService, rpc, TimeoutError } from "../mod.ts";
import { createOrder, NAMES, type OrderService } from "./contract.ts";
import { logger, memory, serveOrders } from "./orders.ts";

/** What became of calls. */
export interface Outcomes {
  /** How many gave a result. */
  readonly ok: number;
  /** How many got no answer in time. */
  readonly timedOut: number;
  /** How many were aborted by their signal. */
  readonly aborted: number;
}

interface Order {
  readonly do: "call" | "memory";
  readonly calls: number;
}

const IN_FLIGHT = 256;
const SHORT_MS = 50;

async function service(servers: string): Promise<(order: Order) => unknown> {
  const bus = await connect({ servers, logger });
  // It ends when nobody waits for it any more, and so never answers in time.
  const hang = rpc(
    "hang",
    { params: v.object({}) },
    (_, { signal }) =>
      new Promise<void>((resolve) => {
        signal.addEventListener("abort", () => resolve(), { once: true });
      }),
  );
  await createService(NAMES.service, { bus, handlers: [createOrder, hang], registry: false })
    .start();
  return () => memory();
}

async function client(servers: string): Promise<(order: Order) => unknown> {
  const bus = await connect({ servers, logger });
  const plain = createClient({ bus });
  const orders = plain.service<OrderService>(NAMES.service);
  // A signal that outlives its calls must not gather their listeners.
  const { signal: longLived } = new AbortController();

  const abortedCall = async (number: number): Promise<void> => {
    const controller = new AbortController();
    const call = number % 2_000 < 1_000
      ? plain.call(NAMES.service, "hang", {}, { signal: controller.signal })
      : orders.call("create_order", { orderId: "late", amount: 1 }, { signal: controller.signal });
    controller.abort(new DOMException("No longer needed", "AbortError"));
    await call;
  };

  const run = async ({ calls }: Order): Promise<Outcomes> => {
    let begun = 0, ok = 0, timedOut = 0, aborted = 0;
    const one = async (number: number): Promise<void> => {
      const orderId = `order-${number}`;
      switch (number % 1_000) {
        case 333:
          await plain.call(NAMES.service, "hang", {}, { timeoutMs: SHORT_MS });
          throw new Error("A call that hangs gave an answer");
        case 666:
          await abortedCall(number);
          throw new Error("A call that was aborted gave an answer");
        default: {
          const options = number % 10 === 0 ? { signal: longLived } : undefined;
          const result = await orders.call("create_order", { orderId, amount: 9.5 }, options);
          if (result.orderId !== orderId) throw new Error(`${orderId} got ${result.orderId}`);
          ok++;
        }
      }
    };
    const caller = async (): Promise<void> => {
      while (begun < calls) {
        try {
          await one(begun++);
        } catch (error) {
          if (error instanceof TimeoutError) timedOut++;
          else if (error instanceof DOMException && error.name === "AbortError") aborted++;
          else throw error;
        }
      }
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, caller));
    return { ok, timedOut, aborted };
  };
  return (order) => order.do === "memory" ? memory() : run(order);
}

const [, , side, servers = ""] = process.argv;
serveOrders(await (side === "service" ? service(servers) : client(servers)));
