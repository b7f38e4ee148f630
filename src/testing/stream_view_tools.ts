// What the contract of the view of streams shares: a stage on which a stream is followed, and what was told of it.

import type { Follow, FollowOptions, StoredMessage, Streams, StreamView } from "../ports/stream.ts";
import { type Stage, staged, type TimedCase } from "./stream_tools.ts";

/** What was told of a stream that is followed. */
export interface Followed {
  readonly follow: Follow;
  /** What was handed over, as it was then: `token=body` of each message, and `|` where all that was there had come. */
  readonly told: string[];
  /** The messages. */
  readonly got: StoredMessage[];
  /** Why it was lost, each time that this was said. */
  readonly lost: Error[];
}

/** A case for transports with a view of streams. One of one's own may have none, and then has nothing to show. */
export function viewed(
  name: string,
  check: (stage: Stage, view: StreamView) => Promise<void>,
): TimedCase {
  return staged(name, async (stage) => {
    if (stage.a.view !== undefined) await check(stage, stage.a.view);
  });
}

/** Follows the stream of the case: all of it, from the last message of each subject on, unless something else is said. */
export function follow(
  stage: Stage,
  options: Partial<FollowOptions> = {},
  { view }: Streams = stage.a,
): Followed {
  const decoder = new TextDecoder();
  const told: string[] = [];
  const got: StoredMessage[] = [];
  const lost: Error[] = [];
  const follow = view!.follow(stage.name, {
    filter: `${stage.subject}.>`,
    from: "lastPerSubject",
    ...options,
    onMessage(message) {
      got.push(message);
      const token = message.subject.slice(stage.subject.length + 1);
      told.push(`${token}=${decoder.decode(message.data)}`);
      options.onMessage?.(message);
    },
    onCaughtUp() {
      told.push("|");
      options.onCaughtUp?.();
    },
    onLost(error) {
      lost.push(error);
      options.onLost?.(error);
    },
  });
  return { follow, told, got, lost };
}

/** Waits until so much was told, and a moment longer, and gives it. */
export async function toldOf(
  stage: Stage,
  { told }: Followed,
  count: number,
): Promise<readonly string[]> {
  await stage.until(`${count} are told, they were ${told}`, () => told.length >= count);
  await stage.quiet();
  return told;
}

/** Waits until all has come that was there. */
export async function caughtUp(stage: Stage, ...all: readonly Followed[]): Promise<void> {
  await stage.until(
    "all that was there has come",
    () => all.every((one) => one.told.includes("|")),
  );
}
