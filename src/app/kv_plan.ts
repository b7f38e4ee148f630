// The stream behind a bucket: made to order, or compared with what is asked for, and never changed in silence.

import { ConflictError } from "../domain/error.ts";
import { bucketPrefix, bucketStream } from "../domain/kv_key.ts";
import { isSameProgram, type Stamp, stamped, stampOf } from "../domain/stamp.ts";
import type { KvCallOptions, KvOptions } from "../ports/kv.ts";
import type { StreamAdmin, StreamConfig, StreamState } from "../ports/stream.ts";
import { covers, logStep, type TopologyChange } from "./resources.ts";
import type { Runtime } from "./runtime.ts";

/** What is asked of a bucket. */
export interface WantedBucket {
  /** Its name. */
  readonly name: string;
  /** The settings that were asked for, and not merely the defaults. */
  readonly asked: BucketSettings;
  /** Whether what is there is used whatever its settings are. */
  readonly adopt: boolean;
  /** Whether servers beside the leader may answer, where it is made. */
  readonly direct: boolean;
}

/** The settings of a bucket that have to do with its stream. */
export type BucketSettings = Omit<KvOptions, "schema" | keyof KvCallOptions>;

/** How settings of buckets are called in a stream. */
const NAMES = {
  history: "maxMessagesPerSubject",
  ttlMs: "maxAgeMs",
  storage: "storage",
  replicas: "replicas",
  maxValueBytes: "maxMessageBytes",
  maxBytes: "maxBytes",
} as const satisfies Readonly<Record<keyof BucketSettings, keyof StreamConfig>>;

/** The window that @nats-io/kv gives too, in milliseconds. */
const WINDOW_MS = 120_000;

/** The stream of a bucket, which is made or changed as it is asked for. @throws {ConflictError} where that cannot be. */
export async function ensureBucket(
  runtime: Runtime,
  admin: StreamAdmin,
  wanted: WantedBucket,
): Promise<StreamState> {
  const stream = bucketStream(wanted.name);
  const stamp = { by: runtime.name, version: "0.0.0" };
  for (let attempt = 1;; attempt++) {
    const there = await admin.stream(stream);
    try {
      const changed = there === undefined
        ? await make(runtime, admin, wanted, stamp)
        : await change(runtime, admin, wanted, there.config, stamp);
      if (there !== undefined && !changed) return there;
    } catch (error) {
      // Another process may have made it at the same moment, with other settings: then it is compared with those.
      if (there !== undefined || !ConflictError.is(error) || attempt > 1) throw error;
      continue;
    }
    const made = await admin.stream(stream);
    if (made !== undefined) return made;
  }
}

async function make(
  runtime: Runtime,
  admin: StreamAdmin,
  { name, asked, direct }: WantedBucket,
  stamp: Stamp,
): Promise<boolean> {
  const stream = bucketStream(name);
  await admin.createStream({
    name: stream,
    description: stamped(`Keys and values of ${name}`, stamp),
    subjects: [`${bucketPrefix(name)}>`],
    retention: "limits",
    storage: asked.storage ?? "file",
    replicas: asked.replicas ?? runtime.replicas,
    // A full bucket refuses what is new: it must not lose other keys.
    discard: "new",
    maxAgeMs: asked.ttlMs ?? 0,
    maxMessages: 0,
    maxMessagesPerSubject: asked.history ?? 1,
    maxBytes: asked.maxBytes ?? 0,
    maxMessageBytes: asked.maxValueBytes ?? 0,
    duplicateWindowMs: WINDOW_MS,
    bucket: true,
    schedules: false,
    messageTtl: true,
    direct,
  });
  const changes = Object.entries(asked).map(([setting, value]) => ({
    setting,
    is: undefined,
    wanted: value,
  }));
  logStep(runtime.logger, { kind: "stream", name: stream, action: "create", changes }, stamp);
  return true;
}

/** Changes what can be changed without a loss; whether anything was. */
async function change(
  runtime: Runtime,
  admin: StreamAdmin,
  { name, asked, adopt }: WantedBucket,
  is: StreamConfig,
  stamp: Stamp,
): Promise<boolean> {
  const all = `${bucketPrefix(name)}>`;
  if (!is.subjects.some((subject) => covers(subject, all))) {
    throw new ConflictError(
      `Cannot use the stream ${is.name} as the bucket ${name}: it stores ${
        is.subjects.join(", ") || "what another stream does"
      }, and not ${all}; choose another name`,
      { details: { bucket: name, subjects: is.subjects } },
    );
  }
  if (adopt) return false;
  const known = stampOf(is.description);
  const isOwn = known !== undefined && isSameProgram(known, stamp);
  const changes = differences(is, asked);
  const fixed = changes.filter((one) => !isRaise(one, isOwn));
  if (fixed.length > 0) throw bucketConflict(name, fixed);
  if (changes.length === 0) return false;
  const next = Object.fromEntries(
    changes.map(({ setting, wanted }) => [NAMES[setting as keyof BucketSettings], wanted]),
  );
  await admin.updateStream({ ...is, ...next });
  const step = { kind: "stream", name: is.name, action: "update", changes, by: known?.by } as const;
  logStep(runtime.logger, step, stamp);
  return true;
}

/** The error for settings that are not what they should be. */
export function bucketConflict(
  bucket: string,
  changes: readonly TopologyChange[],
): ConflictError {
  const list = changes.map(({ setting, is, wanted }) =>
    `"${setting}" is ${JSON.stringify(is)} and should be ${JSON.stringify(wanted)}`
  );
  return new ConflictError(
    `Cannot open the bucket ${bucket} as it is: ${
      list.join(", ")
    }; ask for what is there, or have it changed with the tools of NATS`,
    { details: { bucket, changes } },
  );
}

/** Settings that two have asked for, and that differ. */
export function contradictions(
  one: BucketSettings,
  other: BucketSettings,
): readonly TopologyChange[] {
  return (Object.keys(other) as (keyof BucketSettings)[])
    .filter((setting) => one[setting] !== undefined && one[setting] !== other[setting])
    .map((setting) => ({ setting, is: one[setting], wanted: other[setting] }));
}

function differences(is: StreamConfig, asked: BucketSettings): readonly TopologyChange[] {
  return (Object.keys(asked) as (keyof BucketSettings)[])
    .map((setting) => ({ setting, is: is[NAMES[setting]], wanted: asked[setting] }))
    .filter((one) => one.is !== one.wanted);
}

/**
 * Whether a change takes nothing from anybody: more is kept than before. For how long, only the program changes that has
 * said so at first, since others may count on an end. That a key has a history at all has to be so from the beginning: who
 * has opened the bucket before lets the server end keys, which would uncover older values, and purges none of them.
 */
function isRaise({ setting, is, wanted }: TopologyChange, isOwn: boolean): boolean {
  if (setting === "replicas") return true;
  if (setting === "history" && is === 1) return false;
  if (setting === "storage" || (setting === "ttlMs" && !isOwn)) return false;
  const [before, after] = [is, wanted].map((value) => Number(value) || Infinity);
  return after! > before!;
}
