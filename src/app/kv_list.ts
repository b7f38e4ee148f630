// Listing: the last message of each key of a bucket, or all of one key, at one moment.

import { deferred } from "../domain/deferred.ts";
import { TimeoutError } from "../domain/error.ts";
import type { FollowFrom, StoredMessage } from "../ports/stream.ts";
import type { KvBucket } from "./kv_bucket.ts";

/** What is listed. */
export interface Listing {
  /** Which subjects, with wildcards or without. */
  readonly filter: string;
  /** The last of each, or all. */
  readonly from: FollowFrom;
  /** Whether bodies are left out. */
  readonly headersOnly: boolean;
  /** Called with each message in the order of their sequences; one of a subject replaces those before it. */
  readonly onMessage: (message: StoredMessage) => void;
}

/** How often it is looked whether more has come that was there before, where it has not, in milliseconds. */
const LOOK_MS = 20;

/**
 * Lists: all that was there as it began, and has not been removed since, as it was then or later.
 *
 * @throws {TimeoutError} after `withinMs`, and whatever following a stream may throw
 */
export async function list(bucket: KvBucket, listing: Listing, withinMs: number): Promise<void> {
  const { runtime: { clock }, ports, time } = bucket.parts;
  const { filter, from, headersOnly, onMessage } = listing;
  const caughtUp = deferred<void>();
  const over = deferred<never>();
  over.promise.catch(() => {}); // when it has all come, nobody waits for it
  let last = 0;
  let heard: (() => void) | undefined;
  const follow = ports.view.follow(bucket.stream, {
    filter,
    from,
    headersOnly,
    onMessage(message) {
      last = message.sequence;
      onMessage(message);
      heard?.();
    },
    onCaughtUp: caughtUp.resolve,
    onLost: over.reject,
  });
  const timer = clock.setTimer(withinMs, () => {
    over.reject(new TimeoutError(`Cannot list the bucket ${bucket.name} in time`));
  });
  const whole = async (): Promise<void> => {
    time.set(await follow.began);
    await caughtUp.promise;
    // What was replaced before it came does not come; but what has replaced it does, and may be on its way.
    const isWhole = async (): Promise<boolean> =>
      await ports.store.read(bucket.stream, last + 1, filter) === undefined;
    if (await isWhole()) return;
    const target = (await bucket.look())?.lastSequence ?? 0;
    while (last < target) {
      const isHeard = await new Promise<boolean>((resolve) => {
        const look = clock.setTimer(LOOK_MS, () => resolve(false));
        heard = () => {
          look.cancel();
          resolve(true);
        };
      });
      if (!isHeard && await isWhole()) return;
    }
  };
  try {
    await Promise.race([whole(), over.promise]);
  } finally {
    heard = undefined;
    timer.cancel();
    follow.stop();
  }
}
