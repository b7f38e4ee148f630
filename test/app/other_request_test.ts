// A bus whose connection cannot be asked any more, as in another request of a worker: nobody waits for what does not come.

import { deepStrictEqual, rejects, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import {
  type Bus,
  type BusStatus,
  command,
  connect,
  createClient,
  createDiscovery,
  createService,
  type Transport,
} from "../../mod.ts";
import { createMemoryTransport, memoryBroker } from "../../src/adapters/memory/transport.ts";
import { ManualClock } from "../../testing.ts";

const TOLD = { name: "TypeError", message: "This bus is that of another request" };
const logger = { debug() {}, info() {}, warn() {}, error() {} };

interface TwoRequests {
  readonly bus: Bus;
  readonly clock: ManualClock;
  /** Makes the request another one than that of the bus, or again that one. */
  leave(isHere: boolean): void;
  /** The server goes, or the bus is closed. */
  become(status: BusStatus): void;
}

async function twoRequests(): Promise<TwoRequests> {
  const inner = createMemoryTransport(memoryBroker("memory:"));
  const clock = new ManualClock();
  let here = true;
  let status: BusStatus = "connected";
  const messaging = Object.create(inner.messaging, {
    connected: {
      get() {
        if (!here) throw new TypeError(TOLD.message);
        return inner.messaging.connected;
      },
    },
  });
  const transport: Transport = Object.create(inner, {
    messaging: { value: messaging },
    status: { get: () => status },
  });
  const bus = await connect({ transport, clock, logger });
  return {
    bus,
    clock,
    leave: (isHere) => void (here = isHere),
    become: (next) => void (status = next),
  };
}

const step = command("step", async (_, ctx) => {
  await ctx.progress(50);
  await new Promise(() => {});
});

test("loops that wait in one request say in another that nothing comes, and go on in theirs", async () => {
  const { bus, leave } = await twoRequests();
  await using discovery = createDiscovery({ bus });
  const service = createService("steps", { bus, handlers: [step] });
  await service.start();
  const kv = await bus.kv<number>("numbers");
  await kv.put("a", 1);
  const job = await createClient({ bus }).send("steps", "step");
  const loops: Record<string, AsyncIterator<unknown>> = {
    progress: job.progress(),
    watch: kv.watch(),
    instances: discovery.watch("steps"),
  };
  for (const loop of Object.values(loops)) strictEqual((await loop.next()).done, false);
  leave(false);
  for (const [name, loop] of Object.entries(loops)) {
    await rejects(loop.next(), TOLD, name);
    await rejects(loop.return!(), TOLD, name);
  }
  await rejects(discovery.close(), TOLD);
  leave(true);
  const next = Promise.all(Object.values(loops).map((loop) => loop.next()));
  await kv.put("a", 2);
  await job.cancel();
  await service.stop({ graceMs: 0 });
  deepStrictEqual((await next).map(({ done }) => done ?? false), [true, false, false]);
  for (const loop of Object.values(loops)) await loop.return!();
  leave(false);
  for (const loop of Object.values(loops)) strictEqual((await loop.next()).done, true);
  leave(true);
  await bus.close();
});

test("result() and progress() of another request wait for nothing, also later", async () => {
  const { bus, clock, leave } = await twoRequests();
  const service = createService("steps", { bus, handlers: [step] });
  await service.start();
  const job = await createClient({ bus }).send("steps", "step");
  strictEqual((await job.progress().next()).value?.percent, 50);
  leave(false);
  await rejects(job.result({ timeoutMs: 1_000 }), TOLD);
  // Each time, and not only when it would begin.
  const steps = job.progress();
  await rejects(steps.next(), TOLD);
  await rejects(steps.next(), TOLD);
  leave(true);
  clock.advance(2_000);
  strictEqual((await steps.next()).value?.percent, 50);
  await job.cancel();
  await service.stop({ graceMs: 0 });
  await bus.close();
});

test("a call of another request does not wait for a bus that is away there, nor is told that it is closed", async () => {
  const { bus, leave, become } = await twoRequests();
  const { call } = createClient({ bus });
  for (const status of ["reconnecting", "closed"] as const) {
    become(status);
    leave(false);
    await rejects(call("steps", "any"), TOLD, status);
    leave(true);
  }
  become("connected");
  await bus.close();
});
