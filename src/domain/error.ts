// Every error that the SDK gives, and its code.

import { AegisError, type ErrorOptions, mark } from "./aegis_error.ts";

export { AegisError, type ErrorOptions } from "./aegis_error.ts";
export { CommandError, type CommandErrorOptions, RpcError } from "./handler_error.ts";

/** A problem with one value, as Standard Schema reports it. */
export interface Issue {
  /** What is wrong. */
  readonly message: string;
  /** Where: the keys from the root of the value. */
  readonly path?: readonly (string | number)[];
}

/**
 * The time for it was over. What was asked may have been done all the same.
 *
 * @example
 * ```ts
 * import { connect, createClient, createService, rpc, TimeoutError } from "@aegis/sdk";
 * import { rejects } from "node:assert/strict";
 *
 * await using bus = await connect({ servers: "memory:" });
 * const never = rpc("never", (_params, { signal }) => new Promise((end) => signal.onabort = end));
 * await using service = createService("slow", { bus, handlers: [never] });
 * await service.start();
 * await rejects(createClient({ bus }).call("slow", "never", {}, { timeoutMs: 20 }), TimeoutError);
 * ```
 */
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

/**
 * Nobody serves it, whoever serves it takes no more, or the bus is away. It was not run, unless `details.sent` is true.
 *
 * @example
 * ```ts
 * import { connect, createClient, UnavailableError } from "@aegis/sdk";
 * import { rejects } from "node:assert/strict";
 *
 * await using bus = await connect({ servers: "memory:" });
 * await rejects(createClient({ bus }).call("nobody", "is_there"), UnavailableError);
 * ```
 */
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

/**
 * A value is not what its schema, or the protocol, asks for.
 *
 * @example
 * ```ts
 * import { connect, createClient, createService, rpc, ValidationError } from "@aegis/sdk";
 * import { ok } from "node:assert/strict";
 * import * as v from "valibot";
 *
 * await using bus = await connect({ servers: "memory:" });
 * const half = rpc("half", { params: v.object({ of: v.number() }) }, ({ of }) => of / 2);
 * await using service = createService("maths", { bus, handlers: [half] });
 * await service.start();
 * const error = await createClient({ bus }).call("maths", "half", { of: "8" }).catch((e) => e);
 * ok(ValidationError.is(error));
 * console.log(error.issues); // [{ path: ["of"], message: … }]
 * ```
 */
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

/**
 * The instance that was asked is a stand-by, or its group has no leader at the moment.
 *
 * @example
 * ```ts
 * import { NotActiveError } from "@aegis/sdk";
 * import { strictEqual } from "node:assert/strict";
 *
 * const retry = { attempts: 5, initialDelayMs: 100, retryIf: (e: unknown) => NotActiveError.is(e) };
 * strictEqual(retry.retryIf(new NotActiveError("payments has no leader", { code: "ELECTING" })), true);
 * ```
 */
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

/**
 * What is there differs from what was expected or asked for: somebody was faster, or a setting cannot be changed.
 *
 * @example
 * ```ts
 * import { command, ConflictError, connect, createClient, createService } from "@aegis/sdk";
 * import { rejects } from "node:assert/strict";
 *
 * await using bus = await connect({ servers: "memory:" });
 * const handlers = [command("print", () => "printed"), command("fold", () => "folded")];
 * await using service = createService("press", { bus, handlers });
 * await service.start();
 * const { send } = createClient({ bus });
 * await send("press", "print", {}, { id: "leaflet" });
 * await rejects(send("press", "fold", {}, { id: "leaflet" }), ConflictError); // the id of another command
 * ```
 */
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

/**
 * A stream is full and takes nothing new. What was published was not stored.
 *
 * @example
 * ```ts
 * import { connect, createClient, QueueFullError } from "@aegis/sdk";
 * import { rejects } from "node:assert/strict";
 *
 * await using bus = await connect({ servers: "memory:", streams: { events: { maxMessages: 1 } } });
 * const { publish } = createClient({ bus });
 * await publish("tank.filled", { litres: 40 });
 * await rejects(publish("tank.filled", { litres: 5 }), QueueFullError);
 * ```
 */
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

/**
 * A value has no encoding, bytes are no valid encoding, or a message is too large.
 *
 * @example
 * ```ts
 * import { connect, createClient, SerializationError } from "@aegis/sdk";
 * import { rejects } from "node:assert/strict";
 *
 * await using bus = await connect({ servers: "memory:" });
 * const params = { amount: 10n }; // JSON has no bigint
 * await rejects(createClient({ bus }).call("orders", "create", params), SerializationError);
 * ```
 */
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

/**
 * What was asked for was closed or stopped before.
 *
 * @example
 * ```ts
 * import { ClosedError, connect, createClient } from "@aegis/sdk";
 * import { rejects } from "node:assert/strict";
 *
 * const bus = await connect({ servers: "memory:" });
 * await bus.close();
 * await rejects(createClient({ bus }).call("orders", "list"), ClosedError);
 * ```
 */
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
