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

/** Makes spans. An OpenTelemetry tracer is adapted to it in a few lines. */
export interface Tracer {
  /** Starts a span. */
  start(name: string, options: SpanOptions): Span;
}
