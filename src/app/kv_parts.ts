// What all of one bus's buckets have in common.

import type { StreamAdmin, StreamStore, StreamView } from "../ports/stream.ts";
import type { BrokerTime } from "./kv_time.ts";
import type { Parking } from "./parking.ts";
import type { Runtime } from "./runtime.ts";

/** The ports that buckets stand on. */
export interface KvPorts {
  readonly admin: StreamAdmin;
  readonly store: StreamStore;
  readonly view: StreamView;
}

/** What buckets share. */
export interface KvParts {
  readonly runtime: Runtime;
  readonly parking: Parking;
  /** The broker's time. */
  readonly time: BrokerTime;
  /** The ports. @throws {AegisError} where the transport has none of them. */
  readonly ports: KvPorts;
  /** A new id for a write, that no other has. */
  id(): string;
}

/** How long what is asked may take, and what ends it before. */
export interface KvLimits {
  /** When there is no use in it any more, in monotonic milliseconds. */
  readonly expiresAt: number;
  /** Ends it. */
  readonly signal?: AbortSignal | undefined;
}
