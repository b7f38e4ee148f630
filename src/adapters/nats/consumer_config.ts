// Settings of consumers: those of the port in the words of the server, and back.

import type { ConsumerConfig as ServerConfig, ConsumerInfo } from "@nats-io/jetstream";
import type { ConsumerConfig, ConsumerState, DeliverFrom } from "../../ports/stream.ts";
import type { Difference } from "./stream_conflict.ts";
import { toMs, toNs } from "./stream_config.ts";

/** Settings that can be changed once a consumer is there; of the others the server says whether they can. */
export const CHANGEABLE: readonly string[] = [
  "description",
  "filter",
  "ackWaitMs",
  "maxAckPending",
  "inactiveThresholdMs",
];

/** How many requests for messages may wait at once, those of all instances together. The server's own limit is 512. */
const MAX_WAITING = 16_384;

/** The settings of a new consumer for the server. */
export function toServer(config: ConsumerConfig): Partial<ServerConfig> {
  return {
    durable_name: config.name,
    ack_policy: "explicit",
    replay_policy: "instant",
    max_deliver: -1,
    max_waiting: MAX_WAITING,
    ...fromOf(config.from),
    ...changesOf(config),
  };
}

/** The settings that can be changed, for the server. */
export function changesOf(config: ConsumerConfig): Partial<ServerConfig> {
  return {
    description: config.description,
    filter_subject: config.filter,
    ack_wait: toNs(config.ackWaitMs),
    max_ack_pending: config.maxAckPending || -1,
    inactive_threshold: toNs(config.inactiveThresholdMs),
  };
}

/** A consumer as the server describes it. */
export function fromServer(info: ConsumerInfo): ConsumerState {
  const { config, name } = info;
  return {
    config: {
      name,
      description: config.description ?? "",
      // A consumer of everything is given back without a filter, and one that somebody else made may have several.
      filter: config.filter_subject ?? config.filter_subjects?.join(",") ?? ">",
      from: toFrom(config),
      ackWaitMs: toMs(config.ack_wait),
      maxAckPending: Math.max(0, config.max_ack_pending ?? 0),
      inactiveThresholdMs: toMs(config.inactive_threshold),
    },
    pending: info.num_pending,
    ackPending: info.num_ack_pending,
    ackFloor: info.ack_floor.stream_seq,
    waiting: info.num_waiting,
  };
}

/** The settings in which a consumer is not as it is wanted. */
export function consumerDifferences(
  is: ConsumerConfig,
  wanted: ConsumerConfig,
): readonly Difference[] {
  return (Object.keys(wanted) as (keyof ConsumerConfig)[])
    .filter((setting) => JSON.stringify(is[setting]) !== JSON.stringify(wanted[setting]))
    .map((setting) => ({ setting, is: is[setting], wanted: wanted[setting] }));
}

function fromOf(from: DeliverFrom): Partial<ServerConfig> {
  if (from === "new" || from === "all") return { deliver_policy: from };
  return "sequence" in from
    ? { deliver_policy: "by_start_sequence", opt_start_seq: from.sequence }
    : { deliver_policy: "by_start_time", opt_start_time: new Date(from.time).toISOString() };
}

function toFrom(config: ServerConfig): DeliverFrom {
  const { deliver_policy, opt_start_seq, opt_start_time } = config;
  switch (deliver_policy) {
    case "by_start_sequence":
      return { sequence: opt_start_seq ?? 1 };
    case "by_start_time":
      return { time: Date.parse(opt_start_time ?? "") };
    default:
      return deliver_policy as "new" | "all";
  }
}
