// Tracing: spans around calls, in the terms of W3C Trace Context and OpenTelemetry.

/** How a span begins. */
export interface SpanOptions {
  /** Who makes the span: the caller of an operation or the one who runs it. */
  readonly kind: "client" | "server" | "producer" | "consumer";
  /** The `traceparent` that it continues, if any. */
  readonly parent?: string | undefined;
  /** Attributes, named by OpenTelemetry's semantic conventions. */
  readonly attributes?: Readonly<Record<string, string | number | boolean>>;
}

/** One timed operation. */
export interface Span {
  /** Its W3C `traceparent`, `00-{trace id}-{span id}-{flags}`, which travels in message headers. */
  readonly traceparent: string;
  /** Ends the span, with the error that ended it, if one did. */
  end(error?: unknown): void;
}

/**
 * Makes spans. An OpenTelemetry tracer is adapted to it in a few lines.
 *
 * @example
 * ```ts
 * import { connect, createClient, createService, rpc, type Tracer } from "@aegis/sdk";
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * const spans: string[] = [];
 * const id = (length: number) => crypto.randomUUID().replaceAll("-", "").slice(0, length);
 * const tracer: Tracer = {
 *   start(name, { kind, parent }) {
 *     const trace = parent?.split("-")[1] ?? id(32);
 *     return { traceparent: `00-${trace}-${id(16)}-01`, end: () => spans.push(`${kind} ${name}`) };
 *   },
 * };
 *
 * await using bus = await connect({ servers: "memory:", tracer });
 * await using stock = createService("stock", { bus, handlers: [rpc("left", () => 3)] });
 * await stock.start();
 * await createClient({ bus }).call("stock", "left");
 * deepStrictEqual(spans, ["server stock/left", "client stock/left"]);
 * ```
 */
export interface Tracer {
  /** Starts a span. */
  start(name: string, options: SpanOptions): Span;
}
