// Measures: every call, event and command is counted and timed, on both sides, under labels that are made once.

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
  "CIRCUIT_OPEN",
  "CLOSED",
  "QUEUE_FULL",
  "STREAM_NOT_FOUND",
  "JETSTREAM_DISABLED",
  "PERMISSION_DENIED",
  "SERIALIZATION",
  "PAYLOAD_TOO_LARGE",
]);

/** What is counted and timed, by the names of its counter and of its summary. */
const NAMES = {
  client: ["aegis_rpc_client_calls_total", "aegis_rpc_client_duration_ms"],
  server: ["aegis_rpc_server_calls_total", "aegis_rpc_server_duration_ms"],
  publish: ["aegis_event_publish_total", "aegis_event_publish_duration_ms"],
  handle: ["aegis_event_handle_total", "aegis_event_handle_duration_ms"],
  send: ["aegis_command_send_total", "aegis_command_send_duration_ms"],
  run: ["aegis_command_run_total", "aegis_command_run_duration_ms"],
} as const;

/** Counts and times the calls of one method, the events of one type or pattern, or the commands of one name, on one side. */
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
    what: keyof typeof NAMES,
    labels: Labels,
  ) {
    this.#metrics = ports.metrics;
    this.#logger = ports.logger;
    [this.#calls, this.#duration] = NAMES[what];
    this.#base = labels;
    this.#ok = Object.freeze({ ...this.#base, outcome: "ok" });
  }

  /** Counts one that came to a good end after `durationMs`. */
  succeeded(durationMs: number): void {
    this.#count(this.#ok, durationMs);
  }

  /** Counts one that failed with error code `code` after `durationMs`. */
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
