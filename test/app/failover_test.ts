// Single-active services: one instance serves what is exclusive, and the next one goes on.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { createClient, createService, failover, on as onEvent, rpc } from "../../mod.ts";
import { bothStreams, until } from "./buses.ts";

const singleActive = failover.aggressive;

bothStreams("a service that is alone leads once it is started", async (buses) => {
  const seen: [boolean, number][] = [];
  const service = await buses.serve("shop", [
    rpc("token", { exclusive: true }, (_, ctx) => ctx.fencingToken),
  ], { singleActive, hooks: { onLeadership: (leader, token) => void seen.push([leader, token]) } });
  strictEqual(service.isLeader(), true);
  const { leadership, ok: isOk } = await service.health();
  strictEqual(isOk, true);
  deepStrictEqual(seen, [[true, leadership!.fencingToken]]);
  strictEqual(
    await createClient({ bus: buses.client }).call("shop", "token"),
    leadership!.fencingToken,
  );
  await service.stop();
  strictEqual(service.isLeader(), false);
  deepStrictEqual(seen.map(([leader]) => leader), [true, false]);
});
