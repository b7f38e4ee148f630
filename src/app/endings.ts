// Endings: why a call ends without its handler's answer, as the error that its caller gets.

import { type AegisError, cancelled, TimeoutError, UnavailableError } from "../domain/error.ts";
import type { Invocation } from "./invocation.ts";
import { leadershipLost, notActive } from "./leading.ts";

/** Its time is over. */
export function expiredError(invocation: Invocation): AegisError {
  const { method, request } = invocation;
  const limit = Math.round(Math.min(request.timeoutMs, method.timeoutMs));
  return new TimeoutError(
    invocation.begun
      ? `${nameOf(invocation)} was not done within ${limit} ms`
      : `${nameOf(invocation)} was not begun within ${limit} ms, and so not run`,
  );
}

/** There is no room for it. */
export function busyError(invocation: Invocation): AegisError {
  return new UnavailableError(
    `${nameOf(invocation)} is busy: as many calls run and wait as this instance takes`,
    { code: "BUSY" },
  );
}

/** The instance stops before its turn came. */
export function handedBackError(invocation: Invocation): AegisError {
  return new UnavailableError(
    `${nameOf(invocation)} was not begun: the instance stops; another one may take the call`,
    { details: { sent: false } },
  );
}

/** The instance stops and waits no longer for it. */
export function abortedError(invocation: Invocation): AegisError {
  return new UnavailableError(
    `${nameOf(invocation)} was aborted: the instance stops and waits no longer`,
    { details: { sent: invocation.begun } },
  );
}

/** The instance leads no longer, and the leader alone serves it. */
export function yieldedError(invocation: Invocation): AegisError {
  const end = invocation.begun ? leadershipLost : notActive;
  return end(invocation.service, nameOf(invocation));
}

/** Its caller waits for it no longer. */
export function takenBackError(invocation: Invocation): AegisError {
  return cancelled(`${nameOf(invocation)} was taken back by its caller`);
}

function nameOf({ service, method }: Invocation): string {
  return `${service}.${method.name}`;
}
