// Stopping a service that handles events: nothing is lost, nothing that was acknowledged is run twice.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { createClient, createService, on } from "../../mod.ts";
import { bothStreams, until } from "./buses.ts";

/** A handler that is done when it is told to. */
function gate() {
  const got: number[] = [];
  const open: (() => void)[] = [];
  return {
    got,
    /** Lets those end that run now. */
    release: () => open.splice(0).forEach((end) => end()),
    handle: ({ payload }: { readonly payload: unknown }) => {
      got.push((payload as { n: number }).n);
      return new Promise<void>((resolve) => open.push(resolve));
    },
  };
}

bothStreams(
  "stop() waits for handlers that run, and hands back at once what waits behind them",
  async (buses) => {
    const slow = gate();
    const options = { concurrency: 2, ackWaitMs: 60_000 };
    const first = await buses.serve("billing", [on("order.*", options, slow.handle)]);
    const { publish } = createClient({ bus: buses.client });
    for (let n = 0; n < 2; n++) await publish("order.created", { n });
    await until(() => slow.got.length === 2);
    for (let n = 2; n < 10; n++) await publish("order.created", { n });
    const others: number[] = [];
    await buses.serve("billing", [
      on("order.*", options, ({ payload }) => void others.push((payload as { n: number }).n)),
    ], { bus: await buses.open() });
    const stopped = first.stop();
    // Long before the ack wait is over the other instance has them.
    await until(() => others.length === 8);
    strictEqual(first.status, "stopping");
    slow.release();
    await stopped;
    await publish("order.created", { n: 10 });
    await until(() => others.length === 9);
    deepStrictEqual(others.sort((a, b) => a - b), [2, 3, 4, 5, 6, 7, 8, 9, 10]);
    deepStrictEqual(slow.got, [0, 1]);
  },
);

bothStreams(
  "after graceMs a handler is told, and its event goes to another instance",
  async (buses) => {
    let reason: unknown;
    const first = await buses.serve("billing", [
      on(
        "order.*",
        { ackWaitMs: 60_000 },
        (_event, { signal }) =>
          new Promise<void>((_resolve, reject) =>
            signal.addEventListener("abort", () => {
              reason = signal.reason;
              reject(signal.reason);
            })
          ),
      ),
    ]);
    const { publish } = createClient({ bus: buses.client });
    await publish("order.created");
    await until(async () => (await first.health()).inFlight === 1);
    await first.stop({ graceMs: 20 });
    ok(String(reason).includes("waits no longer"), String(reason));
    let attempt = 0;
    await buses.serve("billing", [on("order.*", (_event, ctx) => void (attempt = ctx.attempt))]);
    await until(() => attempt > 0);
    deepStrictEqual(await createClient({ bus: buses.client }).listDeadLetters(), []);
  },
);

bothStreams(
  "a handler that ignores its signal keeps its event from nobody once its service has stopped",
  async (buses) => {
    let begun = false;
    const first = await buses.serve("billing", [
      on("order.*", { ackWaitMs: 500 }, () => {
        begun = true;
        return new Promise(() => {});
      }),
    ]);
    await createClient({ bus: buses.client }).publish("order.created");
    await until(() => begun);
    await first.stop({ graceMs: 0 });
    let attempt = 0;
    await buses.serve("billing", [
      on("order.*", { ackWaitMs: 500 }, (_event, ctx) => void (attempt = ctx.attempt)),
    ]);
    await until(() => attempt === 2);
  },
);

bothStreams("instances that come and go handle each event once", async (buses) => {
  const counts = new Map<number, number>();
  const handler = on("order.*", { concurrency: 3 }, async ({ payload }) => {
    const { n } = payload as { n: number };
    await new Promise((resolve) => setTimeout(resolve, 1));
    counts.set(n, (counts.get(n) ?? 0) + 1);
  });
  const serve = async () => {
    const service = createService("billing", { bus: await buses.open(), handlers: [handler] });
    await service.start();
    return service;
  };
  let current = await serve();
  const { publish } = createClient({ bus: buses.client });
  const all = Array.from({ length: 600 }, (_, n) => publish("order.created", { n }));
  for (let i = 0; i < 8; i++) {
    const next = await serve();
    await current.stop();
    current = next;
  }
  await Promise.all(all);
  await until(() => counts.size === 600);
  await current.stop();
  deepStrictEqual([...counts.values()].filter((count) => count !== 1), []);
});

bothStreams(
  "an event that is slower than its ack wait is handled once, also while it waits for a slot",
  async (buses) => {
    const got: number[] = [];
    const handler = on("order.*", { concurrency: 2, ackWaitMs: 300 }, async ({ payload }) => {
      got.push((payload as { n: number }).n);
      await new Promise((resolve) => setTimeout(resolve, 900));
    });
    await buses.serve("billing", [handler]);
    await buses.serve("billing", [handler], { bus: await buses.open() });
    const { publish } = createClient({ bus: buses.client });
    for (let n = 0; n < 8; n++) await publish("order.created", { n });
    await until(() => got.length >= 8);
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    deepStrictEqual(got.sort((a, b) => a - b), [0, 1, 2, 3, 4, 5, 6, 7]);
  },
);

bothStreams("the consumer of an instance goes with it, a durable stays", async (buses) => {
  const wire = await buses.streams();
  const handlers = [
    on("order.*", () => {}),
    on("order.*", { mode: "broadcast" }, () => {}),
    on("order.*", { mode: "broadcast", name: "cache" }, () => {}),
  ];
  const service = await buses.serve("web", handlers, { instanceId: "one" });
  const names = ["web=order=+", "web=order=+=+each=one", "cache=one"];
  const there = async () =>
    await Promise.all(
      names.map(async (name) => (await wire.admin.consumer("EVENTS", name))?.config.name),
    );
  deepStrictEqual(await there(), names);
  await service.stop();
  deepStrictEqual(await there(), ["web=order=+", undefined, "cache=one"]);
});
