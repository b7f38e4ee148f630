// Writing to a bucket: once, whatever is lost on the way, and on condition where there is one.

import { AegisError, ConflictError, TimeoutError } from "../domain/error.ts";
import { isWrittenAfter, isWrittenAs, type KvHeaders } from "../domain/kv_message.ts";
import type { StoredMessage } from "../ports/stream.ts";
import type { KvBucket } from "./kv_bucket.ts";
import type { KvLimits } from "./kv_parts.ts";

/** What is written. */
export interface KvWrite extends KvLimits {
  /** What is done, as errors say it: `put "user:1" in the bucket users`. */
  readonly what: string;
  /** Where to. */
  readonly subject: string;
  /** The body. */
  readonly body: string | Uint8Array;
  /** What it is known by when it is written again. */
  readonly id: string;
  /** The revision that the key must have, 0 where nothing may be there; undefined where it may have any. */
  readonly expected: number | undefined;
  /** The headers, the id and what is expected among them. */
  readonly headers: KvHeaders;
}

/** Thrown where it cannot be found out any more what has become of a write. */
const UNSURE = Symbol("unsure");

/**
 * Writes; the revision.
 *
 * @throws {ConflictError} when somebody else was faster: nothing was written.
 * @throws {TimeoutError} when it may be written, and nobody can tell.
 */
export async function write(bucket: KvBucket, write: KvWrite): Promise<number> {
  const { subject, body, headers, what, expected } = write;
  const { ports, runtime: { clock } } = bucket.parts;
  const before = { begin: clock.monotonic(), heard: bucket.heard };
  let unheardSince = Infinity;
  try {
    const ack = await bucket.run(what, write, async (withinMs) => {
      const now = clock.monotonic();
      // Once the server has forgotten the id it would store a second one.
      const isForgotten = now - unheardSince > bucket.state.config.duplicateWindowMs;
      if (expected === undefined && isForgotten) throw UNSURE;
      try {
        return await ports.store.publish(subject, body, headers, withinMs);
      } catch (error) {
        if (isUnheard(error)) unheardSince = Math.min(unheardSince, now);
        throw error;
      }
    });
    bucket.hear(ack.sequence);
    return ack.sequence;
  } catch (error) {
    if (error === UNSURE) throw unsure(what, undefined);
    const isDoubtful = ConflictError.is(error) && unheardSince < Infinity;
    if (isDoubtful && expected !== undefined) {
      return await outcome(bucket, { ...write, ...before, expected, error });
    }
    throw error;
  }
}

/** Whether a message may have been stored all the same. */
function isUnheard(error: unknown): boolean {
  return AegisError.is(error) && error.details.sent !== false &&
    ["TIMEOUT", "SERVICE_UNAVAILABLE"].includes(error.code);
}

/** A write on condition of which it is not known what has become. */
interface Doubtful extends KvWrite {
  readonly expected: number;
  /** When it began, in monotonic milliseconds, and the highest sequence of the bucket that was known then. */
  readonly begin: number;
  readonly heard: number;
  /** What came of the last attempt. */
  readonly error: ConflictError;
}

/** What became of a write on condition that was sent several times: what conflicts may be itself. */
async function outcome(bucket: KvBucket, doubtful: Doubtful): Promise<number> {
  const { subject, id, what, expected, heard, error } = doubtful;
  // The first after the one that was expected is this one, or one that keeps it from being written.
  const next = await bucket.run<StoredMessage | undefined>(
    what,
    doubtful,
    () => bucket.parts.ports.store.read(bucket.stream, expected + 1, subject),
  );
  if (next !== undefined && isWrittenAs(next.headers, id)) return next.sequence;
  if (next === undefined || isWrittenAfter(next.headers, expected)) throw error;
  // What was there before this one was sent, and is still, has kept it from being written all the time.
  if (next.sequence <= heard || next.storedAt < await beginOf(bucket, doubtful)) throw error;
  throw unsure(what, error);
}

/** The broker's time at the latest when a write began, and never a later one. */
async function beginOf(bucket: KvBucket, { begin }: Doubtful): Promise<number> {
  const { ports: { view }, time, runtime: { clock } } = bucket.parts;
  try {
    const now = await time.known(view, bucket.stream, bucket.filter(">"));
    return now - (clock.monotonic() - begin);
  } catch {
    return -Infinity; // who cannot be asked says nothing of it
  }
}

function unsure(what: string, cause: unknown): TimeoutError {
  return new TimeoutError(
    `Cannot ${what} for certain: no answer came to a first attempt, and others have written since; it may have been stored`,
    { cause, details: { sent: true } },
  );
}
