// Measures: every call is counted and timed, on both sides, under labels that are made once.

import type { Logger } from "../ports/logger.ts";
import type { Labels, Metrics } from "../ports/metrics.ts";

/** Outcomes that the protocol knows; a handler's own codes are counted together, so that series stay few. */
const CODES = new Set([
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
  readonly #logger: Logger;
  readonly #calls: string;
  readonly #duration: string;
  readonly #base: Labels;
  readonly #labels = new Map<string, Labels>();
  readonly #ok: Labels;

  constructor(
    ports: { readonly metrics: Metrics; readonly logger: Logger },
    side: "client" | "server",
    service: string,
    method: string,
  ) {
    this.#metrics = ports.metrics;
    this.#logger = ports.logger;
    this.#calls = `aegis_rpc_${side}_calls_total`;
    this.#duration = `aegis_rpc_${side}_duration_ms`;
    this.#base = { service, method };
    this.#ok = Object.freeze({ ...this.#base, outcome: "ok" });
  }

  /** Counts a call that gave a result after `durationMs`. */
  succeeded(durationMs: number): void {
    this.#count(this.#ok, durationMs);
  }

  /** Counts a call that failed with error code `code` after `durationMs`. */
  failed(code: string, durationMs: number): void {
    const outcome = CODES.has(code) ? code : "error";
    let labels = this.#labels.get(outcome);
    if (labels === undefined) {
      labels = Object.freeze({ ...this.#base, outcome });
      this.#labels.set(outcome, labels);
    }
    this.#count(labels, durationMs);
  }

  #count(labels: Labels, durationMs: number): void {
    try {
      this.#metrics.increment(this.#calls, labels);
      this.#metrics.record(this.#duration, durationMs, labels);
    } catch (error) {
      // A call has ended well or badly already; metrics of the program's own do not change that.
      this.#logger.warn("The metrics threw an error", { error, metric: this.#calls });
    }
  }
}
