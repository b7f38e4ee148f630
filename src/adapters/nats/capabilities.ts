// What a server can do that older ones cannot, by its version.

import type { NatsConnection } from "@nats-io/nats-core";

type Version = readonly [major: number, minor: number, patch: number];

const FAST_INGEST: Version = [2, 14, 0];
const SCHEDULES: Version = [2, 12, 0];
// Before, no marker was left, or it was kept no longer than its message, or messages of a stream that had been changed did not end.
const MESSAGE_TTL: Version = [2, 11, 5];
const EXCLUSIVE_WRITES: Version = [2, 10, 5];
const CAREFUL_NAKS: Version = [2, 10, 14];
const CAREFUL_PURGES: Version = [2, 9, 12];

/** Whether the server has fast ingest. */
export function hasFastIngest(connection: NatsConnection): boolean {
  return isSince(connection, FAST_INGEST);
}

/** Whether the server publishes messages later. */
export function hasSchedules(connection: NatsConnection): boolean {
  return isSince(connection, SCHEDULES);
}

/** Whether the server ends messages by a time of their own, and leaves markers in their place. */
export function hasMessageTtl(connection: NatsConnection): boolean {
  return isSince(connection, MESSAGE_TTL);
}

/** Whether of several messages that expect the same last one of a subject the server stores one, also in a cluster. */
export function hasExclusiveWrites(connection: NatsConnection): boolean {
  return connection.info?.cluster === undefined || isSince(connection, EXCLUSIVE_WRITES);
}

/**
 * Whether the server takes a nak well while the only one who waits for messages is a connection that has ended. Older ones
 * forget the nak until the ack wait is over, and deliver the message before the next one twice, as if for the first time.
 */
export function hasCarefulNaks(connection: NatsConnection): boolean {
  return isSince(connection, CAREFUL_NAKS);
}

/**
 * Whether consumers go on where they are when something is purged. Those of older servers go on after what was purged, or after
 * the last message of all where nothing is left of it, and deliver nothing of what they had still to deliver before that.
 */
export function hasCarefulPurges(connection: NatsConnection): boolean {
  return isSince(connection, CAREFUL_PURGES);
}

function isSince({ info }: NatsConnection, since: Version): boolean {
  // A version such as 2.12.0-RC.1 counts as what it is a candidate for.
  const version = (info?.version ?? "").split(".").map((part) => Number.parseInt(part));
  for (const [place, least] of since.entries()) {
    const is = version[place] || 0;
    if (is !== least) return is > least;
  }
  return true;
}
