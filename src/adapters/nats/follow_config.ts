// The consumer that follows a stream, in the words of the server.

import type { ConsumerConfig } from "@nats-io/jetstream";
import type { FollowFrom, FollowOptions } from "../../ports/stream.ts";
import { toNs } from "./stream_config.ts";

/** Where messages come. */
export interface Place {
  /** The name of the consumer. */
  readonly name: string;
  /** Where it delivers. */
  readonly inbox: string;
}

/** How often the server says that it is there, where there are no messages, in milliseconds. */
const HEARTBEAT_MS = 2_000;
/** After how long without a word nobody is there, in milliseconds: two heartbeats, and the time they may take. */
export const SILENCE_MS: number = 2 * HEARTBEAT_MS + 500;
/** After how long without anybody who listens the server removes it, in milliseconds. */
const INACTIVE_MS = 10_000;

/** The consumer for what is to be followed. */
export function followConfig(
  { name, inbox }: Place,
  { filter, from, headersOnly = false }: FollowOptions,
): Partial<ConsumerConfig> {
  return {
    name,
    deliver_subject: inbox,
    filter_subject: filter,
    ...begin(from),
    ack_policy: "none",
    replay_policy: "instant",
    flow_control: true,
    idle_heartbeat: toNs(HEARTBEAT_MS),
    inactive_threshold: toNs(INACTIVE_MS),
    // One that is lost is made anew, so that it is kept by one server, and nowhere for long.
    num_replicas: 1,
    mem_storage: true,
    ...(headersOnly ? { headers_only: true } : {}),
  };
}

function begin(from: FollowFrom): Partial<ConsumerConfig> {
  if (from === "lastPerSubject") return { deliver_policy: "last_per_subject" };
  if (from === "new") return { deliver_policy: "new" };
  return {
    deliver_policy: "by_start_sequence",
    opt_start_seq: Math.max(1, from.sequence),
  };
}
