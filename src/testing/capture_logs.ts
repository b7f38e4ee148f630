// A logger that keeps what it is given, for tests to look at.

import type { LogFields, Logger } from "../ports/logger.ts";

/** One line of a log. */
export interface LogLine {
  /** How grave it is. */
  readonly level: "debug" | "info" | "warn" | "error";
  /** Its message. */
  readonly message: string;
  /** Its fields, those of `with` among them. */
  readonly fields: LogFields;
}

/** A logger, and the lines that it was given. */
export interface CapturedLogs {
  /** The logger, for `connect({ logger })`. */
  readonly logger: Logger;
  /** Every line so far, also of loggers that its `with` gave; a list that grows. Empty it with `lines.length = 0`. */
  readonly lines: LogLine[];
}

/**
 * A logger that writes nothing and keeps every line. Fields of a line go before fields of `with` that have their name.
 *
 * @example
 * ```ts
 * import { connect, createClient, createService, rpc } from "@aegis/sdk";
 * import { captureLogs } from "@aegis/sdk/testing";
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * const { logger, lines } = captureLogs();
 * await using bus = await connect({ servers: "memory:", logger });
 * const pay = rpc("pay", (_params, ctx) => ctx.log.warn("The card is about to expire", { months: 1 }));
 * await using service = createService("payments", { bus, handlers: [pay] });
 * await service.start();
 * await createClient({ bus }).call("payments", "pay");
 *
 * const warnings = lines.filter((line) => line.level === "warn");
 * deepStrictEqual(warnings.map(({ message }) => message), ["The card is about to expire"]);
 * deepStrictEqual([warnings[0]?.fields.service, warnings[0]?.fields.months], ["payments", 1]);
 * ```
 */
export function captureLogs(): CapturedLogs {
  const lines: LogLine[] = [];
  return { logger: capture(lines, {}), lines };
}

function capture(lines: LogLine[], base: LogFields): Logger {
  const at = (level: LogLine["level"]) => (message: string, fields?: LogFields): void => {
    lines.push({ level, message, fields: { ...base, ...fields } });
  };
  return {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    with: (fields) => capture(lines, { ...base, ...fields }),
  };
}
