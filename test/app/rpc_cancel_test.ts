// Cancel: a caller that takes its call back.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { AegisError, createClient, rpc } from "../../mod.ts";
import { arrived, ask, both, errorOf, hang, requestText, until } from "./buses.ts";

both("aborting the caller's signal aborts ctx.signal in the service", async ({ client, serve }) => {
  let begun = false;
  let reason: unknown;
  await serve("slow", [
    rpc("wait", async (_, ctx) => {
      begun = true;
      await new Promise((resolve) => ctx.signal.addEventListener("abort", resolve));
      reason = ctx.signal.reason;
      ctx.signal.throwIfAborted();
    }),
  ]);
  const controller = new AbortController();
  const calling = createClient({ bus: client }).call("slow", "wait", {}, {
    signal: controller.signal,
  });
  await until(() => begun);
  const given = new Error("changed my mind");
  controller.abort(given);
  strictEqual(await errorOf(calling), given);
  await until(() => reason !== undefined);
  ok(AegisError.is(reason, "CANCELLED"), String(reason));
});

for (const reason of [undefined, null, "no", 0, new AegisError("BUSY", "busy"), { a: 1 }]) {
  both(
    `a call rejects with the reason of its signal as it is: ${String(reason)}`,
    async (buses) => {
      let begun = 0;
      await buses.serve("slow", [rpc("wait", (params, ctx) => {
        begun++;
        return hang(params, ctx);
      })]);
      const controller = new AbortController();
      const calling = createClient({ bus: buses.client }).call("slow", "wait", {}, {
        signal: controller.signal,
        retry: { attempts: 3 },
      });
      await until(() => begun === 1);
      controller.abort(reason);
      strictEqual(await errorOf(calling), controller.signal.reason);
      strictEqual(begun, 1);
    },
  );
}

both("a signal that was aborted before sends nothing", async ({ client, serve, wire }) => {
  let runs = 0;
  await serve("quick", [rpc("run", () => ++runs)]);
  const heard: string[] = [];
  const messaging = await wire();
  messaging.subscribe(">", { onMessage: ({ subject }) => heard.push(subject) });
  await messaging.flush();
  const caller = createClient({ bus: client });
  const error = await errorOf(
    caller.call("quick", "run", {}, { signal: AbortSignal.abort("before") }),
  );
  strictEqual(error, "before");
  strictEqual(await caller.call("quick", "run"), 1);
  await messaging.flush();
  // Who leads, if anybody does, is asked before the first call.
  const calls = heard.filter((subject) => /^rpc\.quick\.(?!~$)/.test(subject));
  deepStrictEqual(calls, ["rpc.quick.run"]);
});

both("a queued call that is taken back never runs", async ({ client, serve }) => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const ran: unknown[] = [];
  const service = await serve("slow", [
    rpc("one", { concurrency: 1 }, async (params) => {
      ran.push((params as { n: number }).n);
      await promise;
    }),
  ]);
  const caller = createClient({ bus: client });
  const controller = new AbortController();
  const first = caller.call("slow", "one", { n: 1 });
  const second = caller.call("slow", "one", { n: 2 }, { signal: controller.signal });
  const third = caller.call("slow", "one", { n: 3 });
  await untilAsync(async () => (await service.health()).inFlight === 3);
  controller.abort();
  strictEqual((await errorOf(second) as Error).name, "AbortError");
  await untilAsync(async () => (await service.health()).inFlight === 2);
  resolve();
  await Promise.all([first, third]);
  deepStrictEqual(ran, [1, 3]);
});

both(
  "a call that is taken back gives its turn to the next once its handler ends",
  async (buses) => {
    let ended = 0;
    await buses.serve("slow", [
      rpc("one", { concurrency: 1 }, async (params, ctx) => {
        if ((params as { n: number }).n > 1) return "next";
        await new Promise((resolve) => ctx.signal.addEventListener("abort", resolve));
        ended++;
      }),
    ]);
    const caller = createClient({ bus: buses.client });
    const controller = new AbortController();
    const first = caller.call("slow", "one", { n: 1 }, { signal: controller.signal });
    const second = caller.call("slow", "one", { n: 2 });
    await arrived(buses);
    controller.abort();
    await errorOf(first);
    strictEqual(await second, "next");
    strictEqual(ended, 1);
  },
);

both("AbortSignal.timeout() ends a call with its own TimeoutError", async ({ client, serve }) => {
  await serve("slow", [rpc("wait", hang)]);
  const error = await errorOf(
    createClient({ bus: client }).call("slow", "wait", {}, { signal: AbortSignal.timeout(30) }),
  );
  strictEqual((error as DOMException).name, "TimeoutError");
  ok(error instanceof DOMException);
});

both(
  "one signal takes many calls back, and keeps no listeners",
  async ({ client, server, serve }) => {
    await serve("slow", [rpc("wait", hang), rpc("hello", () => "hello")]);
    const controller = new AbortController();
    const { signal } = controller;
    let listeners = 0;
    const { addEventListener, removeEventListener } = signal;
    signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
      listeners++;
      addEventListener.apply(signal, args);
    };
    signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
      listeners--;
      removeEventListener.apply(signal, args);
    };
    const caller = createClient({ bus: client });
    for (let i = 0; i < 20; i++) await caller.call("slow", "hello", {}, { signal });
    await errorOf(caller.call("nobody", "hello", {}, { signal }));
    strictEqual(listeners, 0);
    const calls = Array.from({ length: 20 }, () => caller.call("slow", "wait", {}, { signal }));
    await arrived({ client, server });
    controller.abort("all");
    for (const call of calls) strictEqual(await errorOf(call), "all");
    strictEqual(listeners, 0);
    strictEqual((await client.health()).callsInFlight, 0);
  },
);

both(
  "an answer that comes after its call was taken back meets nobody",
  async ({ client, server, serve }) => {
    const { promise, resolve } = Promise.withResolvers<string>();
    await serve("slow", [rpc("wait", () => promise), rpc("echo", (params) => params)]);
    const caller = createClient({ bus: client });
    const controller = new AbortController();
    const calling = caller.call("slow", "wait", {}, { signal: controller.signal });
    await arrived({ client, server });
    controller.abort();
    await errorOf(calling);
    resolve("late");
    for (let n = 0; n < 20; n++) deepStrictEqual(await caller.call("slow", "echo", { n }), { n });
  },
);

both("a cancel of an unknown call changes nothing", async ({ serve, wire }) => {
  await serve("quick", [rpc("hello", () => "hello")]);
  const messaging = await wire();
  for (const body of ["", "no such id", new Uint8Array([0xff, 0xfe]), "x".repeat(10_000)]) {
    messaging.publish("internal.rpc.cancel.quick", body);
  }
  const { text } = await ask(messaging, "rpc.quick.hello", requestText("hello"));
  strictEqual(JSON.parse(text).result, "hello");
});

/** Resolves when `met`, asked again and again. */
async function untilAsync(met: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 1_000; i++) if (await met()) return;
  throw new Error(`not met: ${met}`);
}
