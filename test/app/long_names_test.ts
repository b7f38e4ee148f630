// Names and subjects that no server would take: refused here, before the server hangs up on the whole bus.

import { ok, rejects, strictEqual, throws } from "node:assert/strict";
import { createClient, createService, rpc } from "../../mod.ts";
import { both } from "./buses.ts";

const LONG = "m".repeat(5_000);

both("a name that is too long is refused, and other calls go on", async (buses) => {
  const { client, server, serve } = buses;
  const { promise, resolve } = Promise.withResolvers<string>();
  await serve("shop", [rpc("wait", () => promise)]);
  const caller = createClient({ bus: client });
  const waiting = caller.call("shop", "wait");
  const changes: string[] = [];
  client.onStatus((status) => changes.push(status));
  const wrong = { name: "TypeError", message: /at most \d+/ };
  await rejects(caller.call("shop", LONG), wrong);
  await rejects(caller.call(LONG, "wait"), wrong);
  await rejects(caller.call("shop", "wait", {}, { instance: LONG }), wrong);
  throws(() => rpc(LONG, () => 1), wrong);
  throws(() => createService(LONG, { bus: server, handlers: [] }), wrong);
  throws(() => createService("shop", { bus: server, handlers: [], instanceId: LONG }), wrong);
  ok((await client.health()).ok);
  resolve("done");
  strictEqual(await waiting, "done");
  strictEqual(changes.join(), "");
});

both("names as long as may be are served, by an instance of its own too", async (buses) => {
  const name = "s".repeat(128);
  const method = "m".repeat(128);
  const service = await buses.serve(name, [rpc(method, (_, ctx) => ctx.instanceId)]);
  const { call } = createClient({ bus: buses.client });
  strictEqual(await call(name, method), service.instanceId);
  strictEqual(await call(name, method, {}, { instance: service.instanceId }), service.instanceId);
});

both("a subject that is too long is refused, and the connection stands", async ({ wire }) => {
  const messaging = await wire();
  const wrong = { name: "TypeError", message: /max_control_line/ };
  throws(() => messaging.publish(LONG, ""), wrong);
  throws(() => messaging.publish("a", "", LONG, { header: "1" }), wrong);
  throws(() => messaging.publish("ü".repeat(2_040), ""), wrong);
  throws(() => messaging.subscribe(LONG, { onMessage() {} }), wrong);
  throws(() => messaging.subscribe("a", { queue: LONG, onMessage() {} }), wrong);
  const got: string[] = [];
  const longest = "a".repeat(4_000 - messaging.inbox.length);
  messaging.subscribe(longest, { onMessage: (message) => got.push(message.reply ?? "") });
  messaging.publish(longest, "", messaging.inbox, { header: "1" });
  await messaging.flush();
  await messaging.flush();
  strictEqual(got.join(), messaging.inbox);
});
