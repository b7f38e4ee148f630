// Every error that the SDK gives, and its code.

/** A problem with one value, as Standard Schema reports it. */
export interface Issue {
  /** What is wrong. */
  readonly message: string;
  /** Where: the keys from the root of the value. */
  readonly path?: readonly (string | number)[];
}

/** What an error may carry beside its message. */
export interface ErrorOptions {
  /** The error behind this one. */
  readonly cause?: unknown;
  /** Facts for programs: names, limits, values. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/**
 * What the errors of each class inherit: the same in every copy of the package, and whatever a bundler makes of the names
 * of classes.
 */
const MARKS = new Map<unknown, symbol>();

function mark(type: { readonly prototype: object }, name: string): void {
  const symbol = Symbol.for(`@aegis/sdk/${name}`);
  MARKS.set(type, symbol);
  Object.defineProperty(type.prototype, symbol, { value: true });
}

/**
 * What every error of the SDK is: a `code` for programs, a `message` for people that says what happened, to what, and
 * what to do, and `details`.
 *
 * @example Telling errors apart
 * ```ts
 * import { AegisError, UnavailableError } from "@aegis/sdk";
 * import { strictEqual } from "node:assert/strict";
 *
 * const error: unknown = new AegisError("BUSY", "order-service is busy");
 * strictEqual(AegisError.is(error, "BUSY"), true);
 * strictEqual(AegisError.is(error, "TIMEOUT"), false);
 * strictEqual(UnavailableError.is(error), false); // BUSY, but not of that class
 * ```
 */
export class AegisError extends Error {
  static {
    mark(this, "error");
  }

  /** The name of the class. */
  override name = "AegisError";
  /** What happened, for programs: `"TIMEOUT"`, or a handler's own, such as `"EMAIL_TAKEN"`. */
  readonly code: string;
  /** Facts for programs; empty when there are none. */
  readonly details: Readonly<Record<string, unknown>>;

  /** Makes an error with a code and a message. */
  constructor(code: string, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details ?? {};
  }

  /**
   * Whether `error` is of this class, and of `code` if that is given; also when it came from another copy of the package,
   * which `instanceof` does not know. `AegisError.is()` is for any of the SDK's, `RpcError.is()` for that class alone.
   */
  static is<E extends AegisError, const Code extends string = string>(
    this: abstract new (...args: never[]) => E,
    error: unknown,
    code?: Code,
  ): error is E & { readonly code: Code } {
    const symbol = MARKS.get(this);
    const known = symbol === undefined
      ? error instanceof this // a class of the program's own
      : typeof error === "object" && error !== null && symbol in error;
    return known && (code === undefined || (error as AegisError).code === code);
  }
}

/**
 * A handler's own error. Thrown in a handler, it arrives at the caller with its code, message and data.
 *
 * The data travel as JSON in ASCII of at most 65,536 characters, and with the whole message within the server's
 * `max_payload`. Data that are larger or have no JSON form, such as a cycle or a `bigint`, do not arrive: the service
 * logs a warning, and at the caller `details.dataDropped` is true. Of the message 4,096 characters arrive.
 *
 * @example
 * ```ts
 * import { RpcError } from "@aegis/sdk";
 * import { strictEqual } from "node:assert/strict";
 *
 * const error = new RpcError("EMAIL_TAKEN", "Email already exists", { field: "email" });
 * strictEqual(error.code, "EMAIL_TAKEN");
 * ```
 */
export class RpcError extends AegisError {
  static {
    mark(this, "error/RpcError");
  }

  /** The name of the class. */
  override name = "RpcError";
  /** What the handler gave along, as JSON. */
  readonly data: unknown;

  /** Makes an error that crosses to the caller. `data` must have a JSON form, of at most 65,536 characters in ASCII. */
  constructor(code: string, message: string, data?: unknown, options?: ErrorOptions) {
    super(code, message, options);
    this.data = data;
  }
}

/** The time for it was over. What was asked may have been done all the same. */
export class TimeoutError extends AegisError {
  static {
    mark(this, "error/TimeoutError");
  }

  /** The name of the class. */
  override name = "TimeoutError";

  /** Makes an error of code `TIMEOUT`. */
  constructor(message: string, options?: ErrorOptions) {
    super("TIMEOUT", message, options);
  }
}

/** Nobody serves it, whoever serves it takes no more, or the bus is away. It was not run, unless `details.sent` is true. */
export class UnavailableError extends AegisError {
  static {
    mark(this, "error/UnavailableError");
  }

  /** The name of the class. */
  override name = "UnavailableError";

  /**
   * Makes an error of code `SERVICE_UNAVAILABLE`, `BUSY` where the service has all the work that it takes, or `CIRCUIT_OPEN`.
   */
  constructor(
    message: string,
    options?: ErrorOptions & { readonly code?: "SERVICE_UNAVAILABLE" | "BUSY" | "CIRCUIT_OPEN" },
  ) {
    super(options?.code ?? "SERVICE_UNAVAILABLE", message, options);
  }
}

/** A value is not what its schema, or the protocol, asks for. */
export class ValidationError extends AegisError {
  static {
    mark(this, "error/ValidationError");
  }

  /** The name of the class. */
  override name = "ValidationError";
  /** What is wrong, and where. */
  readonly issues: readonly Issue[];

  /** Makes an error of code `INVALID_REQUEST`. */
  constructor(message: string, issues: readonly Issue[] = [], options?: ErrorOptions) {
    super("INVALID_REQUEST", message, options);
    this.issues = issues;
  }
}

/** The instance that was asked is a stand-by, or its group has no leader at the moment. */
export class NotActiveError extends AegisError {
  static {
    mark(this, "error/NotActiveError");
  }

  /** The name of the class. */
  override name = "NotActiveError";

  /** Makes an error of code `NOT_ACTIVE`, or `ELECTING` while a leader is being elected. */
  constructor(
    message: string,
    options?: ErrorOptions & { readonly code?: "NOT_ACTIVE" | "ELECTING" },
  ) {
    super(options?.code ?? "NOT_ACTIVE", message, options);
  }
}

/** What is there differs from what was expected or asked for: somebody was faster, or a setting cannot be changed. */
export class ConflictError extends AegisError {
  static {
    mark(this, "error/ConflictError");
  }

  /** The name of the class. */
  override name = "ConflictError";

  /** Makes an error of code `CONFLICT`. */
  constructor(message: string, options?: ErrorOptions) {
    super("CONFLICT", message, options);
  }
}

/** A stream is full and takes nothing new. What was published was not stored. */
export class QueueFullError extends AegisError {
  static {
    mark(this, "error/QueueFullError");
  }

  /** The name of the class. */
  override name = "QueueFullError";

  /** Makes an error of code `QUEUE_FULL`. */
  constructor(message: string, options?: ErrorOptions) {
    super("QUEUE_FULL", message, options);
  }
}

/** What a {@linkcode CommandError} may carry. */
export interface CommandErrorOptions extends ErrorOptions {
  /** How many attempts had begun. */
  readonly attempts?: number;
  /** What goes along to whoever asks for the result; it must have a JSON form. */
  readonly data?: unknown;
  /** Whether no further attempt would come to anything: the command fails at once. @default {false} */
  readonly final?: boolean;
}

/**
 * A command came to nothing: `code` and `message` are those of the last attempt's error. Thrown in a handler, it gives the
 * command its own code, message and data, and with `final` it says that there is no use in trying again; any other error
 * with a property `final` that is true says the same.
 *
 * @example
 * ```ts
 * import { CommandError } from "@aegis/sdk";
 * import { strictEqual } from "node:assert/strict";
 *
 * const error = new CommandError("CARD_EXPIRED", "The card has expired", { final: true });
 * strictEqual(CommandError.is(error, "CARD_EXPIRED"), true);
 * ```
 */
export class CommandError extends AegisError {
  static {
    mark(this, "error/CommandError");
  }

  /** The name of the class. */
  override name = "CommandError";
  /** How many attempts had begun; 0 where nobody has counted yet. */
  readonly attempts: number;
  /** What the handler gave along, as JSON. */
  readonly data: unknown;
  /** Whether it says that there is no use in trying again. */
  readonly final: boolean;

  /** Makes an error of a command. */
  constructor(code: string, message: string, options: CommandErrorOptions = {}) {
    super(code, message, options);
    this.attempts = options.attempts ?? 0;
    this.data = options.data;
    this.final = options.final ?? false;
  }
}

/** A value has no encoding, bytes are no valid encoding, or a message is too large. */
export class SerializationError extends AegisError {
  static {
    mark(this, "error/SerializationError");
  }

  /** The name of the class. */
  override name = "SerializationError";

  /** Makes an error of code `SERIALIZATION`, or `PAYLOAD_TOO_LARGE`. */
  constructor(
    message: string,
    options?: ErrorOptions & { readonly code?: "SERIALIZATION" | "PAYLOAD_TOO_LARGE" },
  ) {
    super(options?.code ?? "SERIALIZATION", message, options);
  }
}

/** What was asked for was closed or stopped before. */
export class ClosedError extends AegisError {
  static {
    mark(this, "error/ClosedError");
  }

  /** The name of the class. */
  override name = "ClosedError";

  /** Makes an error of code `CLOSED`. */
  constructor(message: string, options?: ErrorOptions) {
    super("CLOSED", message, options);
  }
}

/** Whoever asked took it back. */
export function cancelled(message: string, reason?: unknown): AegisError {
  return new AegisError("CANCELLED", message, reason === undefined ? {} : { cause: reason });
}
