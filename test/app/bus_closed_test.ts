// A bus that is closed under its services: they stop by themselves.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { createClient, createService, rpc } from "../../mod.ts";
import { Listening } from "../../src/app/listening.ts";
import type { Runtime } from "../../src/app/runtime.ts";
import { ManualClock } from "../../src/testing/manual_clock.ts";
import { both, errorOf, until } from "./buses.ts";

both("a service whose bus is closed stops, and aborts what runs", async (buses) => {
  const bus = await buses.open();
  const told: string[] = [];
  let reason: unknown;
  let begun = false;
  const service = await buses.serve("shop", [
    rpc("wait", async (_, { signal }) => {
      begun = true;
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      reason = signal.reason;
    }),
  ], {
    bus,
    hooks: { onStop: () => void told.push("stop"), onStopped: () => void told.push("stopped") },
  });
  const caller = createClient({ bus: buses.client });
  const calling = errorOf(caller.call("shop", "wait", {}, { timeoutMs: 300 }));
  await until(() => begun);
  await bus.close();
  await service.stopped;
  strictEqual(service.status, "stopped");
  ok((reason as Error).message.includes("aborted"), `${reason}`);
  deepStrictEqual(told, ["stop", "stopped"]);
  ok(buses.logs.some(({ level, message }) => level === "warn" && message.includes("was closed")));
  strictEqual((await service.health()).ok, false);
  await service.stop();
  await calling;
});

both("a service that stops when its bus is closed waits no longer", async (buses) => {
  const bus = await buses.open();
  let begun = false;
  const service = await buses.serve("shop", [
    rpc("wait", async (_, { signal }) => {
      begun = true;
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
    }),
  ], { bus });
  const caller = createClient({ bus: buses.client });
  const calling = errorOf(caller.call("shop", "wait", {}, { timeoutMs: 300 }));
  await until(() => begun);
  const stopping = service.stop();
  await until(() => service.status === "stopping");
  await bus.close();
  const started = performance.now();
  await stopping;
  ok(performance.now() - started < 2_000);
  await calling;
});

both("stopped resolves also when the start failed", async ({ server }) => {
  const service = createService("shop", {
    bus: server,
    handlers: [rpc("hello", () => "hello")],
    hooks: {
      onStart: () => {
        throw new Error("no");
      },
    },
  });
  await errorOf(service.start());
  await service.stopped;
  strictEqual(service.status, "failed");
});

test("all services of a bus need one timer, which ends with the last of them", () => {
  const clock = new ManualClock();
  const listening = new Listening(
    { clock, transport: { status: "connected" } } as unknown as Runtime,
  );
  for (let i = 0; i < 3; i++) listening.start();
  strictEqual(clock.pending, 1);
  clock.advance(1_000);
  strictEqual(clock.pending, 1);
  listening.stop();
  listening.stop();
  strictEqual(clock.pending, 1);
  listening.stop();
  strictEqual(clock.pending, 0);
  listening.start();
  strictEqual(clock.pending, 1);
});
