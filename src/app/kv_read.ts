// Reading a bucket: what a key has, which keys there are, and what became of one.

import { show } from "../domain/check.ts";
import { keyFilter, prefixFilter } from "../domain/kv_key.ts";
import type { KvMeaning } from "../domain/kv_message.ts";
import type { StoredMessage } from "../ports/stream.ts";
import type { KvBucket } from "./kv_bucket.ts";
import { list, type Listing } from "./kv_list.ts";
import type { KvLimits } from "./kv_parts.ts";

/** A message, and what it means. */
export interface KvStored {
  readonly message: StoredMessage;
  readonly meaning: KvMeaning;
}

/** The value that a key has; undefined where it has none. */
export async function readKey(
  bucket: KvBucket,
  key: string,
  limits: KvLimits,
): Promise<KvStored | undefined> {
  const subject = bucket.subject(key);
  const message = await bucket.read(
    `get ${show(key)} of the bucket ${bucket.name}`,
    limits,
    (withinMs) => bucket.last(subject, withinMs),
  );
  if (message === undefined) return undefined;
  const meaning = bucket.meaning(message);
  if (meaning.kind !== "put") return undefined;
  bucket.lately.add(subject, message.sequence, meaning);
  if (meaning.expiresAt === undefined || !await isOver(bucket, message, meaning)) {
    return { message, meaning };
  }
  return undefined;
}

/** The keys that begin with `prefix` and have a value, sorted. */
export async function readKeys(
  bucket: KvBucket,
  prefix: string,
  limits: KvLimits,
): Promise<string[]> {
  const kept = await readKept(bucket, prefix, limits);
  return kept.filter(({ hasValue }) => hasValue).map(({ key }) => key);
}

/** A key of which something is kept. */
export interface KeptKey {
  readonly key: string;
  /** Whether it has a value, and not only a history from before it was deleted. */
  readonly hasValue: boolean;
}

/** The keys that begin with `prefix` of which something is kept, sorted. */
export async function readKept(
  bucket: KvBucket,
  prefix: string,
  limits: KvLimits,
): Promise<readonly KeptKey[]> {
  const what = `list the keys of the bucket ${bucket.name}`;
  const kept: KeptKey[] = [];
  for (const [key, stored] of await readLast(bucket, prefixFilter(prefix), what, limits)) {
    const { message, meaning: { kind } } = stored;
    if (!key.startsWith(prefix)) continue;
    const hasValue = kind === "put" && !await isOver(bucket, message, stored.meaning);
    const hasHistory = kind === "delete" && bucket.keeping.history !== 1;
    if (hasValue || hasHistory) kept.push({ key, hasValue });
  }
  return kept.sort(({ key: one }, { key: other }) => one < other ? -1 : 1);
}

/** What was written last of each key that a filter lets through, without the values. */
export async function readLast(
  bucket: KvBucket,
  filter: string,
  what: string,
  limits: KvLimits,
): Promise<ReadonlyMap<string, KvStored>> {
  const last = new Map<string, KvStored>();
  await listAll(bucket, what, limits, () => {
    last.clear();
    return {
      filter: bucket.filter(filter),
      from: "lastPerSubject",
      headersOnly: true,
      onMessage: (message) => void last.set(bucket.key(message.subject), stored(bucket, message)),
    };
  });
  return last;
}

/** The last changes of a key that are kept, oldest first. */
export async function readHistory(
  bucket: KvBucket,
  key: string,
  limits: KvLimits,
): Promise<readonly KvStored[]> {
  const subject = bucket.subject(key);
  const all: KvStored[] = [];
  await listAll(bucket, `read the history of ${show(key)} in ${bucket.name}`, limits, () => {
    all.length = 0;
    return {
      filter: bucket.filter(keyFilter(key)),
      from: { sequence: 1 },
      headersOnly: false,
      onMessage(message) {
        if (message.subject === subject) all.push(stored(bucket, message));
      },
    };
  });
  const newest = all.at(-1);
  if (newest !== undefined && await isOver(bucket, newest.message, newest.meaning)) return [];
  // What expires goes with its history; what was written over before that did not expire.
  for (let older = all.length - 2; older >= 0; older--) {
    const { expiresAt = Infinity } = all[older]!.meaning;
    if (expiresAt <= all[older + 1]!.message.storedAt) return all.slice(older + 1);
  }
  return all;
}

async function isOver(
  bucket: KvBucket,
  { subject, sequence }: StoredMessage,
  meaning: KvMeaning,
): Promise<boolean> {
  if (!await bucket.isOver(meaning)) return false;
  // The bucket removes by itself what has no time of its own.
  if (meaning.ownTime) void bucket.bury(subject, sequence);
  return true;
}

/** Lists over outages, from the beginning each time. */
function listAll(
  bucket: KvBucket,
  what: string,
  limits: KvLimits,
  listing: () => Listing,
): Promise<void> {
  const { clock } = bucket.parts.runtime;
  // As long as it goes on there is no use in beginning anew.
  return bucket.read(
    what,
    limits,
    () => list(bucket, listing(), Math.max(1, limits.expiresAt - clock.monotonic())),
  );
}

/** What is kept of a message that may be a part of something larger. */
function stored(bucket: KvBucket, message: StoredMessage): KvStored {
  const { subject, sequence, storedAt, data, headers } = message;
  return {
    message: { subject, sequence, storedAt, data: data.slice(), headers },
    meaning: bucket.meaning(message),
  };
}
