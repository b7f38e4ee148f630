// The service of the side-by-side run, on any runtime: bare nats.js, or this SDK with its envelope and validation.

import process from "node:process";
import { connect as connectBare } from "@nats-io/transport-node";
import { connect, createService } from "../mod.ts";
import { createOrder, NAMES, type OrderParams, type OrderResult } from "./contract.ts";
import { logger, serveOrders } from "./orders.ts";

async function serveAegis(servers: string): Promise<void> {
  const bus = await connect({ servers, logger });
  await createService(NAMES.service, { bus, handlers: [createOrder], registry: false }).start();
}

async function serveBare(servers: string): Promise<void> {
  const connection = await connectBare({ servers });
  connection.subscribe(NAMES.bareSubject, {
    queue: "bare",
    callback: (error, message) => {
      if (error) throw error;
      const { orderId } = message.json<OrderParams>();
      const result: OrderResult = { orderId, status: "created" };
      message.respond(JSON.stringify(result));
    },
  });
  await connection.flush();
}

const [, , kind, servers = ""] = process.argv;
await (kind === "aegis" ? serveAegis(servers) : serveBare(servers));
serveOrders(() => undefined);
