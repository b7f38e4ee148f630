// Every call is counted and timed; a tracer of OpenTelemetry's shape gets a span on either side.
// deno run -A examples/07_metrics_and_tracing.ts [nats://localhost:4222]

import process from "node:process";
import { connect, createClient, createLogger, createService, rpc, type Tracer } from "@aegis/sdk";

// A stand-in for a tracer of @opentelemetry/api, so that this example needs no package.
const spans: { name: string; traceId: string; spanId: string; parentId: string | undefined }[] = [];
const otel = {
  startSpan(name: string, parent?: { traceId: string; spanId: string }) {
    const traceId = parent?.traceId ?? crypto.randomUUID().replaceAll("-", "");
    const spanId = crypto.randomUUID().replaceAll("-", "").slice(0, 16);
    spans.push({ name, traceId, spanId, parentId: parent?.spanId });
    return {
      spanContext: () => ({ traceId, spanId, traceFlags: 1 }),
      recordException: (error: unknown) => console.log(name, "failed:", String(error)),
      end: () => {},
    };
  },
};

const tracer: Tracer = {
  start(name, { kind, parent }) {
    const [, traceId = "", spanId = ""] = parent?.split("-") ?? [];
    const span = otel.startSpan(`${kind} ${name}`, parent ? { traceId, spanId } : undefined);
    const context = span.spanContext();
    return {
      traceparent: `00-${context.traceId}-${context.spanId}-0${context.traceFlags}`,
      end(error) {
        if (error !== undefined) span.recordException(error);
        span.end();
      },
    };
  },
};

const servers = process.argv[2] || process.env.AEGIS_SERVERS || "memory:";
await using bus = await connect({ servers, tracer, logger: createLogger({ level: "warn" }) });
const quote = rpc("quote", () => 42);
const order = rpc("order", async (_params, ctx) => await ctx.call("shop", "quote"));
await using shop = createService("shop", { bus, handlers: [quote, order] });
await shop.start();
await createClient({ bus }).call("shop", "order");
bus.metrics.increment("lamps_sold_total", { colour: "red" }); // one's own, beside the SDK's

const nameOf = (id?: string) => spans.find(({ spanId }) => spanId === id)?.name ?? "nothing";
for (const { name, parentId } of spans) console.log(`span "${name}" in ${nameOf(parentId)}`);
console.log("traces:", new Set(spans.map(({ traceId }) => traceId)).size);
for (const { name, labels, value } of bus.metrics.snapshot().summaries) {
  console.log(name, labels.method, labels.outcome, `${value.count} times, p99 in ms:`, value.p99);
}
console.log(bus.metrics.prometheus().split("\n").filter((line) => line.includes("{")).join("\n"));
