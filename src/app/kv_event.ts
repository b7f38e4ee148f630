// What feeds tell watches.

import type { AegisError } from "../domain/error.ts";
import type { KvMeaning } from "../domain/kv_message.ts";
import type { KvOperation } from "../ports/kv.ts";
import type { StoredMessage } from "../ports/stream.ts";

/** A change, as it is handed on; the same to all watches. */
export interface FeedEvent {
  readonly operation: KvOperation;
  readonly key: string;
  readonly revision: number;
  /** The message with the value; undefined where there is none. */
  readonly message: StoredMessage | undefined;
  /** When the value expires, in milliseconds since the epoch on the broker's clock. */
  readonly expiresAt: number | undefined;
  /** Whether somebody has logged that the value cannot be read. */
  isLogged: boolean;
}

/** Who is told. */
export interface Watcher {
  /** Whether a key is of those that it watches. */
  fits(key: string): boolean;
  /** Is given what was there already, of keys of every kind: a list that all share, and that grows until it has caught up. */
  begin(initial: readonly FeedEvent[]): void;
  /** Hears that the list has grown. */
  grown(): void;
  /** Hears of a change. */
  hear(event: FeedEvent): void;
  /** Hears that the list is complete, and that it hears of every change from now on. */
  caughtUp(): void;
  /** Hears that nothing will come any more. */
  ended(error: AegisError): void;
}

/** Where a feed is. */
export interface FeedPlace {
  /** The sequence of the last message that it has heard. */
  readonly heard: number;
  /** The sequence up to which it has heard all that is there. */
  readonly last: number;
  /** When the stream was made that it follows; undefined before it does. */
  readonly createdAt: number | undefined;
}

/** How a feed is doing. */
export interface FeedHealth {
  /** The bucket. */
  readonly bucket: string;
  /** Which subjects it follows. */
  readonly filter: string;
  /** Whether it hears of changes now. */
  readonly live: boolean;
  /** Why not, where that is known. */
  readonly error: string | undefined;
  /** How many watches it tells. */
  readonly watches: number;
  /** How many keys have a value. */
  readonly keys: number;
}

/** The event of a key that has no value any more. */
export function removal(operation: "delete" | "purge", key: string, revision: number): FeedEvent {
  return { operation, key, revision, message: undefined, expiresAt: undefined, isLogged: false };
}

/** The event of a value. */
export function put(key: string, message: StoredMessage, { expiresAt }: KvMeaning): FeedEvent {
  const { subject, sequence, storedAt, data, headers } = message;
  return {
    operation: "put",
    key,
    revision: sequence,
    // What is kept must not keep the larger piece that it is from.
    message: { subject, sequence, storedAt, data: data.slice(), headers },
    expiresAt,
    isLogged: false,
  };
}
