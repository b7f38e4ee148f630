// Spans and counts of calls: one of each a call, whatever middleware makes of it and whatever the tracer does.

import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import {
  type ClientMiddleware,
  createClient,
  rpc,
  RpcError,
  type ServerMiddleware,
  type Span,
  type Tracer,
} from "../../mod.ts";
import { both, errorOf } from "./buses.ts";
import { recordingTracer } from "./recording_tracer.ts";

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const handlers = [
  rpc("run", () => 1),
  rpc("fail", () => {
    throw new RpcError("NO", "no");
  }),
];

/** What a middleware does, the method that is called, and what counts as the outcome. */
const CASES: Record<string, readonly [ClientMiddleware, "run" | "fail", string]> = {
  "goes on": [(_, next) => next(), "run", "ok"],
  "lets an error through": [(_, next) => next(), "fail", "error"],
  "mends an error": [(_, next) => next().catch(() => 1), "fail", "ok"],
  "throws at once": [
    () => {
      throw new RpcError("NO", "no");
    },
    "run",
    "error",
  ],
  "rejects after the call": [
    async (_, next) => {
      await next();
      throw new Error("no");
    },
    "run",
    "error",
  ],
  "answers by itself": [() => Promise.resolve(1), "run", "ok"],
  "answers with a plain value": [(() => 1) as never, "run", "ok"],
  "calls on twice": [async (_, next) => [await next(), await next()], "run", "ok"],
  "outlives the deadline": [(_, next) => sleep(60).then(next), "run", "TIMEOUT"],
};

for (const [what, [middleware, method, outcome]] of Object.entries(CASES)) {
  both(`a call is counted once and its span ended once: a middleware ${what}`, async (buses) => {
    const { tracer, spans } = recordingTracer();
    const bus = await buses.open({ tracer });
    await buses.serve("shop", handlers);
    const caller = createClient({ bus, middleware: [middleware, (_, next) => next()] });
    const error = await caller.call("shop", method, {}, {
      timeoutMs: outcome === "TIMEOUT" ? 40 : 20_000,
    }).then(() => undefined, (error) => error);
    await sleep(what === "outlives the deadline" ? 40 : 0);
    strictEqual(error === undefined, outcome === "ok", String(error));
    deepStrictEqual(spans.map(({ ended }) => ended), [[error]]);
    const counts = bus.metrics.snapshot().counters.map((
      { labels, value },
    ) => [labels.outcome, value]);
    deepStrictEqual(counts, [[outcome, 1]]);
  });
}

both("a middleware in plain JavaScript may return a plain value, on both sides", async (buses) => {
  const plain = ((_: unknown, next: () => Promise<unknown>) => {
    // Nobody waits for it: the service may have stopped before it arrives.
    next().catch(() => undefined);
    return "plain";
  }) as unknown as ClientMiddleware & ServerMiddleware;
  const outer: ClientMiddleware & ServerMiddleware = (_: unknown, next) =>
    next().then((result) => [result]);
  await buses.serve("shop", handlers, { middleware: [outer, plain] });
  const { call } = createClient({ bus: buses.client });
  deepStrictEqual(await call("shop", "run"), ["plain"]);
  const near = createClient({ bus: buses.client, middleware: [outer, plain] });
  deepStrictEqual(await near.call("shop", "run"), ["plain"]);
});

function broken(): never {
  throw new Error("the tracer is broken");
}
const traceparent = `00-${"a".repeat(32)}-${"b".repeat(16)}-01`;

/** Tracers that are faulty, and how often a call of a method that traces on both sides warns of it. */
const TRACERS: Record<string, readonly [Tracer, number]> = {
  "throws in start()": [{ start: broken }, 2],
  "throws in end()": [{ start: () => ({ traceparent, end: broken }) }, 2],
  "gives nothing": [{ start: () => undefined as unknown as Span }, 2],
  "gives no traceparent": [{ start: () => ({ end() {} }) as Span }, 0],
  "gives a traceparent that is none": [
    { start: () => ({ traceparent: "x\r\nevil: 1", end() {} }) },
    0,
  ],
};

for (const [what, [tracer, warnings]] of Object.entries(TRACERS)) {
  both(`a tracer that ${what} breaks no call, and the log says so`, async (buses) => {
    const { open, serve, logs } = buses;
    const bus = await open({ tracer });
    const look = rpc("look", (_, ctx) => [ctx.header("traceparent"), ctx.header("evil")]);
    await serve("shop", [...handlers, look], { bus: await open({ tracer }) });
    const { call } = createClient({ bus });
    strictEqual(await call("shop", "run"), 1);
    const warned = logs.filter(({ message }) => message === "The tracer threw an error");
    deepStrictEqual(warned.map(({ level }) => level), Array(warnings).fill("warn"));
    strictEqual((await errorOf(call("shop", "fail")) as RpcError).code, "NO");
    const [parent, evil] = await call<[string, unknown]>("shop", "look");
    match(parent, /^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/);
    strictEqual(evil, null);
    const counts = bus.metrics.snapshot().counters.map(({ labels, value }) => [
      labels.method,
      labels.outcome,
      value,
    ]);
    deepStrictEqual(counts, [["run", "ok", 1], ["fail", "error", 1], ["look", "ok", 1]]);
  });
}
