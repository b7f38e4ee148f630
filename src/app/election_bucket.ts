// The bucket of elections: opened by those who stand for one, or made ahead of time.

import { bucketStream } from "../domain/kv_key.ts";
import { LEADERS_BUCKET } from "../domain/lease_record.ts";
import { stampOf } from "../domain/stamp.ts";
import type { Kv } from "../ports/kv.ts";
import type { StreamAdmin } from "../ports/stream.ts";
import type { LaterBuckets } from "./kv_later.ts";
import type { PlannedStep } from "./resources.ts";

/** What is there must not go by itself. */
const SETTINGS = { history: 1, ttlMs: 0 } as const;

/** Opens it. @throws {ConflictError} when it is not as it must be. */
export function openLeaders(buckets: LaterBuckets): Promise<Kv> {
  // What is read must not lag behind what is written, and whatever somebody wrote there is to be known of.
  return buckets.open(LEADERS_BUCKET, SETTINGS, { direct: false, lenient: true });
}

/** Looks what would have to be done for it. */
export async function planLeaders(buckets: LaterBuckets, admin: StreamAdmin): Promise<PlannedStep> {
  const name = bucketStream(LEADERS_BUCKET);
  const is = (await admin.stream(name))?.config;
  const there = is && { history: is.maxMessagesPerSubject, ttlMs: is.maxAgeMs };
  const changes = (["history", "ttlMs"] as const)
    .map((setting) => ({ setting, is: there?.[setting], wanted: SETTINGS[setting] }))
    .filter((change) => change.is !== change.wanted);
  const action = is === undefined ? "create" : changes.length === 0 ? "keep" : "conflict";
  const by = is && stampOf(is.description)?.by;
  return {
    step: { kind: "stream", name, action, changes, by },
    apply: async () => void await openLeaders(buckets),
  };
}
