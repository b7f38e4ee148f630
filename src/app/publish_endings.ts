// Endings of publishing: why an event is not known to be stored, as the error that its publisher gets.

import { type AegisError, ClosedError, TimeoutError, UnavailableError } from "../domain/error.ts";
import type { Job } from "./publish_job.ts";

/** The bus is closed. */
export function closedError({ type }: Job, cause: unknown): ClosedError {
  return new ClosedError(`Cannot publish ${type}: the bus is closed`, { cause });
}

/** Its time is over. `sent` is whether it may be stored all the same. */
export function lateError(
  { type, id, startedAt, expiresAt }: Job,
  cause: unknown,
  sent: boolean,
): AegisError {
  const within = `within ${Math.round(expiresAt - startedAt)} ms`;
  const details = { id, sent };
  return sent
    ? new TimeoutError(
      `${type} was not known to be stored ${within}; published again with the id ${id} it is stored once`,
      { cause, details },
    )
    : new UnavailableError(`Cannot publish ${type}: the bus did not come back ${within}`, {
      cause,
      details,
    });
}
