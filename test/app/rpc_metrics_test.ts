// Metrics: every call is counted and timed, on both sides.

import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import * as v from "valibot";
import { type Bus, createClient, createMetrics, rpc, RpcError } from "../../mod.ts";
import { arrived, both, errorOf, hang } from "./buses.ts";

/** The counter of calls of one side, by `service.method outcome`. */
function counted({ metrics }: Bus, side: "client" | "server"): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { name, labels, value } of metrics.snapshot().counters) {
    if (name !== `aegis_rpc_${side}_calls_total`) continue;
    counts[`${labels.service}.${labels.method} ${labels.outcome}`] = value;
  }
  return counts;
}

const checked = { params: v.object({ id: v.string() }) };

both("calls are counted by service, method and outcome, on both sides", async (buses) => {
  const { client, server } = buses;
  await buses.serve("shop", [
    rpc("ok", () => 1),
    rpc("taken", () => {
      throw new RpcError("TAKEN", "taken");
    }),
    rpc("broken", () => {
      throw new Error("broken");
    }),
    rpc("checked", checked, () => 1),
    rpc("slow", hang),
  ]);
  const caller = createClient({ bus: client });
  for (let i = 0; i < 3; i++) await caller.call("shop", "ok");
  await errorOf(caller.call("shop", "taken"));
  await errorOf(caller.call("shop", "broken"));
  await errorOf(caller.call("shop", "checked"));
  await errorOf(caller.call("shop", "slow", {}, { timeoutMs: 30 }));
  await errorOf(caller.call("nobody", "ok"));
  const controller = new AbortController();
  const cancelled = caller.call("shop", "slow", {}, { signal: controller.signal });
  await arrived({ client, server });
  controller.abort();
  await errorOf(cancelled);
  await arrived({ client, server });
  await new Promise((resolve) => setTimeout(resolve, 30));
  const both = {
    "shop.ok ok": 3,
    "shop.taken error": 1,
    "shop.broken INTERNAL_ERROR": 1,
    "shop.checked INVALID_REQUEST": 1,
    "shop.slow TIMEOUT": 1,
    "shop.slow CANCELLED": 1,
  };
  deepStrictEqual(counted(server, "server"), both);
  deepStrictEqual(counted(client, "client"), { ...both, "nobody.ok SERVICE_UNAVAILABLE": 1 });
  deepStrictEqual([counted(server, "client"), counted(client, "server")], [{}, {}]);
});

both("calls are timed in milliseconds, on both sides", async ({ client, server, serve }) => {
  await serve("shop", [rpc("wait", () => new Promise((resolve) => setTimeout(resolve, 40)))]);
  await createClient({ bus: client }).call("shop", "wait");
  for (const [bus, side] of [[client, "client"], [server, "server"]] as const) {
    const [summary] = bus.metrics.snapshot().summaries;
    strictEqual(summary?.name, `aegis_rpc_${side}_duration_ms`);
    deepStrictEqual({ ...summary.labels }, { service: "shop", method: "wait", outcome: "ok" });
    strictEqual(summary.value.count, 1);
    ok(summary.value.avg >= 39 && summary.value.avg < 200, `${side}: ${summary.value.avg} ms`);
  }
});

both("metrics.prometheus() shows the calls", async ({ client, serve }) => {
  await serve("shop", [rpc("ok", () => 1)]);
  await createClient({ bus: client }).call("shop", "ok");
  const text = client.metrics.prometheus();
  match(text, /^# TYPE aegis_rpc_client_calls_total counter$/m);
  match(
    text,
    /^aegis_rpc_client_calls_total\{method="ok",outcome="ok",service="shop"\} 1$/m,
  );
  match(text, /^# TYPE aegis_rpc_client_duration_ms summary$/m);
  match(
    text,
    /^aegis_rpc_client_duration_ms_count\{method="ok",outcome="ok",service="shop"\} 1$/m,
  );
});

both("codes of handlers do not make series without end", async ({ client, server, serve }) => {
  let n = 0;
  await serve("shop", [
    rpc("odd", () => {
      throw new RpcError(`CODE_${n++}`, "no");
    }),
  ]);
  const caller = createClient({ bus: client });
  for (let i = 0; i < 20; i++) await errorOf(caller.call("shop", "odd"));
  deepStrictEqual(counted(client, "client"), { "shop.odd error": 20 });
  deepStrictEqual(counted(server, "server"), { "shop.odd error": 20 });
});

both("a handler's own code is never counted as success", async ({ client, server, serve }) => {
  await serve("shop", [
    rpc("odd", () => {
      throw new RpcError("ok", "not ok at all");
    }),
  ]);
  await errorOf(createClient({ bus: client }).call("shop", "odd"));
  deepStrictEqual(counted(client, "client"), { "shop.odd error": 1 });
  deepStrictEqual(counted(server, "server"), { "shop.odd error": 1 });
});

both("malformed requests are counted", async ({ server, serve, wire }) => {
  await serve("shop", [rpc("ok", () => 1)]);
  const messaging = await wire();
  messaging.publish("rpc.shop.ok", "no json");
  messaging.publish("rpc.shop.ok", "");
  await messaging.flush();
  await server.health();
  deepStrictEqual(counted(server, "server"), { "shop.ok INVALID_REQUEST": 2 });
});

both("measurements go to the metrics that connect() was given", async ({ open, serve }) => {
  const metrics = createMetrics();
  const bus = await open({ metrics });
  await serve("shop", [rpc("ok", () => 1)]);
  await createClient({ bus }).call("shop", "ok");
  strictEqual(bus.metrics, metrics);
  strictEqual(metrics.snapshot().counters[0]?.value, 1);
});

both("metrics that throw do not break calls", async ({ open, serve }) => {
  const broken = (): never => {
    throw new Error("the disk is full");
  };
  const metrics = { increment: broken, gauge: broken, record: broken, timer: broken };
  const bus = await open({ metrics });
  const served = await open({ metrics });
  const service = await serve("shop", [
    rpc("ok", () => 1),
    rpc("broken", () => {
      throw new Error("broken");
    }),
  ], { bus: served });
  const caller = createClient({ bus });
  strictEqual(await caller.call("shop", "ok"), 1);
  strictEqual((await errorOf(caller.call("shop", "broken")) as Error).message, "broken");
  strictEqual((await service.health()).inFlight, 0);
});
