// A service that is made and started.

import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import {
  ClosedError,
  createClient,
  createService,
  rpc,
  type RpcError,
  UnavailableError,
} from "../../mod.ts";
import { both, errorOf } from "./buses.ts";

const hello = rpc("hello", () => "hello");

both("start() resolves when calls succeed", async ({ client, server }) => {
  const caller = createClient({ bus: client });
  for (let i = 0; i < 50; i++) {
    const service = createService(`shop-${i}`, { bus: server, handlers: [hello] });
    await service.start();
    strictEqual(await caller.call(`shop-${i}`, "hello"), "hello");
    await service.stop();
  }
});

both("a service goes through its states", async ({ server }) => {
  const seen: string[] = [];
  const service = createService("shop", {
    bus: server,
    handlers: [hello],
    hooks: {
      onStart: () => void seen.push(`onStart ${service.status}`),
      onStarted: () => void seen.push(`onStarted ${service.status}`),
      onStop: () => void seen.push(`onStop ${service.status}`),
      onStopped: () => void seen.push(`onStopped ${service.status}`),
    },
  });
  seen.push(service.status);
  strictEqual(service.uptimeMs, 0);
  await service.start();
  seen.push(service.status);
  await new Promise((resolve) => setTimeout(resolve, 5));
  ok(service.uptimeMs > 0);
  await service.stop();
  seen.push(service.status);
  strictEqual(service.uptimeMs, 0);
  deepStrictEqual(seen, [
    "initializing",
    "onStart starting",
    "onStarted starting",
    "started",
    "onStop stopping",
    "onStopped stopped",
    "stopped",
  ]);
});

both(
  "hooks are awaited: onStart comes before the handlers, onStarted after them",
  async (buses) => {
    const caller = createClient({ bus: buses.client });
    const outcomes: unknown[] = [];
    const ask = async () =>
      outcomes.push(await caller.call("shop", "hello").catch((error) => (error as RpcError).code));
    const service = createService("shop", {
      bus: buses.server,
      handlers: [hello],
      hooks: {
        onStart: async () => void await ask(),
        onStarted: async () => void await ask(),
        onStop: async () => void await ask(),
        onStopped: async () => void await ask(),
      },
    });
    await service.start();
    await service.stop();
    deepStrictEqual(outcomes, ["SERVICE_UNAVAILABLE", "hello", "hello", "SERVICE_UNAVAILABLE"]);
  },
);

for (const hook of ["onStart", "onStarted"] as const) {
  both(`start() is all or nothing: ${hook} that throws leaves nothing live`, async (buses) => {
    const reason = new Error("no database");
    const service = createService("shop", {
      bus: buses.server,
      handlers: [hello],
      hooks: { [hook]: () => Promise.reject(reason) },
    });
    strictEqual(await errorOf(service.start()), reason);
    strictEqual(service.status, "failed");
    const error = await errorOf(createClient({ bus: buses.client }).call("shop", "hello"));
    ok(error instanceof UnavailableError);
    strictEqual((await service.health()).ok, false);
    await service.stop();
  });
}

both("start() twice is one start", async ({ client, server }) => {
  let starts = 0;
  const service = createService("shop", {
    bus: server,
    handlers: [rpc("count", () => 1)],
    hooks: { onStart: () => void starts++ },
  });
  await Promise.all([service.start(), service.start()]);
  await service.start();
  strictEqual(starts, 1);
  strictEqual(await createClient({ bus: client }).call("shop", "count"), 1);
  await service.stop();
});

both("start() after stop() refuses", async ({ server }) => {
  const service = createService("shop", { bus: server, handlers: [hello] });
  await service.start();
  await service.stop();
  ok(await errorOf(service.start()) instanceof ClosedError);
  const never = createService("shop", { bus: server, handlers: [hello] });
  await never.stop();
  strictEqual(never.status, "stopped");
  ok(await errorOf(never.start()) instanceof ClosedError);
});

both("start() on a bus that is closed refuses", async ({ open }) => {
  const bus = await open();
  const service = createService("shop", { bus, handlers: [hello] });
  await bus.close();
  ok(await errorOf(service.start()) instanceof ClosedError);
  strictEqual(service.status, "failed");
});

both("a service is started again under the same name by a new one", async ({ client, server }) => {
  const caller = createClient({ bus: client });
  for (let n = 0; n < 5; n++) {
    const service = createService("shop", {
      bus: server,
      handlers: [rpc("n", () => n)],
      instanceId: "the-one",
    });
    await service.start();
    strictEqual(await caller.call("shop", "n"), n);
    strictEqual(await caller.call("shop", "n", {}, { instance: "the-one" }), n);
    await service.stop();
    await rejects(caller.call("shop", "n"), { code: "SERVICE_UNAVAILABLE" });
  }
});

both("an option that cannot be is refused when the service is made", ({ server: bus }) => {
  const wrong: [unknown, unknown, RegExp][] = [
    ["a b", {}, /"a b"/],
    ["shop", { handlers: undefined }, /handlers/],
    ["shop", { handlers: [{}] }, /rpc\(\)/],
    ["shop", { handlers: [hello, hello] }, /"hello"/],
    ["shop", { handler: [] }, /"handler"/],
    ["shop", { bus: {} }, /"bus"/],
    ["shop", { instanceId: "a.b" }, /"a\.b"/],
    ["shop", { version: 1 }, /version/],
    ["shop", { concurrency: 0 }, /concurrency/],
    ["shop", { hooks: { onStartet: () => {} } }, /onStartet/],
    ["shop", { hooks: { onStart: "x" } }, /onStart/],
    ["shop", { hooks: 5 }, /hooks/],
    ["shop", { middleware: {} }, /middleware/],
    ["shop", { middleware: [1] }, /middleware/],
    ["shop", { metadata: 5 }, /metadata/],
  ];
  const taken: unknown[] = [];
  for (const [name, options, text] of wrong) {
    try {
      createService(name as string, { bus, handlers: [], ...options as object });
    } catch (error) {
      ok(error instanceof TypeError || error instanceof RangeError);
      ok(text.test(error.message), error.message);
      continue;
    }
    taken.push(options);
  }
  deepStrictEqual(taken, []);
});
