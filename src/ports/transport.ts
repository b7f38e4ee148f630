// The transport: one connection to a broker and all that it can do, capability by capability.

import type { Messaging } from "./messaging.ts";
import type { Streams } from "./stream.ts";

/** Whether the broker is there. `closed` is final. */
export type BusStatus = "connected" | "reconnecting" | "closed";

/** What carries the messages. */
export type TransportKind = "tcp" | "ws" | "deno" | "memory";

/** What the broker is and can do. */
export interface ServerInfo {
  /** Its name. */
  readonly name: string;
  /** Its version, such as `"2.10.27"`. */
  readonly version: string;
  /** Where it is, such as `"127.0.0.1:4222"`. */
  readonly address: string;
  /** Whether JetStream is on; without it events, commands and the KV store are not to be had, RPC is. */
  readonly jetstream: boolean;
  /** Whether it is one of a cluster, whose servers hear of each other's subscriptions a moment later. */
  readonly clustered: boolean;
  /** The largest message, in bytes. */
  readonly maxPayload: number;
}

/** A connection to a broker. */
export interface Transport {
  /** What carries the messages. */
  readonly kind: TransportKind;
  /** Whether the broker is there. */
  readonly status: BusStatus;
  /** What the broker is; the last one known while it is away. */
  readonly server: ServerInfo;
  /** What went wrong last with the connection, in words; it stays when the connection is back. */
  readonly lastError?: string | undefined;
  /** Core messaging. */
  readonly messaging: Messaging;
  /** Streams; without them there are no events. */
  readonly streams?: Streams | undefined;
  /** Calls `listener` at each change of status; what it returns ends that. What a listener throws is logged. */
  onStatus(listener: (status: BusStatus) => void): () => void;
  /** The time of a round trip to the broker, in milliseconds. */
  ping(): Promise<number>;
  /** Sends what is still to be sent, then closes. Calling it again waits for the same close. */
  close(): Promise<void>;
}
