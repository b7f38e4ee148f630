// The context of a handler, and the trace that goes through it.

import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { createClient, rpc, RpcError } from "../../mod.ts";
import { ask, both, errorOf, requestText } from "./buses.ts";
import { recordingTracer } from "./recording_tracer.ts";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const TRACEPARENT = /^00-[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-0[01]$/;
const digits = (traceId: string): string => traceId.replaceAll("-", "");

both("a handler knows the service, the instance and the message", async ({ client, serve }) => {
  const service = await serve("shop", [
    rpc("look", (_, ctx) => ({
      service: ctx.service,
      instanceId: ctx.instanceId,
      attempt: ctx.attempt,
      traceId: ctx.traceId,
      message: ctx.message,
    })),
  ]);
  const seen = await createClient({ bus: client }).call<{
    traceId: string;
    message: { messageId: string; timestamp: string };
  }>("shop", "look");
  const { traceId, message: { messageId, timestamp } } = seen;
  match(traceId, UUID);
  match(messageId, UUID);
  ok(Math.abs(Date.parse(timestamp) - Date.now()) < 5_000, timestamp);
  deepStrictEqual(JSON.parse(JSON.stringify(seen)), {
    service: "shop",
    instanceId: service.instanceId,
    attempt: 1,
    traceId,
    message: {
      messageId,
      traceId,
      correlationId: null,
      timestamp,
      source: "client",
      target: "shop",
      method: "look",
      params: {},
      timeoutMs: (seen.message as unknown as { timeoutMs: number }).timeoutMs,
    },
  });
});

both("ctx.log names the service, the instance, the method and the trace", async (buses) => {
  const service = await buses.serve("shop", [
    rpc("note", (_, ctx) => {
      ctx.log.info("noted", { n: 1 });
      return ctx.traceId;
    }),
  ]);
  const trace = await createClient({ bus: buses.client }).call("shop", "note");
  deepStrictEqual(buses.logs.find(({ message }) => message === "noted"), {
    level: "info",
    message: "noted",
    fields: { service: "shop", instance: service.instanceId, method: "note", trace, n: 1 },
  });
});

both("ctx.header gives a header by its exact name", async ({ client, serve }) => {
  await serve("shop", [
    rpc(
      "look",
      (params, ctx) => (params as { names: string[] }).names.map((n) => ctx.header(n) ?? null),
    ),
  ]);
  const headers = { "x-plain": "a", "X-Upper": "b: c", "x-text": "Grüße 🌍", "x-empty": "" };
  const names = [...Object.keys(headers), "x-upper", "x-none", "toString", "__proto__"];
  deepStrictEqual(
    await createClient({ bus: client }).call("shop", "look", { names }, { headers }),
    ["a", "b: c", "Grüße 🌍", "", null, null, null, null],
  );
  deepStrictEqual(
    await createClient({ bus: client }).call("shop", "look", { names: ["x-plain"] }),
    [null],
  );
});

both("the members of a context can be taken out of it", async ({ client, serve }) => {
  await serve("back", [rpc("hello", () => "hello")]);
  await serve("shop", [
    rpc("look", async (_, { call, header, signal, log, traceId }) => {
      log.info("fine");
      return [await call("back", "hello"), header("x-a"), signal.aborted, typeof traceId];
    }),
  ]);
  deepStrictEqual(
    await createClient({ bus: client }).call("shop", "look", {}, { headers: { "x-a": "1" } }),
    ["hello", "1", false, "string"],
  );
});

both("ctx.call carries the trace on and names its service as the source", async (buses) => {
  await buses.serve("back", [
    rpc("look", (_, ctx) => [ctx.traceId, ctx.message.source, ctx.header("traceparent")]),
  ]);
  await buses.serve("front", [
    rpc("look", async (_, ctx) => [
      [ctx.traceId, ctx.message.source, ctx.header("traceparent")],
      await ctx.call("back", "look"),
    ]),
  ]);
  const [[trace, source, parent], [nestedTrace, nestedSource, nestedParent]] = await createClient({
    bus: buses.client,
  }).call<string[][]>("front", "look") as [
    [string, string, string],
    [string, string, string],
  ];
  deepStrictEqual([source, nestedSource], ["client", "front"]);
  strictEqual(nestedTrace, trace);
  for (const traceparent of [parent, nestedParent]) {
    match(traceparent, TRACEPARENT);
    strictEqual(traceparent.slice(3, 35), digits(trace));
  }
  ok(parent !== nestedParent, "each call has a span of its own");
});

both("two calls of a client have two traces", async ({ client, serve }) => {
  await serve("shop", [rpc("trace", (_, ctx) => ctx.traceId)]);
  const caller = createClient({ bus: client });
  const traces = await Promise.all(Array.from({ length: 50 }, () => caller.call("shop", "trace")));
  strictEqual(new Set(traces).size, 50);
});

both("service.call speaks under the name of the service", async ({ serve }) => {
  await serve("back", [rpc("source", (_, ctx) => ctx.message.source)]);
  const service = await serve("front", []);
  strictEqual(await service.call("back", "source"), "front");
});

both("the traceparent on the wire agrees with the envelope's trace_id", async (buses) => {
  const messaging = await buses.wire();
  const heard: [string, string | undefined][] = [];
  messaging.subscribe("rpc.shop.look", {
    onMessage: (message) => {
      const { trace_id } = JSON.parse(new TextDecoder().decode(message.data));
      heard.push([trace_id, messaging.header(message, "traceparent")]);
    },
  });
  await messaging.flush();
  await buses.serve("shop", [rpc("look", () => 1)]);
  const { tracer } = recordingTracer();
  const traced = await buses.open({ tracer });
  await createClient({ bus: buses.client }).call("shop", "look");
  await createClient({ bus: traced }).call("shop", "look");
  await createClient({ bus: buses.client }).call("shop", "look", {}, {
    headers: { traceparent: `00-${"a".repeat(32)}-${"b".repeat(16)}-01` },
  }).catch(() => {});
  await messaging.flush();
  ok(heard.length >= 2);
  for (const [index, [trace, traceparent]] of heard.entries()) {
    match(traceparent ?? "none", TRACEPARENT);
    strictEqual(traceparent?.slice(3, 35), digits(trace), `call ${index + 1}`);
  }
});

both("a traceparent that is none does not go on", async ({ serve, wire }) => {
  await serve("back", [rpc("parent", (_, ctx) => ctx.header("traceparent"))]);
  await serve("front", [rpc("parent", (_, ctx) => ctx.call("back", "parent"))]);
  const messaging = await wire();
  for (const traceparent of ["x", "00-zz", `00-${"g".repeat(32)}-${"h".repeat(16)}-xy`]) {
    const { text } = await ask(messaging, "rpc.front.parent", requestText("parent"), {
      traceparent,
    });
    match(JSON.parse(text).result, TRACEPARENT);
  }
});

both("spans of a tracer stand under each other, over two processes", async (buses) => {
  const near = recordingTracer();
  const far = recordingTracer();
  const client = await buses.open({ tracer: near.tracer });
  const server = await buses.open({ tracer: far.tracer });
  await buses.serve("back", [
    rpc("run", () => {
      throw new RpcError("NO", "no");
    }),
  ], { bus: server });
  await buses.serve("front", [rpc("run", (_, ctx) => ctx.call("back", "run"))], { bus: server });
  await errorOf(createClient({ bus: client }).call("front", "run"));
  const [root] = near.spans;
  deepStrictEqual(near.spans.map(({ name, kind, parent }) => [name, kind, parent]), [
    ["front/run", "client", undefined],
  ]);
  deepStrictEqual(far.spans.map(({ name, kind, parent }) => [name, kind, parent]), [
    ["front/run", "server", root!.traceparent],
    ["back/run", "client", far.spans[0]!.traceparent],
    ["back/run", "server", far.spans[1]!.traceparent],
  ]);
  for (const span of [...near.spans, ...far.spans]) {
    strictEqual(span.ended.length, 1, `${span.name} ended ${span.ended.length} times`);
    strictEqual((span.ended[0] as RpcError).code, "NO");
    strictEqual(span.traceparent.slice(3, 35), root!.traceparent.slice(3, 35));
    strictEqual(span.attributes?.["rpc.method"], "run");
  }
});

both("spans of calls that go well end once and without an error", async (buses) => {
  const { tracer, spans } = recordingTracer();
  const client = await buses.open({ tracer });
  const server = await buses.open({ tracer });
  await buses.serve("shop", [rpc("run", () => 1)], { bus: server });
  await createClient({ bus: client }).call("shop", "run");
  deepStrictEqual(spans.map(({ kind, ended }) => [kind, ended]), [
    ["client", [undefined]],
    ["server", [undefined]],
  ]);
});
