// RPC: typed calls from end to end.

import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { type } from "arktype";
import * as v from "valibot";
import { z } from "zod";
import {
  AegisError,
  createClient,
  rpc,
  type RpcHandler,
  type Service,
  TimeoutError,
  UnavailableError,
} from "../../mod.ts";
import { both, errorOf, hang } from "./buses.ts";

both("a call with schemas of valibot is validated and typed", async ({ client, serve }) => {
  const service = await serve("orders", [
    rpc("create", {
      params: v.object({ id: v.string(), amount: v.pipe(v.number(), v.minValue(0)) }),
      result: v.object({ id: v.string(), status: v.literal("created") }),
    }, ({ id }) => ({ id, status: "created" as const })),
  ]);
  const orders = createClient({ bus: client }).service<typeof service>("orders");
  const order = await orders.call("create", { id: "1", amount: 9 });
  const status: "created" = order.status;
  deepStrictEqual({ ...order, status }, { id: "1", status: "created" });
  await rejects(orders.call("create", { id: "1", amount: -1 }), { code: "INVALID_REQUEST" });
});

both("a call with schemas of zod is validated and typed", async ({ client, serve }) => {
  const service = await serve("orders", [
    rpc("create", {
      params: z.object({ id: z.string(), amount: z.number().min(0).default(7) }),
      result: z.object({ id: z.string(), amount: z.number() }),
    }, ({ id, amount }) => ({ id, amount: amount + 1 })),
  ]);
  const orders = createClient({ bus: client }).service<typeof service>("orders");
  const order: { id: string; amount: number } = await orders.call("create", { id: "1" });
  deepStrictEqual(order, { id: "1", amount: 8 });
  await rejects(orders.call("create", { id: "1", amount: -1 }), { code: "INVALID_REQUEST" });
});

both("a call with schemas of arktype is validated and typed", async ({ client, serve }) => {
  const service = await serve("orders", [
    rpc("create", {
      params: type({ id: "string", amount: "number >= 0" }),
      result: type({ id: "string", "note?": "string" }),
    }, ({ id }) => ({ id })),
  ]);
  const orders = createClient({ bus: client }).service<typeof service>("orders");
  const order: { id: string; note?: string } = await orders.call("create", { id: "1", amount: 9 });
  deepStrictEqual(order, { id: "1" });
  await rejects(orders.call("create", { id: "1", amount: -1 }), { code: "INVALID_REQUEST" });
});

both(
  "a handler gets what the schema makes of the parameters, its caller what it makes of the result",
  async (buses) => {
    const service = await buses.serve("times", [
      rpc("year", {
        params: v.object({ at: v.pipe(v.string(), v.transform((text) => new Date(text))) }),
        result: v.pipe(v.number(), v.transform((year) => `year ${year}`)),
      }, ({ at }) => at.getUTCFullYear()),
    ]);
    const times = createClient({ bus: buses.client }).service<typeof service>("times");
    const year: string = await times.call("year", { at: "2026-01-02T03:04:05Z" });
    strictEqual(year, "year 2026");
  },
);

both("schemas may be asynchronous", async ({ client, serve }) => {
  const known = v.pipeAsync(
    v.string(),
    v.checkAsync((id) => Promise.resolve(id === "known"), "is not known"),
  );
  const service = await serve("users", [
    rpc("find", { params: v.objectAsync({ id: known }), result: known }, ({ id }) => id),
    rpc("lose", { result: known }, () => "unknown"),
  ]);
  const users = createClient({ bus: client }).service<typeof service>("users");
  strictEqual(await users.call("find", { id: "known" }), "known");
  await rejects(users.call("find", { id: "x" }), {
    code: "INVALID_REQUEST",
    message: /is not known/,
  });
  await rejects(users.call("lose"), { code: "INTERNAL_ERROR", message: /is not known/ });
});

both("without schemas any JSON goes there and back", async ({ client, serve }) => {
  await serve("echo", [rpc("echo", (params) => (params as { value: unknown }).value)]);
  const echo = createClient({ bus: client });
  const values = [
    null,
    false,
    0,
    -1.5e300,
    "",
    'Grüße 世界 🌍 \u2028 \\ " \0',
    [],
    [[1], { a: [null] }],
    {},
    { "": 1, "a.b": { c: "d" }, timeout: 5, params: {}, error: null, ',"timeout":': "x" },
    "x".repeat(200_000),
  ];
  for (const value of values) {
    deepStrictEqual(await echo.call("echo", "echo", { value }), value);
  }
});

both("parameters and options may be left out", async ({ client, serve }) => {
  const service = await serve("greeter", [
    rpc("hello", (params) => params),
    rpc("maybe", { params: v.object({ name: v.optional(v.string(), "you") }) }, ({ name }) => name),
  ]);
  const greeter = createClient({ bus: client }).service<typeof service>("greeter");
  deepStrictEqual(await greeter.call("hello"), {});
  strictEqual(await greeter.call("maybe"), "you");
  strictEqual(await greeter.call("maybe", { name: "Ada" }, { timeoutMs: 1_000 }), "Ada");
});

both("a handler that returns nothing gives null", async ({ client, serve }) => {
  await serve("quiet", [rpc("sync", () => {}), rpc("async", async () => await undefined)]);
  const quiet = createClient({ bus: client });
  strictEqual(await quiet.call("quiet", "sync"), null);
  strictEqual(await quiet.call("quiet", "async"), null);
});

both(
  "a call that nobody serves fails at once, and not at its time-out",
  async ({ client, serve }) => {
    await serve("orders", [rpc("create", () => 1)]);
    const caller = createClient({ bus: client });
    for (const [service, method] of [["nobody", "create"], ["orders", "nothing"]] as const) {
      const started = performance.now();
      const error = await errorOf(caller.call(service, method));
      ok(performance.now() - started < 200, `${performance.now() - started} ms`);
      ok(error instanceof UnavailableError);
      strictEqual(error.code, "SERVICE_UNAVAILABLE");
      ok(error.message.includes(`${service}.${method}`), error.message);
    }
  },
);

both("a time-out is a TimeoutError that names the call and the time", async ({ client, serve }) => {
  const { promise, resolve } = Promise.withResolvers<void>();
  await serve("slow", [rpc("wait", () => promise)]);
  const started = performance.now();
  const error = await errorOf(
    createClient({ bus: client }).call("slow", "wait", {}, { timeoutMs: 60 }),
  );
  const took = performance.now() - started;
  resolve();
  ok(error instanceof TimeoutError);
  ok(took >= 59 && took < 1_000, `${took} ms`);
});

async function placeOrderHere(call: () => Promise<unknown>): Promise<void> {
  await call();
}

both("an error's stack names the function that called", async ({ client, serve, open }) => {
  await serve("orders", [
    rpc("fails", () => {
      throw new Error("no");
    }),
    rpc("hangs", hang),
    rpc("checked", { params: v.object({ id: v.string() }) }, () => 1),
  ]);
  const caller = createClient({ bus: client });
  const typed = caller.service<Service<[RpcHandler<"fails", object>]>>("orders");
  const late = createClient({
    bus: client,
    middleware: [async (_, next) => {
      await new Promise((resolve) => setTimeout(resolve));
      return await next();
    }],
  });
  const over = await open();
  await over.close();
  const closed = createClient({ bus: over });
  const calls = [
    () => caller.call("nobody", "at-all"),
    () => caller.call("orders", "fails"),
    () => caller.call("orders", "hangs", {}, { timeoutMs: 20 }),
    () => caller.call("orders", "checked", {}),
    () => caller.call("orders", "fails", {}, { timeoutMs: NaN }),
    () => typed.call("fails"),
    () => caller.call("orders", "fails", { id: 1n }),
    () => late.call("orders", "fails", { id: 1n }),
    () => closed.call("orders", "fails"),
  ];
  for (const call of calls) {
    const error = await errorOf(placeOrderHere(call));
    ok((error as Error).stack?.includes("placeOrderHere"), `${call}: ${(error as Error).stack}`);
  }
});

both("many calls at once each get their own answer", async ({ client, serve }) => {
  await serve("echo", [rpc("echo", async (params) => {
    const { n } = params as { n: number };
    if (n % 3 === 0) await Promise.resolve();
    if (n % 5 === 0) throw new AegisError("ODD", `no ${n}`);
    return n;
  })]);
  const echo = createClient({ bus: client });
  const settled = await Promise.allSettled(
    Array.from({ length: 2_000 }, (_, n) => echo.call("echo", "echo", { n })),
  );
  for (const [n, outcome] of settled.entries()) {
    if (n % 5 !== 0) deepStrictEqual(outcome, { status: "fulfilled", value: n });
    else strictEqual((outcome as PromiseRejectedResult).reason.message, `no ${n}`);
  }
  strictEqual((await client.health()).callsInFlight, 0);
});

both("two services on one bus do not get each other's calls", async ({ client, serve }) => {
  await serve("one", [rpc("name", (_, { service }) => service)]);
  await serve("two", [rpc("name", (_, { service }) => service)]);
  const caller = createClient({ bus: client });
  strictEqual(await caller.call("one", "name"), "one");
  strictEqual(await caller.call("two", "name"), "two");
});

both("a bus that serves can call itself", async ({ server, serve }) => {
  await serve("self", [rpc("hello", () => "hello")]);
  strictEqual(await createClient({ bus: server }).call("self", "hello"), "hello");
});
