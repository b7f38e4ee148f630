// A tracer that keeps its spans.

import type { Span, SpanOptions, Tracer } from "../../mod.ts";

/** A span, and what it was ended with, each time. */
export interface Recorded extends SpanOptions, Span {
  readonly name: string;
  readonly ended: unknown[];
}

/** A tracer in the way of OpenTelemetry: a root span has a trace id of its own making. */
export function recordingTracer(): { tracer: Tracer; spans: Recorded[] } {
  const spans: Recorded[] = [];
  const hex = (length: number): string =>
    Array.from({ length }, () => "123456789abcdef"[Math.floor(Math.random() * 15)]).join("");
  const tracer: Tracer = {
    start(name, options) {
      const trace = options.parent?.slice(3, 35) ?? hex(32);
      const ended: unknown[] = [];
      const span = {
        ...options,
        name,
        ended,
        traceparent: `00-${trace}-${hex(16)}-01`,
        end: (error?: unknown) => void ended.push(error),
      };
      spans.push(span);
      return span;
    },
  };
  return { tracer, spans };
}
