// The errors that handlers throw themselves, and that arrive at whoever asked.

import { AegisError, type ErrorOptions, mark } from "./aegis_error.ts";

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
