// Services as the tools of NATS see them: each answers the NATS service protocol from its start to its stop.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import * as z from "zod";
import { createClient, type Messaging, rpc, RpcError } from "../../mod.ts";
import { arrived, ask, both, type Buses, until } from "./buses.ts";

const create = rpc("create", {
  description: "Creates an order",
  params: z.object({ amount: z.number() }),
}, ({ amount }) => {
  if (amount < 0) throw new RpcError("NEGATIVE", "There is no such amount");
  return { amount };
});
const options = { version: "1.2.3", instanceId: "orders-1", metadata: { zone: "a" } };

const asked = async (wire: Messaging, subject: string) =>
  JSON.parse((await ask(wire, subject, "")).text);

/** How many answer. */
async function answers(buses: Buses, wire: Messaging, subject: string): Promise<number> {
  let count = 0;
  const reply = `${wire.inbox}.all`;
  const subscription = wire.subscribe(reply, {
    onMessage: (message) => {
      if (!wire.isNoResponders(message)) count++;
    },
  });
  wire.publish(subject, "", reply);
  // To the services, back from them, and here.
  await wire.flush();
  await arrived(buses);
  await wire.flush();
  await subscription.drain();
  return count;
}

both("an instance answers as one of all, as one of its service, and alone", async (buses) => {
  await buses.serve("orders", [create], options);
  const wire = await buses.wire();
  for (const address of ["", ".orders", ".orders.orders-1"]) {
    deepStrictEqual(await asked(wire, `$SRV.PING${address}`), {
      type: "io.nats.micro.v1.ping_response",
      name: "orders",
      id: "orders-1",
      version: "1.2.3",
      metadata: { zone: "a" },
    });
    strictEqual((await asked(wire, `$SRV.INFO${address}`)).type, "io.nats.micro.v1.info_response");
    const stats = await asked(wire, `$SRV.STATS${address}`);
    strictEqual(stats.type, "io.nats.micro.v1.stats_response");
    ok(Math.abs(Date.parse(stats.started) - Date.now()) < 60_000, stats.started);
  }
});

both(
  "it tells its methods with their schemas, and nothing that every service has",
  async (buses) => {
    await buses.serve("orders", [create], options);
    const { endpoints } = await asked(await buses.wire(), "$SRV.INFO.orders");
    strictEqual(endpoints.length, 1);
    const [{ metadata, ...endpoint }] = endpoints;
    deepStrictEqual(endpoint, {
      name: "create",
      subject: "rpc.orders.create",
      queue_group: "rpc.orders",
    });
    strictEqual(metadata.description, "Creates an order");
    deepStrictEqual(JSON.parse(metadata.params).required, ["amount"]);
  },
);

both("it counts calls, failures and time, of callers that write nonsense too", async (buses) => {
  await buses.serve("orders", [create], options);
  const { call } = createClient({ bus: buses.client });
  const wire = await buses.wire();
  await call("orders", "create", { amount: 1 });
  await call("orders", "create", { amount: 2 }, { instance: "orders-1" });
  await call("orders", "create", { amount: -1 }).catch(() => {});
  await ask(wire, "rpc.orders.create", "no JSON");
  const [endpoint] = (await asked(wire, "$SRV.STATS.orders.orders-1")).endpoints;
  deepStrictEqual([endpoint.num_requests, endpoint.num_errors], [4, 2]);
  ok(endpoint.last_error.startsWith("INVALID_REQUEST: "), endpoint.last_error);
  ok(Number.isInteger(endpoint.processing_time) && endpoint.processing_time > 0);
  ok(Math.abs(endpoint.average_processing_time * 4 - endpoint.processing_time) <= 4);
});

both("every instance answers for itself, and none after its stop", async (buses) => {
  const wire = await buses.wire();
  strictEqual(await answers(buses, wire, "$SRV.PING"), 0);
  const one = await buses.serve("orders", [create], options);
  await buses.serve("orders", [create], { instanceId: "orders-2" });
  await buses.serve("billing", [create]);
  await arrived(buses);
  strictEqual(await answers(buses, wire, "$SRV.PING"), 3);
  strictEqual(await answers(buses, wire, "$SRV.PING.orders"), 2);
  strictEqual(await answers(buses, wire, "$SRV.STATS.orders.orders-1"), 1);
  strictEqual(await answers(buses, wire, "$SRV.SCHEMA"), 0);
  await one.stop();
  strictEqual(await answers(buses, wire, "$SRV.PING.orders"), 1);
  strictEqual(await answers(buses, wire, "$SRV.PING.orders.orders-1"), 0);
});

both("a start that fails leaves nothing that answers", async (buses) => {
  const wire = await buses.wire();
  const hooks = {
    onStarted: () => {
      throw new Error("no");
    },
  };
  await buses.serve("orders", [create], { hooks }).catch(() => {});
  await until(async () => await answers(buses, wire, "$SRV.PING") === 0);
});
