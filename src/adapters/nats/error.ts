// The errors of nats.js as the SDK's own. They are told apart by name, for two copies of nats-core may be about.

import {
  AegisError,
  ClosedError,
  SerializationError,
  TimeoutError,
  UnavailableError,
} from "../../domain/error.ts";

/** What errors of nats.js have, beside what all errors have. */
interface NatsError {
  readonly name: string;
  readonly message: string;
  readonly cause?: unknown;
  readonly operation?: string;
  readonly subject?: string;
}

/**
 * An error of nats.js as one of the SDK's, with the first as its cause. One of the SDK's comes back as it is.
 *
 * @param what what was to be done: "publish to orders.created"
 */
export function translateNatsError(error: unknown, what: string): Error {
  if (AegisError.is(error)) return error;
  const { name, message, operation, subject, cause } = natsError(error);
  const options = { cause: error };
  switch (name) {
    case "ClosedConnectionError":
    case "DrainingConnectionError":
      return new ClosedError(`Cannot ${what}: the connection is closed`, options);
    case "NoResponders":
    case "NoRespondersError":
      return new UnavailableError(`Cannot ${what}: nobody listens`, options);
    case "TimeoutError":
      return new TimeoutError(`Cannot ${what}: the server gave no answer in time`, options);
    case "AuthorizationError":
    case "UserAuthenticationExpiredError":
      return new AegisError(
        "UNAUTHORIZED",
        `Cannot ${what}: the server said "${message}"`,
        options,
      );
    case "PermissionViolationError": {
      const verb = operation === "subscription" ? "subscribe to" : "publish to";
      return new AegisError(
        "PERMISSION_DENIED",
        `Cannot ${what}: this user may not ${verb} "${subject}"; grant it in the server's permissions`,
        { ...options, details: { operation, subject } },
      );
    }
    case "RequestError":
      // It stands for what went wrong, which it has as its cause.
      if (cause instanceof Error) return translateNatsError(cause, what);
      if (message === "connection disconnected") {
        return new UnavailableError(`Cannot ${what}: the server is away`, options);
      }
      break;
    case "ConnectionError":
      return new UnavailableError(`Cannot ${what}: ${message}`, options);
  }
  if (/max_payload|maximum payload/i.test(message)) {
    return new SerializationError(
      `Cannot ${what}: the message is larger than the server's max_payload`,
      { ...options, code: "PAYLOAD_TOO_LARGE" },
    );
  }
  return new AegisError("NATS", `Cannot ${what}: ${message}`, options);
}

function natsError(error: unknown): NatsError {
  return typeof error === "object" && error !== null && "name" in error && "message" in error
    ? error as NatsError
    : { name: "", message: String(error) };
}
