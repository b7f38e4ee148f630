// Why a service could not start, as an error that names it and says what to do.

import { AegisError, ClosedError, UnavailableError } from "../domain/error.ts";

/** The error of a start that failed with `cause` where it spoke to the server; other causes are left as they are. */
export function startError(service: string, cause: unknown): unknown {
  if (AegisError.is(cause, "SERVICE_UNAVAILABLE")) {
    return new UnavailableError(
      `Cannot start ${service}: the server is away; create the service anew and start it when bus.status is "connected"`,
      { cause },
    );
  }
  if (AegisError.is(cause, "CLOSED")) {
    return new ClosedError(`Cannot start ${service}: its bus is closed; connect() opens another`, {
      cause,
    });
  }
  return cause;
}
