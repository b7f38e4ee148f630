// Putting values: over what is there, at a revision, or where something or nothing is.

import { show } from "../domain/check.ts";
import { ConflictError } from "../domain/error.ts";
import { type KvMeaning, putHeaders } from "../domain/kv_message.ts";
import type { StoredMessage } from "../ports/stream.ts";
import type { KvBucket } from "./kv_bucket.ts";
import type { KvLimits } from "./kv_parts.ts";
import { write } from "./kv_write.ts";

/** What is put. */
export interface KvPut extends KvLimits {
  readonly key: string;
  readonly body: string | Uint8Array;
  /** For how long it lives, in whole milliseconds; 0 is for as long as the bucket keeps it. */
  readonly ttlMs: number;
  /** What must be there: the revision, anything, nothing; or undefined where that does not matter. */
  readonly on: number | "something" | "nothing" | undefined;
}

/** What there is of a key. */
interface Looked {
  readonly last: StoredMessage | undefined;
  readonly meaning: KvMeaning | undefined;
  /** Whether it is a value, and has not come to its end. */
  readonly isThere: boolean;
}

const FOR_EVER: KvMeaning = Object.freeze({ kind: "put", expiresAt: undefined, ownTime: false });

/** Puts a value; its revision. @throws {ConflictError} when what is there is not what must be. */
export async function put(bucket: KvBucket, given: KvPut): Promise<number> {
  const { on } = given;
  if (on === "something") return await putOverSomething(bucket, given);
  if (on === "nothing") return await putOverNothing(bucket, given);
  if (on !== undefined && await hasEnded(bucket, given, on)) {
    throw conflict(
      bucket,
      given,
      `it has expired, and revision ${on} with it; put it as a new one`,
      {
        details: { expected: on },
      },
    );
  }
  try {
    return await putAt(bucket, given, on);
  } catch (error) {
    if (!ConflictError.is(error)) throw error;
    throw conflict(bucket, given, `it has not revision ${on} any more; get it and decide anew`, {
      cause: error,
      details: { expected: on },
    });
  }
}

async function putAt(
  bucket: KvBucket,
  given: KvPut,
  expected: number | undefined,
): Promise<number> {
  const { key, body, ttlMs, expiresAt, signal } = given;
  const id = bucket.parts.id();
  const subject = bucket.subject(key);
  const headers = putHeaders({ id, expected, ttlMs }, bucket.keeping);
  const what = whatOf(bucket, given);
  const revision = await write(bucket, {
    what,
    subject,
    body,
    id,
    expected,
    headers,
    expiresAt,
    signal,
  });
  if (ttlMs === 0 && bucket.keeping.ttlMs === 0) {
    bucket.lately.add(subject, revision, FOR_EVER);
  }
  return revision;
}

/**
 * Whether the value of a revision has come to its end. That of one that has and is still there could be written over or
 * not, by how busy the server is and who has read it: so it is looked, unless it is known from the last read or write.
 */
async function hasEnded(bucket: KvBucket, given: KvPut, revision: number): Promise<boolean> {
  const subject = bucket.subject(given.key);
  const known = bucket.lately.get(subject, revision);
  if (known !== undefined) return await bucket.isOver(known);
  const { last, meaning, isThere } = await look(bucket, given);
  if (last?.sequence !== revision || meaning?.kind !== "put") return false;
  bucket.lately.add(subject, revision, meaning);
  return !isThere;
}

async function putOverSomething(bucket: KvBucket, given: KvPut): Promise<number> {
  for (;;) {
    const { last, isThere } = await look(bucket, given);
    if (!isThere) {
      throw conflict(bucket, given, "it is not there; put it without updateOnly, or createOnly");
    }
    try {
      return await putAt(bucket, given, last!.sequence);
    } catch (error) {
      // Somebody has written meanwhile: what that was is looked at.
      if (!ConflictError.is(error)) throw error;
    }
  }
}

async function putOverNothing(bucket: KvBucket, given: KvPut): Promise<number> {
  // Mostly it was never there. What is left of a key that was is a revision too.
  for (let expected = 0;;) {
    try {
      return await putAt(bucket, given, expected);
    } catch (error) {
      if (!ConflictError.is(error)) throw error;
      const { last, isThere } = await look(bucket, given);
      const revision = last?.sequence ?? 0;
      if (isThere) {
        throw conflict(bucket, given, `it is there, at revision ${revision}`, {
          cause: error,
          details: { revision },
        });
      }
      expected = revision;
    }
  }
}

async function look(
  bucket: KvBucket,
  given: KvPut,
): Promise<Looked> {
  const subject = bucket.subject(given.key);
  const last = await bucket.read(
    whatOf(bucket, given),
    given,
    (withinMs) => bucket.last(subject, withinMs, true),
  );
  const meaning = last === undefined ? undefined : bucket.meaning(last);
  const isThere = meaning?.kind === "put" && !await bucket.isOver(meaning);
  return { last, meaning, isThere };
}

function whatOf({ name }: KvBucket, { key }: KvPut): string {
  return `put ${show(key)} in the bucket ${name}`;
}

function conflict(
  bucket: KvBucket,
  given: KvPut,
  reason: string,
  options: { cause?: unknown; details?: Record<string, unknown> } = {},
): ConflictError {
  const { cause, details } = options;
  return new ConflictError(`Cannot ${whatOf(bucket, given)}: ${reason}`, {
    cause,
    details: { bucket: bucket.name, key: given.key, ...details },
  });
}
