// A logger that never throws, whatever the one behind it does: no call and no stop depends on a log line.

import type { LogFields, Logger } from "../../ports/logger.ts";

type Level = "debug" | "info" | "warn" | "error";

class SafeLogger implements Logger {
  readonly #to: Logger;

  constructor(to: Logger) {
    this.#to = to;
  }

  debug(message: string, fields?: LogFields): void {
    this.#write("debug", message, fields);
  }

  info(message: string, fields?: LogFields): void {
    this.#write("info", message, fields);
  }

  warn(message: string, fields?: LogFields): void {
    this.#write("warn", message, fields);
  }

  error(message: string, fields?: LogFields): void {
    this.#write("error", message, fields);
  }

  with(fields: LogFields): Logger {
    try {
      return new SafeLogger(this.#to.with(fields));
    } catch (error) {
      tell(error);
      return this;
    }
  }

  #write(level: Level, message: string, fields: LogFields | undefined): void {
    try {
      const written: unknown = fields === undefined
        ? this.#to[level](message)
        : this.#to[level](message, fields);
      // One that writes asynchronously fails later, and would end the process.
      if (written instanceof Promise) written.catch(tell);
    } catch (error) {
      tell(error);
    }
  }
}

/** How many faults of loggers are told in one process: a logger that throws does so for each of its lines. */
const MAX_TOLD = 10;
let told = 0;

function tell(error: unknown): void {
  if (told++ >= MAX_TOLD) return;
  try {
    console.error("The logger threw an error", error);
  } catch {
    // It may be `console` itself, and then there is nobody left to tell.
  }
}

/** `logger`, except that what it throws goes to `console` and no further. */
export function safeLogger(logger: Logger): Logger {
  return new SafeLogger(logger);
}
