// The default logger: one line of JSON for each message, to the console.

import { assertKeys } from "../../domain/check.ts";
import type { LogFields, Logger } from "../../ports/logger.ts";
import { plain } from "./plain.ts";

/** How much is logged: the named level and everything graver; `silent` is nothing. */
export type LogLevel = "debug" | "info" | "warn" | "error" | "silent";

/** Options of {@linkcode createLogger}. */
export interface LoggerOptions {
  /**
   * The least grave level that is written.
   * @default "info"
   */
  readonly level?: LogLevel;
  /**
   * Fields of every line.
   * @default none
   */
  readonly fields?: LogFields;
  /**
   * Where lines go, without the line feed.
   * @default `console.log` for debug and info, `console.error` for warn and error
   */
  readonly write?: (line: string) => void;
}

type Written = Exclude<LogLevel, "silent">;

const LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error", "silent"];

/** The keys that every line has. A field of such a name gets an underscore, so that it hides none of them. */
const OWN: ReadonlySet<string> = new Set(["time", "level", "message"]);

class JsonLogger implements Logger {
  readonly #least: number;
  readonly #fields: LogFields;
  readonly #write: ((line: string) => void) | undefined;

  constructor(least: number, fields: LogFields, write: ((line: string) => void) | undefined) {
    this.#least = least;
    this.#fields = fields;
    this.#write = write;
  }

  debug(message: string, fields?: LogFields): void {
    this.#log("debug", message, fields);
  }

  info(message: string, fields?: LogFields): void {
    this.#log("info", message, fields);
  }

  warn(message: string, fields?: LogFields): void {
    this.#log("warn", message, fields);
  }

  error(message: string, fields?: LogFields): void {
    this.#log("error", message, fields);
  }

  with(fields: LogFields): Logger {
    return new JsonLogger(this.#least, { ...this.#fields, ...named(fields) }, this.#write);
  }

  #log(level: Written, message: string, fields?: LogFields): void {
    if (LEVELS.indexOf(level) < this.#least) return;
    const line = JSON.stringify({
      time: new Date().toISOString(),
      level,
      message: String(message),
      ...this.#fields,
      ...named(fields),
    });
    if (this.#write !== undefined) this.#write(line);
    else if (level === "warn" || level === "error") console.error(line);
    else console.log(line);
  }
}

/** The fields as JSON can write them, under names of their own. */
function named(fields: LogFields | undefined): Record<string, unknown> {
  const copy = plain(fields);
  // Whoever is not held to the types may pass anything: it is kept.
  if (typeof copy !== "object" || copy === null || Array.isArray(copy)) {
    return copy === undefined || copy === null ? {} : { fields: copy };
  }
  return Object.fromEntries(
    Object.entries(copy).map(([key, value]) => [OWN.has(key) ? `${key}_` : key, value]),
  );
}

/**
 * A logger that writes one JSON object a line: `time` (ISO 8601), `level`, `message` and the fields. Whatever the
 * fields hold is written: errors as `{ name, code, message, stack, cause }`, `bigint` as digits, a cycle as
 * `"[Circular]"`. A field that is named `time`, `level` or `message` is written with an underscore after its name.
 *
 * @throws {RangeError} when `level` is none of the five.
 *
 * @example
 * ```ts
 * import { createLogger } from "@aegis/sdk";
 * import { strictEqual } from "node:assert/strict";
 *
 * const lines: string[] = [];
 * const log = createLogger({ level: "warn", fields: { service: "orders" }, write: (line) => lines.push(line) });
 * log.info("not written");
 * log.warn("late", { ms: 1200 });
 *
 * const { time: _, ...line } = JSON.parse(lines[0] ?? "");
 * strictEqual(JSON.stringify(line), '{"level":"warn","message":"late","service":"orders","ms":1200}');
 * ```
 */
export function createLogger(options: LoggerOptions = {}): Logger {
  assertKeys(options, ["level", "fields", "write"], "of createLogger()");
  const { level = "info", fields, write } = options;
  const least = LEVELS.indexOf(level);
  if (least < 0) {
    throw new RangeError(
      `createLogger(): level must be one of ${LEVELS.join(", ")}, not ${JSON.stringify(level)}`,
    );
  }
  return new JsonLogger(least, named(fields), write);
}
