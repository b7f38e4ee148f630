// Removing keys: on condition that they are as they were just read, so that it is known what was removed.

import { ConflictError } from "../domain/error.ts";
import { removalHeaders } from "../domain/kv_message.ts";
import { show } from "../domain/check.ts";
import type { KvBucket } from "./kv_bucket.ts";
import type { KvLimits } from "./kv_parts.ts";
import { write } from "./kv_write.ts";

/** What is removed. */
export interface KvRemoval extends KvLimits {
  readonly key: string;
  /** Whether the history goes as well. */
  readonly kind: "delete" | "purge";
  /** The revision that the key must have; undefined where it may have any. */
  readonly revision: number | undefined;
}

/** Removes a key; the revision of that, or 0 where there was nothing. @throws {ConflictError} when it has another revision. */
export async function remove(bucket: KvBucket, removal: KvRemoval): Promise<number> {
  const { key, kind, revision, expiresAt, signal } = removal;
  const subject = bucket.subject(key);
  const limits = { expiresAt, signal };
  const what = `${kind} ${show(key)} in the bucket ${bucket.name}`;
  for (;;) {
    const last = await bucket.read(what, limits, (withinMs) => bucket.last(subject, withinMs));
    if (last === undefined) return 0;
    const meaning = bucket.meaning(last);
    const isThere = meaning.kind === "put" && !await bucket.isOver(meaning);
    // Behind a deletion there may be what was there before.
    const isKept = meaning.kind === "delete" && kind === "purge" && bucket.keeping.history !== 1;
    if (meaning.kind === "put" && !isThere) void bucket.bury(subject, last.sequence);
    if (!isThere && !isKept) return 0;
    if (revision !== undefined && last.sequence !== revision) {
      throw changed(what, last.sequence, revision);
    }
    const id = bucket.parts.id();
    const headers = removalHeaders(kind, id, last.sequence, bucket.keeping);
    const expected = last.sequence;
    try {
      return await write(bucket, { what, subject, body: "", id, expected, headers, ...limits });
    } catch (error) {
      // Somebody has written meanwhile: it is read again.
      if (!ConflictError.is(error)) throw error;
    }
  }
}

/** The error for a key that has another revision than it should. */
export function changed(what: string, is: number, revision: number): ConflictError {
  return new ConflictError(
    `Cannot ${what}: it has revision ${is}, and not ${revision}; get it and decide anew`,
    { details: { revision: is, expected: revision } },
  );
}
