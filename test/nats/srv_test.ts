// Services as another library's client of the NATS service protocol finds them.

import { deepStrictEqual, ok, rejects } from "node:assert/strict";
import { test } from "node:test";
import { connect as connectOther } from "nats";
import { connect, createClient, createService, rpc } from "../../mod.ts";
import { startNatsServer } from "../../tools/nats_server.ts";
import { logger } from "./outage_tools.ts";

const create = rpc("create", { description: "Creates an order" }, () => "created");

async function all<T>(found: Promise<AsyncIterable<T>>): Promise<T[]> {
  const list: T[] = [];
  for await (const each of await found) list.push(each);
  return list;
}

test("any client of the protocol lists services, and reads what they offer and how they were used", async () => {
  await using server = await startNatsServer();
  await using bus = await connect({ servers: server.url, logger });
  const handlers = [create];
  await using one = createService("orders", { bus, handlers, version: "1.2.3", instanceId: "o-1" });
  await using two = createService("orders", { bus, handlers, version: "1.2.3", instanceId: "o-2" });
  await using billing = createService("billing", { bus, handlers: [] });
  for (const service of [one, two, billing]) await service.start();
  const { call } = createClient({ bus });
  for (let n = 0; n < 3; n++) await call("orders", "create", {}, { instance: "o-1" });

  const other = await connectOther({ servers: server.url });
  try {
    const client = other.services.client();
    const pinged = await all(client.ping());
    deepStrictEqual(pinged.map(({ name }) => name).sort(), ["billing", "orders", "orders"]);
    deepStrictEqual((await all(client.ping("orders"))).map(({ id }) => id).sort(), ["o-1", "o-2"]);
    const [info] = await all(client.info("orders", "o-1"));
    deepStrictEqual(info, {
      type: "io.nats.micro.v1.info_response",
      name: "orders",
      id: "o-1",
      version: "1.2.3",
      metadata: {},
      description: "",
      endpoints: [{
        name: "create",
        subject: "rpc.orders.create",
        queue_group: "rpc.orders",
        metadata: { description: "Creates an order" },
      }],
    });
    const [stats] = await all(client.stats("orders", "o-1"));
    const [endpoint] = stats!.endpoints!;
    deepStrictEqual([endpoint?.num_requests, endpoint?.num_errors], [3, 0]);
    ok(endpoint!.average_processing_time > 0);

    await one.stop();
    deepStrictEqual((await all(client.ping("orders"))).map(({ id }) => id), ["o-2"]);
    await rejects(all(client.stats("orders", "o-1")), /503/);
  } finally {
    await other.close();
  }
});
