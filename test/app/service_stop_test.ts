// A service that stops: it finishes what it has, takes no more, and does not wait for ever.

import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { execFile } from "node:child_process";
import process from "node:process";
import { test } from "node:test";
import { createClient, createService, rpc, type RpcError, UnavailableError } from "../../mod.ts";
import { arrived, both, errorOf, hang, until } from "./buses.ts";

const hello = rpc("hello", () => "hello");

both("stop() waits for what runs, and hands back what waits for its turn", async (buses) => {
  const gate = Promise.withResolvers<void>();
  const ran: unknown[] = [];
  const service = await buses.serve("shop", [
    rpc("work", { concurrency: 2 }, async (params) => {
      ran.push((params as { n: number }).n);
      await gate.promise;
      return params;
    }),
  ]);
  const caller = createClient({ bus: buses.client });
  const call = (n: number) => caller.call("shop", "work", { n }, { retry: false });
  const running = [call(0), call(1)];
  await until(() => ran.length === 2);
  const waiting = Array.from({ length: 4 }, (_, n) => errorOf(call(2 + n)));
  await arrived(buses);
  strictEqual((await service.health()).inFlight, 6);
  let stopped = false;
  const stopping = service.stop().then(() => stopped = true);
  // They hear of it at once, not when those before them are done.
  for (const error of await Promise.all(waiting)) {
    ok(error instanceof UnavailableError, String(error));
    deepStrictEqual([error.details.sent, error.details.refused], [false, true]);
    ok(error.message.includes("shop.work was not begun"), error.message);
  }
  strictEqual((await service.health()).inFlight, 2);
  // It takes no more while it finishes what it has.
  const late = await errorOf(call(9)) as RpcError;
  deepStrictEqual([late.code, service.status, stopped], ["SERVICE_UNAVAILABLE", "stopping", false]);
  gate.resolve();
  deepStrictEqual(await Promise.all(running), [{ n: 0 }, { n: 1 }]);
  await stopping;
  deepStrictEqual([service.status, ran], ["stopped", [0, 1]]);
});

both("stop() aborts what runs longer than graceMs", async ({ client, serve }) => {
  let reason: unknown;
  let begun = false;
  const service = await serve("shop", [
    rpc("wait", async (_, { signal }) => {
      begun = true;
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      reason = signal.reason;
    }),
  ]);
  const calling = errorOf(createClient({ bus: client }).call("shop", "wait"));
  await until(() => begun);
  const started = performance.now();
  await service.stop({ graceMs: 50 });
  const took = performance.now() - started;
  ok(took >= 49 && took < 1_500, `${took} ms`);
  ok(reason instanceof UnavailableError);
  const error = await calling;
  ok(error instanceof UnavailableError);
  strictEqual(error.details.sent, true, "it was begun");
});

both("stop() does not wait for ever for a handler that does not listen", async (buses) => {
  let begun = false;
  const service = await buses.serve("shop", [
    rpc("wait", () => {
      begun = true;
      return new Promise(() => {});
    }),
  ]);
  const calling = errorOf(createClient({ bus: buses.client }).call("shop", "wait"));
  await until(() => begun);
  const started = performance.now();
  await service.stop({ graceMs: 0 });
  ok(performance.now() - started < 2_000);
  ok(await calling instanceof UnavailableError);
});

both("calls that wait when their instance stops go to another one at once", async (buses) => {
  const gate = Promise.withResolvers<void>();
  const work = rpc("work", { concurrency: 1 }, async () => {
    await gate.promise;
    return "old";
  });
  const other = rpc("other", async () => {
    await gate.promise;
    return "old";
  });
  const old = await buses.serve("shop", [work, other], { instanceId: "old", concurrency: 2 });
  const caller = createClient({ bus: buses.client });
  const running = [caller.call("shop", "work"), caller.call("shop", "other")];
  await arrived(buses);
  // In the queue of the method, and in that of the service.
  const waiting = [
    ...Array.from({ length: 5 }, () => caller.call("shop", "work")),
    ...Array.from({ length: 5 }, () => caller.call("shop", "other")),
  ];
  await arrived(buses);
  await buses.serve("shop", [rpc("work", () => "new"), rpc("other", () => "new")]);
  const stopping = old.stop();
  deepStrictEqual(await Promise.all(waiting), Array(10).fill("new"));
  strictEqual(old.status, "stopping");
  gate.resolve();
  deepStrictEqual(await Promise.all(running), ["old", "old"]);
  await stopping;
});

both("stop() can be called again, and waits for the same stop", async ({ client, serve }) => {
  const gate = Promise.withResolvers<void>();
  let stops = 0;
  let begun = false;
  const service = await serve("shop", [
    rpc("work", () => {
      begun = true;
      return gate.promise;
    }),
  ], { hooks: { onStop: () => void stops++ } });
  const calling = createClient({ bus: client }).call("shop", "work");
  await until(() => begun);
  const all = [service.stop(), service.stop({ graceMs: 5_000 }), service[Symbol.asyncDispose]()];
  gate.resolve();
  await Promise.all(all);
  await service.stop();
  await calling;
  strictEqual(stops, 1);
});

both(
  "a second stop() that will not wait cuts the first one short",
  async ({ client, server, serve }) => {
    let begun = false;
    const service = await serve("shop", [
      rpc("work", (params, ctx) => {
        begun = true;
        return hang(params, ctx);
      }),
    ]);
    const calling = errorOf(createClient({ bus: client }).call("shop", "work"));
    await until(() => begun);
    const started = performance.now();
    const first = service.stop();
    await arrived({ client, server });
    await Promise.all([first, service.stop({ graceMs: 0 })]);
    ok(performance.now() - started < 1_000);
    ok(await calling instanceof UnavailableError);
  },
);

both("a call can be taken back while its service stops", async ({ client, server, serve }) => {
  let begun = false;
  const service = await serve("shop", [
    rpc("work", (params, ctx) => {
      begun = true;
      return hang(params, ctx);
    }),
  ]);
  const abort = new AbortController();
  const { signal } = abort;
  const calling = errorOf(createClient({ bus: client }).call("shop", "work", {}, { signal }));
  await until(() => begun);
  const started = performance.now();
  const stopping = service.stop();
  await arrived({ client, server });
  abort.abort();
  await calling;
  await stopping;
  ok(performance.now() - started < 1_000);
});

both("stop() during start() waits for it and then stops", async ({ client, server }) => {
  const service = createService("shop", { bus: server, handlers: [hello] });
  const starting = service.start();
  await service.stop();
  await starting;
  strictEqual(service.status, "stopped");
  await rejects(createClient({ bus: client }).call("shop", "hello"), {
    code: "SERVICE_UNAVAILABLE",
  });
});

both("an onStop hook that throws does not keep the service up", async ({ serve, logs }) => {
  const service = await serve("shop", [hello], {
    hooks: {
      onStop: () => {
        throw new Error("no");
      },
    },
  });
  await service.stop();
  strictEqual(service.status, "stopped");
  ok(logs.some(({ level, message }) => level === "error" && message.includes("onStop")));
});

test("a process whose bus was closed ends, also when its service was not stopped", async () => {
  const code = `
    import { connect, createService, rpc } from "${new URL("../../mod.ts", import.meta.url)}";
    const bus = await connect({ servers: "memory:" });
    await createService("shop", { bus, handlers: [rpc("hello", () => "hello")] }).start();
    await bus.close();
    console.log("closed");
  `;
  const args = "Deno" in globalThis
    ? ["eval", "--no-check", code]
    : "Bun" in globalThis
    ? ["-e", code]
    : ["--input-type=module", "-e", code];
  const { killed, output } = await new Promise<{ killed: boolean; output: string }>((resolve) =>
    execFile(
      process.execPath,
      args,
      { timeout: 20_000 },
      (error, stdout, stderr) =>
        resolve({ killed: error?.killed === true, output: stdout + stderr }),
    )
  );
  ok(output.includes("closed"), output);
  strictEqual(killed, false, "it did not end by itself");
});
