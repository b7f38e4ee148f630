// The context that handlers get: what its type says, whole or taken apart, and nothing else.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { type Context, createClient, rpc, type Span } from "../../mod.ts";
import { ask, both, requestText } from "./buses.ts";

const MEMBERS = [
  "attempt",
  "call",
  "deadline",
  "fencingToken",
  "header",
  "instanceId",
  "log",
  "message",
  "publish",
  "remainingMs",
  "send",
  "service",
  "signal",
  "traceId",
  "traceparent",
];
const PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

both("a context shows its members and nothing of how a call is kept", async (buses) => {
  let seen: Context | undefined;
  let inMiddleware: Context | undefined;
  await buses.serve("shop", [rpc("look", (_, ctx) => void (seen = ctx))], {
    middleware: [(call, next) => {
      inMiddleware = call.context;
      return next();
    }],
  });
  await createClient({ bus: buses.client }).call("shop", "look");
  ok(seen !== undefined && seen === inMiddleware);
  const names = new Set<string>();
  for (let at: object = seen; at !== Object.prototype; at = Object.getPrototypeOf(at)) {
    for (const name of Object.getOwnPropertyNames(at)) names.add(name);
  }
  names.delete("constructor");
  deepStrictEqual([...names].sort(), MEMBERS);
});

both("a context can be taken apart", async ({ client, serve, logs }) => {
  await serve("back", [rpc("hello", (_, { header }) => header("x-from"))]);
  await serve("front", [
    rpc("run", async (_, ctx) => {
      const { call, log, signal, header, deadline, remainingMs, service, instanceId, attempt } =
        ctx;
      log.info("taken apart");
      const answer = await call("back", "hello", {}, {
        signal,
        headers: { "x-from": header("x-token") ?? "nobody" },
      });
      ok(deadline > Date.now() && remainingMs > 0 && attempt === 1);
      return [answer, service, instanceId, ctx.call === call, ctx.log === log];
    }),
  ], { instanceId: "one" });
  const options = { headers: { "x-token": "t0" } };
  deepStrictEqual(await createClient({ bus: client }).call("front", "run", {}, options), [
    "t0",
    "front",
    "one",
    true,
    true,
  ]);
  ok(logs.some(({ message, fields }) => message === "taken apart" && fields.instance === "one"));
});

const parent = rpc("parent", (_, ctx) => ctx.traceparent ?? null);

both("ctx.traceparent is the caller's where there is no tracer", async ({ serve, wire }) => {
  await serve("shop", [parent]);
  const messaging = await wire();
  for (const [sent, seen] of [[PARENT, PARENT], ["x", null], [undefined, null]] as const) {
    const headers = sent === undefined ? undefined : { traceparent: sent };
    const { text } = await ask(messaging, "rpc.shop.parent", requestText("parent"), headers);
    strictEqual(JSON.parse(text).result, seen);
  }
});

both("ctx.traceparent is that of the span that the handler runs in", async (buses) => {
  const own = PARENT.replace("b7ad6b7169203331", "00f067aa0ba902b7");
  const parents: unknown[] = [];
  const tracer = {
    start(_name: string, options: { readonly parent?: string | undefined }): Span {
      parents.push(options.parent);
      return { traceparent: own, end: () => {} };
    },
  };
  await buses.serve("shop", [parent], { bus: await buses.open({ tracer }) });
  const { call } = createClient({ bus: buses.client });
  strictEqual(await call("shop", "parent", {}, { headers: { traceparent: PARENT } }), own);
  deepStrictEqual(parents, [PARENT]);
});
