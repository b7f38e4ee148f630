// Structured logs: a message and its fields.

/** What a log line carries beside its message. Values are written as JSON. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Where log lines go. */
export interface Logger {
  /** For whoever debugs the program. */
  debug(message: string, fields?: LogFields): void;
  /** What happened, in the normal course of things. */
  info(message: string, fields?: LogFields): void;
  /** Something is wrong and was dealt with. */
  warn(message: string, fields?: LogFields): void;
  /** Something is wrong and somebody should look. */
  error(message: string, fields?: LogFields): void;
  /** The same logger with `fields` on every line. */
  with(fields: LogFields): Logger;
}

/**
 * What `connect({ logger })` takes: a {@linkcode Logger}, or anything shaped like `console`, a pino logger
 * or a LogTape logger.
 *
 * @example
 * ```ts
 * import { connect, type LoggerLike } from "@aegis/sdk";
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * const lines: unknown[] = [];
 * const log = (message: string): void => void lines.push(message);
 * const logger: LoggerLike = { debug() {}, info: log, warn: log, error: log }; // or console, or pino()
 * const bus = await connect({ servers: "memory:", logger });
 * await bus.close();
 * deepStrictEqual(lines, ["The bus is closed"]);
 * ```
 */
export interface LoggerLike {
  /** For whoever debugs the program. */
  debug(...args: never[]): void;
  /** What happened, in the normal course of things. */
  info(...args: never[]): void;
  /** Something is wrong and was dealt with. */
  warn(...args: never[]): void;
  /** Something is wrong and somebody should look. */
  error(...args: never[]): void;
}
