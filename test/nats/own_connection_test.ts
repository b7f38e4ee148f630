// A bus on a connection that the program made itself.

import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { connect as natsConnect } from "@nats-io/transport-node";
import {
  type BusStatus,
  ClosedError,
  connect,
  createClient,
  createService,
  rpc,
} from "../../mod.ts";
import { startNatsServer } from "../../tools/nats_server.ts";
import { echo, gate, logger, outcome, serve, within } from "./outage_tools.ts";

test("a connection of one's own works, and close() leaves it open with nothing of ours on it", async () => {
  await using server = await startNatsServer({ jetstream: false });
  const nc = await natsConnect({ servers: server.url });
  const bus = await connect({ connection: nc, logger });
  const service = await serve(bus);
  const client = createClient({ bus });
  strictEqual(await client.call("outage", "echo", { n: 1 }).then(JSON.stringify), `{"n":1}`);
  await service.stop();
  await bus.close();
  strictEqual(bus.status, "closed");
  strictEqual(nc.isClosed(), false);
  await nc.flush();
  const { protocol: { subscriptions, muxSubscriptions } } = nc as unknown as {
    readonly protocol: {
      readonly subscriptions: { readonly subs: Map<number, { readonly subject: string }> };
      readonly muxSubscriptions: { readonly baseInbox: string };
    };
  };
  // nats.js keeps the inbox of its own requests, which asked for JetStream.
  const own = `${muxSubscriptions.baseInbox}*`;
  const left = [...subscriptions.subs.values()].map(({ subject }) => subject);
  deepStrictEqual(left.filter((subject) => subject !== own), []);
  await rejects(client.call("outage", "echo"), ClosedError);
  await rejects(createService("outage", { bus, handlers: [echo] }).start(), ClosedError);
  await nc.close();
});

test("a connection of one's own that closes unexpectedly ends its calls with a ClosedError", async () => {
  await using server = await startNatsServer({ jetstream: false });
  const nc = await natsConnect({ servers: server.url });
  const bus = await connect({ connection: nc, logger });
  const seen: BusStatus[] = [];
  bus.onStatus((status) => seen.push(status));
  const { arrived, arrive } = gate();
  const never = rpc("never", async () => {
    arrive();
    await new Promise(() => {});
  });
  const service = await serve(bus, never);
  const client = createClient({ bus });
  const call = outcome(client.call("outage", "never", {}, { timeoutMs: 20_000 }));
  await arrived;
  await nc.close();
  const { error } = await within(1_000, "the call ends", call);
  ok(error instanceof ClosedError, `${error}`);
  strictEqual(bus.status, "closed");
  strictEqual(seen.join(), "closed");
  strictEqual((await bus.health()).status, "closed");
  await rejects(client.call("outage", "echo"), ClosedError);
  await within(3_000, "stop()", service.stop({ graceMs: 0 }));
  await bus.close();
});
