// A stop that is cut short, or whose time is over: nothing keeps it, neither hooks nor a server that stands still.

import { ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { ClosedError, connect, createService, rpc, UnavailableError } from "../../mod.ts";
import { createMemoryTransport, type MemoryTransport } from "../../testing.ts";
import { both, errorOf, recordingLogger } from "./buses.ts";

const hello = rpc("hello", () => "hello");
const hang = (): Promise<void> => new Promise(() => {});

/** How long it takes, in milliseconds. */
async function timed(work: Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work;
  return performance.now() - started;
}

for (const hook of ["onStop", "onStopped"] as const) {
  both(`an ${hook} hook that hangs keeps a stop no longer than its time`, async (buses) => {
    const service = await buses.serve("shop", [hello], { hooks: { [hook]: hang } });
    const ms = await timed(service.stop({ graceMs: 50 }));
    ok(ms >= 49 && ms < 1_500, `${ms} ms`);
    strictEqual(service.status, "stopped");
    ok(buses.logs.some(({ level, message }) => level === "warn" && message.includes(hook)));
  });

  both(`a second stop() cuts an ${hook} hook short that hangs`, async (buses) => {
    const service = await buses.serve("shop", [hello], { hooks: { [hook]: hang } });
    const first = service.stop();
    await new Promise((resolve) => setTimeout(resolve, 20));
    const ms = await timed(Promise.all([first, service.stop({ graceMs: 0 })]));
    ok(ms < 1_500, `${ms} ms`);
    strictEqual(service.status, "stopped");
  });
}

both("a hook has its time also when nothing else has", async (buses) => {
  let ended = false;
  const service = await buses.serve("shop", [hello], {
    hooks: {
      onStop: async () => {
        await new Promise((resolve) => setTimeout(resolve, 50));
        ended = true;
      },
    },
  });
  await service.stop({ graceMs: 0 });
  strictEqual(ended, true);
});

/** A transport whose server stands still from the moment that `still` is called. */
function standing(): { transport: MemoryTransport; still: () => void } {
  const transport = createMemoryTransport();
  const { messaging } = transport;
  const { flush, subscribe } = messaging;
  let isStill = false;
  messaging.flush = () => isStill ? hang() : flush();
  messaging.subscribe = (subject, options) => {
    const subscription = subscribe(subject, options);
    return { drain: (withinMs) => isStill ? hang() : subscription.drain(withinMs) };
  };
  return { transport, still: () => isStill = true };
}

test("a second stop() waits for no server that stands still", async () => {
  const { transport, still } = standing();
  const bus = await connect({ transport, logger: recordingLogger([]) });
  const service = createService("shop", { bus, handlers: [hello] });
  await service.start();
  still();
  const first = service.stop();
  await new Promise((resolve) => setTimeout(resolve, 20));
  const ms = await timed(Promise.all([first, service.stop({ graceMs: 0 })]));
  ok(ms < 2_500, `${ms} ms`);
  strictEqual(service.status, "stopped");
});

test("a stop that will not wait ends a start that hangs, at the server or in a hook", async () => {
  const { transport, still } = standing();
  const bus = await connect({ transport, logger: recordingLogger([]) });
  const inHook = createService("shop", { bus, handlers: [hello], hooks: { onStart: hang } });
  const starting = errorOf(inHook.start());
  ok(await timed(inHook.stop({ graceMs: 20 })) < 1_500);
  const error = await starting;
  ok(error instanceof ClosedError && error.message.includes("shop"), String(error));
  strictEqual(inHook.status, "failed");
  still();
  const atServer = createService("shop", { bus, handlers: [hello] });
  const started = errorOf(atServer.start());
  ok(await timed(atServer.stop({ graceMs: 0 })) < 3_000);
  ok(await started instanceof ClosedError);
});

test("start() while the server is away names the service and says what to do", async () => {
  const transport = createMemoryTransport();
  const bus = await connect({ transport, logger: recordingLogger([]) });
  transport.disconnect();
  const away = await errorOf(createService("shop", { bus, handlers: [hello] }).start());
  ok(away instanceof UnavailableError, String(away));
  ok(/Cannot start shop: .*bus\.status is "connected"/.test(away.message), away.message);
  transport.reconnect();
  await bus.close();
  const closed = await errorOf(createService("shop", { bus, handlers: [hello] }).start());
  ok(closed instanceof ClosedError, String(closed));
  ok(/Cannot start shop: .*connect\(\)/.test(closed.message), closed.message);
});
