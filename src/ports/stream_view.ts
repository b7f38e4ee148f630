// What a stream holds: a message by itself, and all of it, which is followed as it comes, and purged.

/** A message as a stream holds it. */
export interface StoredMessage {
  /** The subject that it was published to. */
  readonly subject: string;
  /** Its sequence. */
  readonly sequence: number;
  /** When it was stored, in milliseconds since the epoch on the broker's clock. */
  readonly storedAt: number;
  /** Its body. It may be a view into a larger buffer: copy what is kept. */
  readonly data: Uint8Array;
  /** Its headers, by their exact names. */
  readonly headers: Readonly<Record<string, string>>;
}

/** How the last message of a subject is asked for. */
export interface LastOptions {
  /**
   * Whether any server may answer that has the stream, which is the fastest way, in a stream with `direct`. With several
   * replicas that may be an older message than the last one: ask so only where there is one.
   *
   * @default {false}
   */
  readonly direct?: boolean;
  /** How long it may take, in milliseconds. @default {5000} */
  readonly timeoutMs?: number;
}

/** Where a {@linkcode StreamView.follow} begins; a sequence that is not yet there is the next one. */
export type FollowFrom = "lastPerSubject" | "new" | { readonly sequence: number };

/** What is followed, and what is told of it. What a listener throws is logged. */
export interface FollowOptions {
  /** Which subjects, with wildcards or without. */
  readonly filter: string;
  /** Where it begins: with the last message of each subject, with what comes from now on, or with a sequence. */
  readonly from: FollowFrom;
  /** Whether bodies are left out. @default {false} */
  readonly headersOnly?: boolean;
  /**
   * Called in turn for each message, in the order of their sequences, each once. What the message says may be worked out
   * when it is read, from a larger piece that it keeps: copy what is kept.
   */
  readonly onMessage: (message: StoredMessage) => void;
  /** Called once, when all that was there as it began was handed to `onMessage`; at once where there was nothing. */
  readonly onCaughtUp: () => void;
  /**
   * Called once when it can no longer be told that nothing is missing: the bus went away, the stream was removed or made
   * anew, the broker lost who follows, or the user may not. Nothing comes any more: follow again, from what is known.
   */
  readonly onLost: (error: Error) => void;
}

/** Something that is followed, until it is stopped or lost. */
export interface Follow {
  /** Resolves with the broker's time when it began, in milliseconds since the epoch. Rejects as `onLost` is called. */
  readonly began: Promise<number>;
  /** Ends it; `onMessage` is not called any more. */
  stop(): void;
}

/** What of a stream is purged. */
export interface PurgeOptions {
  /** Which subjects, with wildcards or without. */
  readonly filter: string;
  /** Only what has a lower sequence. */
  readonly before?: number;
}

/** What a stream holds, seen as a whole: its last messages, in bulk and as they come. Nothing is acknowledged. */
export interface StreamView {
  /** Follows a stream. Any number may do so at the same time; the broker keeps nothing of it afterwards. */
  follow(stream: string, options: FollowOptions): Follow;
  /** Removes messages, of a bucket also; how many. @throws {AegisError} with code `STREAM_NOT_FOUND`. */
  purge(stream: string, options: PurgeOptions): Promise<number>;
  /**
   * Whether a message may have an end of its own, by the header `Nats-TTL` (seconds as `"5s"`, at least one), in streams
   * with `messageTtl`. When the last message of a subject comes to its end, by that or by `maxAgeMs`, and there is no
   * older one of that subject, it leaves a marker for a while: a message without a body and with the header
   * `Nats-Marker-Reason`. Where there is an older one, that is the last again.
   */
  readonly hasMessageTtl: boolean;
}
