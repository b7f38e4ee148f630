// Metrics: counters, gauges and summaries with labels.

/** Labels of one series. Callers on hot paths pass the same frozen object again, so that it can serve as a key. */
export type Labels = Readonly<Record<string, string>>;

/** Where measurements go. */
export interface Metrics {
  /** Adds `by` (default 1) to a counter. */
  increment(name: string, labels?: Labels, by?: number): void;
  /** Sets a gauge. */
  gauge(name: string, value: number, labels?: Labels): void;
  /** Adds one observation, such as a duration in milliseconds, to a summary. */
  record(name: string, value: number, labels?: Labels): void;
  /** Starts a timer; calling what it returns records the elapsed milliseconds to the summary `name`. */
  timer(name: string, labels?: Labels): () => number;
}

/** A summary of what was recorded to one series. */
export interface Summary {
  /** How many observations. */
  readonly count: number;
  /** Their mean. */
  readonly avg: number;
  /** The median. */
  readonly p50: number;
  /** The 90th percentile. */
  readonly p90: number;
  /** The 99th percentile. */
  readonly p99: number;
}

/** One series: its name, labels and value. */
export interface Series<T> {
  /** The metric's name. */
  readonly name: string;
  /** The series' labels. */
  readonly labels: Labels;
  /** A number, or a {@linkcode Summary}. */
  readonly value: T;
}

/** Everything measured so far. */
export interface MetricsSnapshot {
  /** Counters, which only grow. */
  readonly counters: readonly Series<number>[];
  /** Gauges, at their last value. */
  readonly gauges: readonly Series<number>[];
  /** Summaries of what was recorded. */
  readonly summaries: readonly Series<Summary>[];
}

/**
 * Metrics that can be read back: what `createMetrics()` gives.
 *
 * @example
 * ```ts
 * import { createMetrics, type ReadableMetrics } from "@aegis/sdk";
 * import { match, strictEqual } from "node:assert/strict";
 *
 * const metrics: ReadableMetrics = createMetrics(); // for connect({ metrics })
 * metrics.increment("orders_total", { currency: "EUR" });
 * strictEqual(metrics.snapshot().counters[0]?.value, 1);
 * match(metrics.prometheus(), /^orders_total\{currency="EUR"\} 1$/m); // for GET /metrics
 * ```
 */
export interface ReadableMetrics extends Metrics {
  /** Everything measured so far. */
  snapshot(): MetricsSnapshot;
  /** The same in Prometheus' text format 0.0.4. */
  prometheus(): string;
}
