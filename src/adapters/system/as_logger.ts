// Loggers of other makes as ours, recognised by their shape.

import type { LogFields, Logger, LoggerLike } from "../../ports/logger.ts";
import { plainError } from "./plain.ts";

type Level = "debug" | "info" | "warn" | "error";

const LEVELS: readonly Level[] = ["debug", "info", "warn", "error"];

/** A logger of another make, with the methods by which one tells which. */
type Foreign =
  & Readonly<Record<Level, (...args: unknown[]) => void>>
  & Readonly<Partial<Record<"child" | "bindings" | "with" | "getChild", unknown>>>;

/** How a call looks to a logger of another make. */
type Convention = (message: string, fields: LogFields | undefined) => unknown[];

/** `console`, and whatever takes what it takes. */
const likeConsole: Convention = (message, fields) =>
  fields === undefined ? [message] : [message, fields];

/** pino takes the fields first, and writes an error as `{}` unless its key is `err`. */
const likePino: Convention = (message, fields) =>
  fields === undefined ? [message] : [withPlainErrors(fields), message];

/** LogTape reads `{name}` in a message as a place to fill in; braces that are written twice it leaves alone. */
const likeLogTape: Convention = (message, fields) => {
  const text = message.replaceAll("{", "{{").replaceAll("}", "}}");
  return fields === undefined ? [text] : [text, withPlainErrors(fields)];
};

function withPlainErrors(fields: LogFields): LogFields {
  if (!Object.values(fields).some((value) => value instanceof Error)) return fields;
  return Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, plainError(value)]));
}

class Adapted implements Logger {
  readonly #to: Foreign;
  readonly #convention: Convention;
  readonly #fields: LogFields | undefined;

  constructor(to: Foreign, convention: Convention, fields?: LogFields) {
    this.#to = to;
    this.#convention = convention;
    this.#fields = fields;
  }

  debug(message: string, fields?: LogFields): void {
    return this.#to.debug(...this.#arguments(message, fields));
  }

  info(message: string, fields?: LogFields): void {
    return this.#to.info(...this.#arguments(message, fields));
  }

  warn(message: string, fields?: LogFields): void {
    return this.#to.warn(...this.#arguments(message, fields));
  }

  error(message: string, fields?: LogFields): void {
    return this.#to.error(...this.#arguments(message, fields));
  }

  with(fields: LogFields): Logger {
    return new Adapted(this.#to, this.#convention, { ...this.#fields, ...fields });
  }

  #arguments(message: string, fields: LogFields | undefined): unknown[] {
    const all = this.#fields === undefined || fields === undefined
      ? this.#fields ?? fields
      : { ...this.#fields, ...fields };
    return this.#convention(message, all);
  }
}

/**
 * Makes a logger of another make into a {@linkcode Logger}. One with `child` and `bindings` is taken for pino, one
 * with `getChild` for LogTape, one with `with` alone is a `Logger` already and is given back, and any other is called
 * as `console` is: the message, then an object of the fields.
 *
 * @throws {TypeError} when one of `debug`, `info`, `warn` and `error` is missing.
 */
export function asLogger(like: LoggerLike): Logger {
  const to = like as unknown as Foreign;
  const missing = LEVELS.filter((level) => typeof to?.[level] !== "function");
  if (missing.length > 0) {
    throw new TypeError(
      `A logger has the methods ${LEVELS.join(", ")}; this one lacks ${missing.join(", ")}`,
    );
  }
  if (typeof to.child === "function" && typeof to.bindings === "function") {
    return new Adapted(to, likePino);
  }
  if (typeof to.getChild === "function") return new Adapted(to, likeLogTape);
  if (typeof to.with === "function") return like as unknown as Logger;
  return new Adapted(to, likeConsole);
}
