// Metrics in memory: counters, gauges and summaries, to be read as values or by Prometheus.

import { assertKeys } from "../../domain/check.ts";
import type { Clock } from "../../ports/clock.ts";
import type {
  Labels,
  MetricsSnapshot,
  ReadableMetrics,
  Series,
  Summary,
} from "../../ports/metrics.ts";
import { createClock } from "./clock.ts";
import { Histogram } from "./histogram.ts";
import { head, plainSample, summarySample } from "./prometheus.ts";
import { type Kind, SeriesSet } from "./series.ts";

/** Options of {@linkcode createMetrics}. */
export interface MetricsOptions {
  /**
   * What `timer()` measures with.
   * @default the system's clock
   */
  readonly clock?: Clock;
  /**
   * How many series one name may have, at least 1. Observations of further labels are counted together, in one series
   * with the label `overflow="true"`, so that labels of unbounded values cannot fill the memory.
   * @default 1000
   */
  readonly maxSeries?: number;
  /**
   * What Prometheus shows as the help text of a metric, by its name.
   * @default the name itself, with spaces
   */
  readonly help?: Readonly<Record<string, string>>;
}

const METRIC_NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;

/** A number that is changed in place, so that a known series costs no write to a map. */
interface Box {
  n: number;
}

const box = (): Box => ({ n: 0 });
const histogram = (): Histogram => new Histogram();

class MemoryMetrics implements ReadableMetrics {
  readonly #counters = new Map<string, SeriesSet<Box>>();
  readonly #gauges = new Map<string, SeriesSet<Box>>();
  readonly #summaries = new Map<string, SeriesSet<Histogram>>();
  /** Every name that the text format shows, and the metric that has it: a summary has three. */
  readonly #names = new Map<string, string>();
  readonly #clock: Clock;
  readonly #maxSeries: number;
  readonly #help: Readonly<Record<string, string>>;

  constructor(clock: Clock, maxSeries: number, help: Readonly<Record<string, string>>) {
    this.#clock = clock;
    this.#maxSeries = maxSeries;
    this.#help = help;
  }

  increment(name: string, labels?: Labels, by = 1): void {
    if (!(by >= 0 && by < Infinity)) {
      throw refused(name, "a counter grows by a finite number ≥ 0", by);
    }
    const series = this.#counters.get(name) ?? this.#add(this.#counters, name, "counter", box);
    series.at(labels).n += by;
  }

  gauge(name: string, value: number, labels?: Labels): void {
    if (!Number.isFinite(value)) throw refused(name, "a gauge takes a finite number", value);
    const series = this.#gauges.get(name) ?? this.#add(this.#gauges, name, "gauge", box);
    series.at(labels).n = value;
  }

  record(name: string, value: number, labels?: Labels): void {
    if (!(value >= 0 && value < Infinity)) {
      throw refused(name, "a summary takes a finite number ≥ 0", value);
    }
    const series = this.#summaries.get(name) ??
      this.#add(this.#summaries, name, "summary", histogram);
    series.at(labels).record(value);
  }

  timer(name: string, labels?: Labels): () => number {
    const start = this.#clock.monotonic();
    let elapsed: number | undefined;
    return () => {
      // Stopped twice, as in a `finally` after an early stop, it is still one observation.
      if (elapsed === undefined) {
        elapsed = Math.max(0, this.#clock.monotonic() - start);
        this.record(name, elapsed, labels);
      }
      return elapsed;
    };
  }

  snapshot(): MetricsSnapshot {
    return {
      counters: list(this.#counters, (cell) => cell.n),
      gauges: list(this.#gauges, (cell) => cell.n),
      summaries: list<Histogram, Summary>(this.#summaries, (cell) => cell.summary()),
    };
  }

  prometheus(): string {
    let text = "";
    for (const set of [...this.#counters.values(), ...this.#gauges.values()]) {
      text += this.#head(set);
      for (const { labels, value } of set.cells()) text += plainSample(set.name, labels, value.n);
    }
    for (const set of this.#summaries.values()) {
      text += this.#head(set);
      for (const { labels, value } of set.cells()) {
        const { count, p50, p90, p99 } = value.summary();
        const quantiles = [[0.5, p50], [0.9, p90], [0.99, p99]] as const;
        text += summarySample(set.name, labels, { count, sum: value.sum, quantiles });
      }
    }
    return text;
  }

  #head<T>(set: SeriesSet<T>): string {
    const help = Object.hasOwn(this.#help, set.name) ? this.#help[set.name] : undefined;
    return head(set.name, set.kind, help ?? set.name.replaceAll("_", " "));
  }

  /** A metric's first use: its name is checked, here alone. */
  #add<T>(
    sets: Map<string, SeriesSet<T>>,
    name: string,
    kind: Kind,
    make: () => T,
  ): SeriesSet<T> {
    if (!METRIC_NAME.test(name)) {
      throw new RangeError(
        `Metric "${name}": a metric's name is letters, digits, "_" and ":", and begins with no digit`,
      );
    }
    const names = kind === "summary" ? [name, `${name}_sum`, `${name}_count`] : [name];
    for (const shown of names) {
      const other = this.#names.get(shown);
      if (other !== undefined) {
        throw new RangeError(
          `Metric "${name}" cannot be a ${kind}: "${shown}" is in use by ${other}`,
        );
      }
    }
    for (const shown of names) this.#names.set(shown, `the ${kind} "${name}"`);
    const set = new SeriesSet(name, kind, this.#maxSeries, make);
    sets.set(name, set);
    return set;
  }
}

function list<T, V>(sets: Map<string, SeriesSet<T>>, value: (cell: T) => V): Series<V>[] {
  return [...sets.values()].flatMap((set) =>
    Array.from(
      set.cells(),
      (cell) => ({ name: set.name, labels: cell.labels, value: value(cell.value) }),
    )
  );
}

function refused(name: string, rule: string, value: number): RangeError {
  return new RangeError(`Metric "${name}": ${rule}, not ${value}`);
}

/**
 * Metrics kept in memory. Summaries give quantiles within 1.6 % in bounded memory, whatever the number of observations;
 * count and mean are exact. Pass the same frozen labels object again where it matters: it then leads to its series
 * without being looked through.
 *
 * @throws {RangeError} from its methods: a name or label that Prometheus does not take, one name used for two kinds of
 * metric, `NaN` or an infinite number, and a negative number where there is none.
 *
 * @example
 * ```ts
 * import { createMetrics } from "@aegis/sdk";
 * import { ok, strictEqual } from "node:assert/strict";
 *
 * const metrics = createMetrics({ help: { jobs_total: "Jobs that were done" } });
 * metrics.increment("jobs_total", { queue: "mail" });
 * metrics.record("job_ms", 12);
 *
 * strictEqual(metrics.snapshot().summaries[0]?.value.avg, 12);
 * ok(metrics.prometheus().includes('jobs_total{queue="mail"} 1\n'));
 * ```
 */
export function createMetrics(options: MetricsOptions = {}): ReadableMetrics {
  assertKeys(options, ["clock", "maxSeries", "help"], "of createMetrics()");
  const { clock = createClock(), maxSeries = 1000, help = {} } = options;
  if (!(Number.isInteger(maxSeries) && maxSeries >= 1)) {
    throw new RangeError(
      `createMetrics(): maxSeries must be a whole number of at least 1, not ${maxSeries}`,
    );
  }
  return new MemoryMetrics(clock, maxSeries, help);
}
