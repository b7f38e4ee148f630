// Answers: what became of a call, and the error that its caller gets.

import {
  AegisError,
  ClosedError,
  NotActiveError,
  RpcError,
  SerializationError,
  TimeoutError,
  UnavailableError,
  ValidationError,
} from "../domain/error.ts";
import { flatCopy } from "../domain/flat.ts";
import { HEADER, readHeaderCode } from "../domain/header.ts";
import { isRecord } from "../domain/envelope.ts";
import type { Message, Messaging } from "../ports/messaging.ts";

/** An answer, and the message that it came in, whose headers are read when they are needed. */
export class Answer {
  readonly message: Message;
  readonly success: boolean;
  readonly result: unknown;
  readonly error: string | null;

  constructor(message: Message, success: boolean, result: unknown, error: string | null) {
    this.message = message;
    this.success = success;
    this.result = result;
    this.error = error;
  }
}

/** Why a call ended without an answer. */
export class Failure {
  readonly kind:
    | "timeout"
    | "nobody"
    | "away"
    | "lost"
    /** Its leader was followed by another one, and it may be sent again. */
    | "followed"
    | "aborted"
    | "closed"
    /** It was not sent, for what is wrong with it or with what it may do. */
    | "unsendable"
    /** It was sent, and the server did not let it pass. */
    | "refused"
    /** It was sent, and the server does not let answers be received. */
    | "unreceivable"
    /** Its answer came, and is none. */
    | "unreadable";
  readonly cause: unknown;

  constructor(kind: Failure["kind"], cause?: unknown) {
    this.kind = kind;
    this.cause = cause;
  }
}

/** The error that a call without an answer ends with. It is made where the caller awaits, so that its stack names the caller. */
export function failureError(
  failure: Failure,
  service: string,
  method: string,
  instance: string | undefined,
  timeoutMs: number,
  away: boolean,
): unknown {
  const name = `${service}.${method}`;
  switch (failure.kind) {
    case "nobody":
      return new UnavailableError(
        instance === undefined
          ? `Cannot call ${name}: nobody serves it; is an instance of "${service}" with a method "${method}" started?`
          : `Cannot call ${name}: there is no instance "${instance}" of "${service}"`,
        { details: { service, method, sent: false } },
      );
    case "away":
      return new UnavailableError(
        `Cannot call ${name}: the bus is away and reconnecting; the call was not sent`,
        { cause: failure.cause, details: { service, method, sent: false } },
      );
    case "lost":
      return new UnavailableError(
        `Cannot tell what became of ${name}: the connection broke while it waited for its answer`,
        { details: { service, method, sent: true } },
      );
    case "followed":
      return new UnavailableError(
        `Cannot tell what became of ${name}: another instance leads ${service} by now`,
        { details: { service, method, sent: true } },
      );
    case "closed":
      return new ClosedError(`Cannot call ${name}: the bus is closed`);
    case "timeout":
      return away
        ? new UnavailableError(
          `Cannot tell what became of ${name}: the bus went away while it waited, and was not back within ${
            Math.round(timeoutMs)
          } ms`,
          { details: { service, method, sent: true } },
        )
        : new TimeoutError(`${name} gave no answer within ${Math.round(timeoutMs)} ms`, {
          details: { service, method, timeoutMs },
        });
    case "aborted":
      return failure.cause;
    case "unsendable":
    case "refused":
      return told(failure.cause, `Cannot call ${name}`, { service, method, sent: false });
    case "unreceivable":
      return told(failure.cause, `Cannot tell what became of ${name}`, {
        service,
        method,
        sent: true,
      });
    case "unreadable":
      return new SerializationError(
        `Cannot read the answer of ${name}: ${(failure.cause as Error).message}`,
        { cause: failure.cause, details: { service, method, sent: true } },
      );
  }
}

/**
 * An error of the SDK that was thrown where nobody knew of the call, or nobody waited, as one of the same code that names
 * the call; made here, it has the caller in its stack. What a program's own code threw stays as it is.
 */
function told(cause: unknown, what: string, facts: Readonly<Record<string, unknown>>): unknown {
  if (!AegisError.is(cause)) return cause;
  const { code } = cause;
  const message = `${what}: ${cause.message}`;
  const options = { cause, details: { ...cause.details, ...facts } };
  switch (code) {
    case "SERIALIZATION":
    case "PAYLOAD_TOO_LARGE":
      return new SerializationError(message, { ...options, code });
    case "CLOSED":
      return new ClosedError(`${what}: the bus is closed`);
    default:
      return new AegisError(code, message, options);
  }
}

/** The error that an answer describes, or undefined when it is a result. */
export function answerError(
  answer: Answer,
  messaging: Pick<Messaging, "header">,
  service: string,
  method: string,
): AegisError | undefined {
  const { message, success, result } = answer;
  if (success) {
    if (
      isRecord(result) && result.success === false &&
      (result.error === "NOT_ACTIVE" || result.error === "ELECTING")
    ) {
      const { message: text } = result;
      return new NotActiveError(typeof text === "string" ? text : `${service} is not active`, {
        code: result.error,
        details: { service, method, sent: false },
      });
    }
    return undefined;
  }
  // Programs keep errors.
  const code = flatCopy(readHeaderCode(messaging.header(message, HEADER.errorCode)));
  const data = parseData(messaging.header(message, HEADER.errorData));
  const text = answer.error ?? "";
  const idempotent = messaging.header(message, HEADER.idempotent) === "1";
  const refused = messaging.header(message, HEADER.refused) === "1";
  const details = {
    service,
    method,
    sent: !refused,
    ...(refused ? { refused } : {}),
    ...(idempotent ? { idempotent } : {}),
    ...(messaging.header(message, HEADER.errorDataDropped) === "1" ? { dataDropped: true } : {}),
  };
  switch (code) {
    case "INVALID_REQUEST":
      return new ValidationError(text, Array.isArray(data) ? data : [], { details });
    case "SERVICE_UNAVAILABLE":
    case "BUSY":
    case "CIRCUIT_OPEN":
      return new UnavailableError(text, { code, details });
    case "TIMEOUT":
      return new TimeoutError(text, { details });
    case "NOT_ACTIVE":
    case "ELECTING":
      return new NotActiveError(text, { code, details });
    case "CANCELLED":
      return new AegisError(code, text, { details });
    default:
      return new RpcError(code, text, data, { details });
  }
}

function parseData(text: string | undefined): unknown {
  if (text === undefined || text === "") return undefined;
  try {
    return JSON.parse(text);
  } catch {
    // A header that somebody else wrote under our name: its text is better than nothing.
    return text;
  }
}
