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

/**
 * After how long without a message it is asked for the next one, in milliseconds: a server may say nothing for two seconds
 * where what it had still to deliver was replaced meanwhile; and once it has told all that was there at the beginning.
 */
const SILENT_MS = 200;
const LOOK_MS = 20;

/**
 * Lists: all that was there as it began, and has not been removed since, as it was then or later.
 *
 * @throws {TimeoutError} after `withinMs`, and whatever following a stream may throw
 */
export async function list(bucket: KvBucket, listing: Listing, withinMs: number): Promise<void> {
  const { runtime: { clock }, ports, time } = bucket.parts;
  const { filter, from, headersOnly, onMessage } = listing;
  const over = deferred<never>();
  over.promise.catch(() => {}); // when it has all come, nobody waits for it
  let last = 0;
  let isCaughtUp = false;
  let heard: (() => void) | undefined;
  const take = (message: StoredMessage): void => {
    if (message.sequence <= last) return; // it was asked for before it came
    last = message.sequence;
    onMessage(message);
    heard?.();
  };
  const follow = ports.view.follow(bucket.stream, {
    filter,
    from,
    headersOnly,
    onMessage: take,
    onCaughtUp() {
      isCaughtUp = true;
      heard?.();
    },
    onLost: over.reject,
  });
  const timer = clock.setTimer(withinMs, () => {
    over.reject(new TimeoutError(`Cannot list the bucket ${bucket.name} in time`));
  });
  const isHeard = (withinMs: number): Promise<boolean> =>
    new Promise((resolve) => {
      const look = clock.setTimer(withinMs, () => resolve(false));
      heard = () => {
        look.cancel();
        resolve(true);
      };
    });
  const next = (): Promise<StoredMessage | undefined> =>
    ports.store.read(bucket.stream, last + 1, filter);
  /** Asks for one after the other as long as none comes by itself; false where there are no more. */
  const goesOn = async (silentMs: number): Promise<boolean> => {
    if (await isHeard(silentMs)) return true;
    for (;;) {
      const before = last;
      const message = await next();
      if (message === undefined) return false;
      if (last > before) return true;
      take(message);
    }
  };
  const whole = async (): Promise<void> => {
    time.set(await follow.began);
    while (!isCaughtUp) if (!await goesOn(SILENT_MS)) return;
    // What was replaced before it came does not come; but what has replaced it does, and may be on its way.
    if (await next() === undefined) return;
    const target = (await bucket.look())?.lastSequence ?? 0;
    while (last < target) if (!await goesOn(LOOK_MS)) return;
  };
  try {
    await Promise.race([whole(), over.promise]);
  } finally {
    heard = undefined;
    timer.cancel();
    follow.stop();
  }
}
