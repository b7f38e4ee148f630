// Storing: a message to a stream, over outages and time-outs, until the stream has it or the time is over.

import { AegisError, ClosedError, TimeoutError, UnavailableError } from "../domain/error.ts";
import { type ResolvedRetryPolicy, resolveRetry, retryDelay } from "../domain/retry.ts";
import type { Parking } from "./parking.ts";
import { pause } from "./pause.ts";
import type { Runtime } from "./runtime.ts";

/** What is to be stored, or asked of the server before that; `T` is what the server says. */
export interface Storing<T> {
  /** What is done, as errors say it: `"send resize to images"`. */
  readonly what: string;
  /** When there is no use in it any more, in monotonic milliseconds. */
  readonly expiresAt: number;
  /** Ends it. */
  readonly signal?: AbortSignal | undefined;
  /** Whether it reads alone, so that nothing can be stored by it. */
  readonly reads?: boolean;
  /** Tries once; it must be safe to do again what was not heard of. */
  attempt(withinMs: number): Promise<T>;
  /** Makes the stream again, once, when it is not there. */
  renew?(): Promise<unknown>;
}

/** How long one attempt may take, in milliseconds: what was not heard of is asked for again. */
const ATTEMPT_MS = 2_000;
/** The waits where the server is there and cannot store at the moment. */
const AGAIN: ResolvedRetryPolicy = resolveRetry({
  attempts: 1_000_000,
  initialDelayMs: 20,
  maxDelayMs: 500,
});

/**
 * Stores it; resolves when a stream has it.
 *
 * @throws {UnavailableError} when the time is over and it is certain that it is not stored (`details.sent` is false), or
 * the bus is away when something is to be read.
 * @throws {TimeoutError} when the time is over and it may be stored (true), or what is to be read was not heard of.
 * @throws {ClosedError} when the bus is closed, the signal's reason, and whatever an attempt throws that nobody can
 * outlast.
 */
export async function store<T>(
  runtime: Runtime,
  parking: Parking,
  storing: Storing<T>,
): Promise<T> {
  const { clock, random, transport } = runtime;
  const { expiresAt, signal, renew } = storing;
  let sent = false;
  let made = false;
  let making = false;
  for (let attempt = 1;; attempt++) {
    let wait = 0;
    const left = expiresAt - clock.monotonic();
    if (left <= 0) throw late(storing, sent, undefined);
    try {
      if (!transport.messaging.connected) throw away();
      if (making) await renew!.call(storing);
      making = false;
      return await storing.attempt(Math.min(ATTEMPT_MS, left));
    } catch (error) {
      signal?.throwIfAborted();
      if (!AegisError.is(error)) throw error;
      const passes = error.code === "TIMEOUT" || error.code === "SERVICE_UNAVAILABLE";
      // That the stream could not be made says nothing of the message.
      sent ||= passes && !making && error.details.sent !== false;
      if (transport.status === "closed") throw closed(storing, sent, error);
      if (error.code === "STREAM_NOT_FOUND" && !made && renew !== undefined) {
        made = true;
        making = true;
      } else if (!passes) throw error;
      else if (transport.status !== "connected") {
        const parked = await parking.whenConnected(expiresAt, signal);
        signal?.throwIfAborted();
        if (parked === "closed") throw closed(storing, sent, error);
        if (parked !== "connected") throw late(storing, sent, error);
      } else if (error.code === "SERVICE_UNAVAILABLE" && (sent || attempt > 1)) {
        wait = retryDelay(AGAIN, attempt, random.next());
      }
      if (clock.monotonic() + wait >= expiresAt) throw late(storing, sent, error);
    }
    if (wait > 0) await pause(runtime, wait, signal);
    signal?.throwIfAborted();
  }
}

function away(): UnavailableError {
  return new UnavailableError("the bus is away", { details: { sent: false } });
}

function closed(
  { what, reads = false }: Storing<unknown>,
  sent: boolean,
  cause: unknown,
): ClosedError {
  const details = { sent: sent && !reads };
  return new ClosedError(`Cannot ${what}: the bus is closed`, { cause, details });
}

function late(
  { what, reads = false }: Storing<unknown>,
  sent: boolean,
  cause: AegisError | undefined,
): AegisError {
  const options = { cause, details: { sent: sent && !reads } };
  const why = cause?.message ?? "the time was over";
  if (reads && cause?.code === "TIMEOUT") {
    return new TimeoutError(`Cannot ${what} in time: ${why}`, options);
  }
  return sent && !reads
    ? new TimeoutError(`Cannot ${what} in time: ${why}; it may be stored`, options)
    : new UnavailableError(`Cannot ${what} in time: ${why}`, options);
}
