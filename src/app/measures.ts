// Measures: every call is counted and timed, on both sides, under labels that are made once.

import type { Labels, Metrics } from "../ports/metrics.ts";

/** Outcomes that the protocol knows; a handler's own codes are counted together, so that series stay few. */
const CODES = new Set([
  "ok",
  "INVALID_REQUEST",
  "SERVICE_UNAVAILABLE",
  "TIMEOUT",
  "NOT_ACTIVE",
  "ELECTING",
  "INTERNAL_ERROR",
  "CANCELLED",
  "BUSY",
  "CLOSED",
  "SERIALIZATION",
  "PAYLOAD_TOO_LARGE",
]);

/** Counts and times the calls of one method on one side. */
export class Measures {
  readonly #metrics: Metrics;
  readonly #calls: string;
  readonly #duration: string;
  readonly #base: Labels;
  readonly #labels = new Map<string, Labels>();
  readonly #ok: Labels;

  constructor(
    metrics: Metrics,
    side: "client" | "server",
    service: string,
    method: string,
  ) {
    this.#metrics = metrics;
    this.#calls = `aegis_rpc_${side}_calls_total`;
    this.#duration = `aegis_rpc_${side}_duration_ms`;
    this.#base = { service, method };
    this.#ok = Object.freeze({ ...this.#base, outcome: "ok" });
  }

  /** Counts a call that ended with `outcome`, `"ok"` or an error's code, after `durationMs`. */
  count(outcome: string, durationMs: number): void {
    const labels = outcome === "ok" ? this.#ok : this.#labelsOf(outcome);
    this.#metrics.increment(this.#calls, labels);
    this.#metrics.record(this.#duration, durationMs, labels);
  }

  #labelsOf(code: string): Labels {
    const outcome = CODES.has(code) ? code : "error";
    let labels = this.#labels.get(outcome);
    if (labels === undefined) {
      labels = Object.freeze({ ...this.#base, outcome });
      this.#labels.set(outcome, labels);
    }
    return labels;
  }
}
