// Users who may do what elections need, and callers who may not hear of them; docs/security.md has the least, line by line.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { connect, createClient, createService, failover, rpc } from "../../mod.ts";
import { startNatsServer } from "../../tools/nats_server.ts";
import { logger, until } from "./outage_tools.ts";

const CONFIG = `authorization { users: [
  { user: service, password: p, permissions: {
    publish: ["_INBOX.>", "$KV.service_leaders.shop.>", "$JS.API.>", "internal.rpc.elected.shop"]
    subscribe: ["rpc.shop.>", "internal.rpc.cancel.shop", "internal.rpc.again.shop", "_INBOX.>",
      "$SRV.*", "$SRV.*.shop", "$SRV.*.shop.*"]
  } }
  { user: caller, password: p, permissions: {
    publish: ["rpc.shop.>", "internal.rpc.cancel.shop", "internal.rpc.again.shop"]
    subscribe: ["_INBOX.>", "internal.rpc.elected.shop"]
  } }
  { user: stranger, password: p, permissions: {
    publish: ["rpc.shop.>", "internal.rpc.cancel.shop", "internal.rpc.again.shop"]
    subscribe: ["_INBOX.>"]
  } }
  { user: narrow, password: p, permissions: {
    publish: ["rpc.shop.who", "internal.rpc.cancel.shop", "internal.rpc.again.shop"]
    subscribe: ["_INBOX.>"]
  } }
] }`;

test("elections need no more than is said, and callers who may less find the next leader too", async () => {
  await using server = await startNatsServer({ config: CONFIG });
  const as = (user: string) => connect({ servers: server.url, user, pass: "p", logger });
  const handlers = [rpc("who", { exclusive: true }, (_, ctx) => ctx.instanceId)];
  const start = async (instanceId: string) => {
    const bus = await as("service");
    const singleActive = failover.aggressive;
    const options = { bus, handlers, instanceId, singleActive, registry: false as const };
    const service = createService("shop", options);
    await service.start();
    return { bus, service };
  };
  const [a, b] = [await start("a"), await start("b")];
  const buses = [await as("caller"), await as("stranger"), await as("narrow")];
  const [caller, stranger, narrow] = buses.map((bus) => createClient({ bus }));
  strictEqual(await caller!.call("shop", "who"), "a");
  const refused = /.*(?:Publish|Subscription) Violation.*/g;
  deepStrictEqual((await server.log()).match(refused), null);
  for (let i = 0; i < 3; i++) strictEqual(await narrow!.call("shop", "who"), "a");
  strictEqual(await stranger!.call("shop", "who"), "a");
  await a.service.stop();
  strictEqual(await stranger!.call("shop", "who"), "b");
  await until("b leads", () => b.service.isLeader());
  for (const { call } of [caller!, narrow!]) strictEqual(await call("shop", "who"), "b");
  const found = (await server.log()).match(refused) ?? [];
  // Whoever may use the queue group alone has asked once, and again where its call came before b led; it listens to nobody.
  const allowed = /internal\.rpc\.elected\.shop|Publish Violation.*"rpc\.shop\.~"/;
  ok(found.every((line) => allowed.test(line)), found.join("\n"));
  const asked = found.filter((line) => line.includes("shop.~")).length;
  ok(asked === 1 || asked === 2, `${asked} times`);
  await b.service.stop();
  for (const bus of [...buses, a.bus, b.bus]) await bus.close();
});
