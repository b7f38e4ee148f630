// What tests of followed streams share: what was told, and a view that is followed on and on, as a store does.

import { rejects as rejectsWith } from "node:assert/strict";
import { AegisError } from "../../mod.ts";
import type { Follow, FollowOptions, StoredMessage, Streams } from "../../src/ports/stream.ts";
import { pause, until } from "./outage_tools.ts";
import { makeStream, type Opened } from "./stream_tools.ts";

/** What was told of S. */
export interface Followed {
  readonly follow: Follow;
  /** The sequence of the last message of each subject. */
  readonly last: Map<string, number>;
  /** How many messages came. */
  readonly count: () => number;
  readonly caughtUp: () => number;
  readonly lost: Error[];
  /** Resolves when all that was there has come; rejects when it is lost before. */
  readonly ready: Promise<void>;
}

/** Follows S. */
export function follow({ view }: Streams, options: Partial<FollowOptions> = {}): Followed {
  const last = new Map<string, number>();
  const lost: Error[] = [];
  const { promise: ready, resolve, reject } = Promise.withResolvers<void>();
  ready.catch(() => {});
  let count = 0;
  let caughtUp = 0;
  const follow = view!.follow("S", {
    filter: "s.>",
    from: "lastPerSubject",
    ...options,
    onMessage(message: StoredMessage) {
      count++;
      last.set(message.subject, message.sequence);
      options.onMessage?.(message);
    },
    onCaughtUp() {
      caughtUp++;
      options.onCaughtUp?.();
      resolve();
    },
    onLost(error) {
      lost.push(error);
      options.onLost?.(error);
      reject(error);
    },
  });
  return { follow, last, count: () => count, caughtUp: () => caughtUp, lost, ready };
}

/** Waits until it is lost, and throws unless it is for that reason. */
export async function lostFor(
  code: string,
  { lost, follow }: Followed,
  ms = 10_000,
): Promise<void> {
  await until("it is lost", () => lost.length > 0, ms);
  await rejectsWith(
    Promise.reject(lost[0]),
    (error) => AegisError.is(error, code),
    `${lost[0]} is no ${code}`,
  );
  // Where it began before, that is what it says.
  await follow.began.catch(() => {});
}

/** Settings of a stream of which the last message of each subject is kept. */
export const LAST_ONLY = { maxMessagesPerSubject: 1, bucket: true } as const;

/** Makes S for the last message of each subject, and stores `count` of them, on `s.0` and so on. */
export async function fill({ streams }: Opened, count: number): Promise<void> {
  await makeStream(streams, LAST_ONLY);
  await putKeys(streams, count);
}

/** Stores a message on each of `count` subjects. */
export async function putKeys({ store }: Streams, count: number, body = "v"): Promise<void> {
  await Promise.all(
    Array.from({ length: count }, (_, i) => store.publish(`s.${i}`, body, {}, 30_000)),
  );
}

/** What is known of S by following it again each time it is lost. */
export class LastingView {
  /** The sequence of the last message of each subject. */
  readonly last: Map<string, number> = new Map();
  /** How often a sequence came that is lower than one before it of its subject. */
  backwards = 0;
  /** How often it was lost. */
  lost = 0;
  readonly #streams: Streams;
  #follow: Follow | undefined;
  #stopped = false;

  constructor(streams: Streams) {
    this.#streams = streams;
    this.#begin();
  }

  /** Waits until it knows the last message of so many subjects, or of all that the stream has, and no later one is there. */
  async complete(streams: Streams, count?: number, ms = 30_000): Promise<void> {
    await until(`it knows all, it was lost ${this.lost} times`, async () => {
      const state = await streams.admin.stream("S").catch(() => undefined);
      return state !== undefined && this.last.size >= (count ?? state.messages) &&
        Math.max(...this.last.values()) === state.lastSequence;
    }, ms);
  }

  stop(): void {
    this.#stopped = true;
    this.#follow?.stop();
  }

  #begin(): void {
    let before = 0;
    this.#follow = this.#streams.view!.follow("S", {
      filter: "s.>",
      from: "lastPerSubject",
      onMessage: ({ subject, sequence }) => {
        if (sequence <= before) this.backwards++;
        before = sequence;
        if (sequence > (this.last.get(subject) ?? 0)) this.last.set(subject, sequence);
      },
      onCaughtUp() {},
      onLost: () => {
        this.lost++;
        void pause(100).then(() => this.#stopped || this.#begin());
      },
    });
  }
}
