// What every error of the SDK is, and how it is told apart.

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

/** Has the errors of a class carry its mark, for `is()` of every copy. */
export function mark(type: { readonly prototype: object }, name: string): void {
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
