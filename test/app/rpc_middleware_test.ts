// Middleware: what runs around calls, on both sides.

import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import * as v from "valibot";
import {
  type ClientMiddleware,
  createClient,
  rpc,
  RpcError,
  type ServerMiddleware,
} from "../../mod.ts";
import { both, errorOf } from "./buses.ts";

const echo = rpc("echo", (params) => params);

both("the first middleware of a client is the outermost", async ({ client, serve }) => {
  await serve("shop", [echo]);
  const order: string[] = [];
  const noting = (name: string): ClientMiddleware => async (_, next) => {
    order.push(`${name} in`);
    const result = await next();
    order.push(`${name} out`);
    return result;
  };
  const caller = createClient({ bus: client, middleware: [noting("a"), noting("b")] });
  await caller.call("shop", "echo");
  deepStrictEqual(order, ["a in", "b in", "b out", "a out"]);
});

both("the first middleware of a service is the outermost", async ({ client, serve }) => {
  const order: string[] = [];
  const noting = (name: string): ServerMiddleware => async (_, next) => {
    order.push(`${name} in`);
    const result = await next();
    order.push(`${name} out`);
    return result;
  };
  const run = rpc("run", () => void order.push("handler"));
  await serve("shop", [run], { middleware: [noting("a"), noting("b")] });
  await createClient({ bus: client }).call("shop", "run");
  deepStrictEqual(order, ["a in", "b in", "handler", "b out", "a out"]);
});

both("the middleware of a client sees the call and may change it", async ({ client, serve }) => {
  await serve("shop", [
    rpc("look", (params, ctx) => [params, ctx.header("x-token"), ctx.header("x-own")]),
  ]);
  let seen: unknown;
  const caller = createClient({
    bus: client,
    middleware: [async (call, next) => {
      const { service, method, params, headers, timeoutMs } = call;
      seen = { service, method, params, headers: { ...headers }, timeoutMs };
      call.params = { ...params as object, added: true };
      call.headers["x-token"] = "t0";
      return [await next(), "changed"];
    }],
  });
  const options = { timeoutMs: 1_234, headers: { "x-own": "o" } };
  const result = await caller.call("shop", "look", { id: 1 }, options);
  deepStrictEqual(result, [[{ id: 1, added: true }, "t0", "o"], "changed"]);
  deepStrictEqual(seen, {
    service: "shop",
    method: "look",
    params: { id: 1 },
    headers: { "x-own": "o" },
    timeoutMs: 1_234,
  });
  deepStrictEqual(options.headers, { "x-own": "o" }, "the caller's own options stay as they were");
});

both("the middleware of a service sees validated parameters and may change them", async (buses) => {
  const seen: unknown[] = [];
  const add = rpc("add", {
    params: v.object({ n: v.pipe(v.string(), v.transform(Number)) }),
    result: v.number(),
  }, ({ n }) => n + 1);
  await buses.serve("shop", [add], {
    middleware: [async (call, next) => {
      seen.push(call.service, call.method, call.params, call.context.header("x-token"));
      call.params = { n: 41 };
      return (await next() as number) * 10;
    }],
  });
  const result = await createClient({ bus: buses.client }).call("shop", "add", { n: "5" }, {
    headers: { "x-token": "t0" },
  });
  strictEqual(result, 420);
  deepStrictEqual(seen, ["shop", "add", { n: 5 }, "t0"]);
});

both("a middleware that does not call on answers by itself", async ({ client, serve }) => {
  let runs = 0;
  await serve("shop", [rpc("run", () => ++runs)], {
    middleware: [
      (call, next) => call.context.header("x-cached") === "1" ? Promise.resolve("cached") : next(),
    ],
  });
  const remote = createClient({ bus: client });
  strictEqual(await remote.call("shop", "run", {}, { headers: { "x-cached": "1" } }), "cached");
  const local = createClient({ bus: client, middleware: [() => Promise.resolve("local")] });
  strictEqual(await local.call("nobody", "run"), "local");
  strictEqual(runs, 0);
  strictEqual(await remote.call("shop", "run"), 1);
});

both("what a middleware of a service returns must fit the result's schema", async (buses) => {
  await buses.serve("shop", [rpc("run", { result: v.number() }, () => 1)], {
    middleware: [() => Promise.resolve("no number")],
  });
  await rejects(createClient({ bus: buses.client }).call("shop", "run"), {
    code: "INTERNAL_ERROR",
  });
});

both("an error of a middleware is an error of the call", async ({ client, serve }) => {
  let runs = 0;
  await serve("shop", [rpc("run", () => ++runs)], {
    middleware: [(call, next) => {
      const token = call.context.header("authorization");
      if (token === undefined) throw new RpcError("UNAUTHORIZED", "Log in first", { realm: "r" });
      if (token === "late") return Promise.reject(new RpcError("EXPIRED", "Log in again"));
      return next();
    }],
  });
  const caller = createClient({ bus: client });
  const error = await errorOf(caller.call("shop", "run"));
  ok(error instanceof RpcError);
  deepStrictEqual([error.code, error.data], ["UNAUTHORIZED", { realm: "r" }]);
  await rejects(caller.call("shop", "run", {}, { headers: { authorization: "late" } }), {
    code: "EXPIRED",
  });
  strictEqual(runs, 0);
  const own = new Error("not today");
  for (
    const middleware of [() => Promise.reject(own), () => {
      throw own;
    }]
  ) {
    const broken = createClient({ bus: client, middleware: [middleware] });
    strictEqual(await errorOf(broken.call("shop", "run")), own);
  }
});

both("a middleware of a client sees the error of the call and may mend it", async (buses) => {
  const { client } = buses;
  const caller = createClient({
    bus: client,
    middleware: [async (_, next) => {
      try {
        return await next();
      } catch (error) {
        return (error as RpcError).code;
      }
    }],
  });
  strictEqual(await caller.call("nobody", "run"), "SERVICE_UNAVAILABLE");
});

both("a middleware may call on again", async ({ client, serve }) => {
  let runs = 0;
  await serve("shop", [rpc("run", () => ++runs)]);
  const twice: ClientMiddleware = async (_, next) => [await next(), await next()];
  const caller = createClient({ bus: client, middleware: [twice] });
  deepStrictEqual(await caller.call("shop", "run"), [1, 2]);
});

both("what a middleware makes of a call is checked like the caller's own", async (buses) => {
  await buses.serve("shop", [echo]);
  for (const params of [null, [], "x", 1]) {
    const caller = createClient({
      bus: buses.client,
      middleware: [(call, next) => {
        call.params = params;
        return next();
      }],
    });
    await rejects(caller.call("shop", "echo"), TypeError);
  }
  for (const [name, value] of [["a b", "x"], ["x", "a\r\nb"], ["aegis-deadline", "1"]] as const) {
    const caller = createClient({
      bus: buses.client,
      middleware: [(call, next) => {
        call.headers[name] = value;
        return next();
      }],
    });
    await rejects(caller.call("shop", "echo"), TypeError);
  }
});

both("time that a middleware takes is time of the call", async ({ client, serve }) => {
  let runs = 0;
  await serve("shop", [rpc("run", () => ++runs)]);
  const caller = createClient({
    bus: client,
    middleware: [async (_, next) => {
      await new Promise((resolve) => setTimeout(resolve, 60));
      return await next();
    }],
  });
  await rejects(caller.call("shop", "run", {}, { timeoutMs: 30 }), { code: "TIMEOUT" });
  strictEqual(runs, 0);
});

both("middleware that is none is refused when it is given", ({ client, server, serve }) => {
  for (const middleware of ["x", {}, 5, [1], [undefined], [{}]]) {
    try {
      createClient({ bus: client, middleware: middleware as never });
    } catch (error) {
      ok(error instanceof TypeError && error.message.includes("middleware"), String(error));
      continue;
    }
    throw new Error(`createClient() took the middleware ${JSON.stringify(middleware)}`);
  }
  ok(server.status === "connected" && typeof serve === "function");
});
