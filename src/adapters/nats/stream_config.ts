// Settings of streams: those of the port in the words of the server, and back.

import type { StreamConfig as AnyConfig, StreamInfo } from "@nats-io/jetstream";
import type { StreamConfig, StreamState } from "../../ports/stream.ts";
import type { Difference } from "./stream_conflict.ts";

type ServerConfig = Pick<AnyConfig, "name" | "retention" | "storage"> & Partial<AnyConfig>;

/** For how long a server remembers ids when nothing is said, in milliseconds. */
const DEFAULT_WINDOW_MS = 120_000;
const NS_PER_MS = 1_000_000;

/** A duration of the server, in milliseconds. Over a hundred days its nanoseconds are more than a number holds exactly. */
export function toMs(nanoseconds: number | undefined): number {
  return Math.round((nanoseconds ?? 0) / NS_PER_MS);
}

/** A duration for the server. */
export function toNs(milliseconds: number): number {
  return Math.round(milliseconds * NS_PER_MS);
}

/** Settings that are not changed once a stream is there. */
const FIXED: readonly string[] = ["storage", "retention"];
/** Settings that are not taken back. */
const LASTING: readonly string[] = ["bucket", "schedules", "messageTtl"];

/** For how long the marker of a message that came to its end is kept, in milliseconds: who was away so long looks anew. */
const MARKER_MS = 3_600_000;
/**
 * The same where several messages of a subject are kept: no message ends before a marker would, or the marker of an older
 * one might outlive it. No message has less than this.
 */
const LEAST_MARKER_MS = 1_000;

/** Whether it is a difference that no change takes away: some settings stay, and some cannot be taken back. */
export function isFixed({ setting, is, wanted }: Difference): boolean {
  return FIXED.includes(setting) || (LASTING.includes(setting) && is === true && wanted === false);
}

/**
 * The settings of a stream for the server: what one that is there has beside them stays as it is. `batched` says whether the
 * server has fast ingest.
 */
export function toServer(config: StreamConfig, batched: boolean): ServerConfig {
  const { retention, maxAgeMs, maxMessages, maxBytes, maxMessageBytes } = config;
  return {
    name: config.name,
    description: config.description,
    subjects: [...config.subjects],
    retention,
    storage: config.storage,
    num_replicas: config.replicas,
    discard: config.discard,
    max_age: toNs(maxAgeMs),
    max_msgs: maxMessages || -1,
    max_msgs_per_subject: config.maxMessagesPerSubject || -1,
    max_bytes: maxBytes || -1,
    max_msg_size: maxMessageBytes || -1,
    duplicate_window: toNs(windowOf(config)),
    ...(batched && retention === "limits" && !config.bucket ? { allow_batched: true } : {}),
    ...(config.bucket ? { allow_rollup_hdrs: true, deny_delete: true } : {}),
    ...(config.schedules ? { allow_msg_schedules: true } : {}),
    ...(config.messageTtl
      ? { allow_msg_ttl: true, subject_delete_marker_ttl: toNs(markerMs(config)) }
      : {}),
    allow_direct: config.direct,
  };
}

/** A stream as the server describes it. */
export function fromServer({ config, created, state, cluster, ts }: StreamInfo): StreamState {
  // Servers before 2.12 do not say it.
  const { leader_since: since } = (cluster ?? {}) as { readonly leader_since?: string };
  return {
    config: {
      name: config.name,
      description: config.description ?? "",
      subjects: config.subjects ?? [],
      retention: config.retention as StreamConfig["retention"],
      storage: config.storage,
      replicas: config.num_replicas,
      discard: config.discard,
      maxAgeMs: toMs(config.max_age),
      maxMessages: limit(config.max_msgs),
      maxMessagesPerSubject: limit(config.max_msgs_per_subject),
      maxBytes: limit(config.max_bytes),
      maxMessageBytes: limit(config.max_msg_size),
      duplicateWindowMs: toMs(config.duplicate_window),
      bucket: config.allow_rollup_hdrs === true && config.deny_delete === true,
      schedules: config.allow_msg_schedules === true,
      // Without markers nobody is told of what has come to its end.
      messageTtl: config.allow_msg_ttl === true && (config.subject_delete_marker_ttl ?? 0) > 0,
      direct: config.allow_direct === true,
    },
    createdAt: Date.parse(created),
    ledForMs: since && ts ? Date.parse(ts) - Date.parse(since) : undefined,
    messages: state.messages,
    bytes: state.bytes,
    // Servers differ in what they say of a stream that never held anything.
    firstSequence: state.messages === 0 ? state.last_seq + 1 : state.first_seq,
    lastSequence: state.last_seq,
  };
}

/** The settings in which a stream is not as it is wanted. */
export function streamDifferences(is: StreamConfig, wanted: StreamConfig): readonly Difference[] {
  const differences: Difference[] = [];
  for (const setting of Object.keys(wanted) as (keyof StreamConfig)[]) {
    const one = meaning(is, setting);
    const other = meaning(wanted, setting);
    if (JSON.stringify(one) !== JSON.stringify(other)) {
      differences.push({ setting, is: one, wanted: other });
    }
  }
  return differences;
}

function meaning(config: StreamConfig, setting: keyof StreamConfig): unknown {
  if (setting === "subjects") return [...config.subjects].sort();
  if (setting === "duplicateWindowMs") return windowOf(config);
  return config[setting];
}

/** The window that a server gives: no message is remembered for longer than it is kept. */
function windowOf({ duplicateWindowMs, maxAgeMs }: StreamConfig): number {
  const wanted = duplicateWindowMs || DEFAULT_WINDOW_MS;
  return maxAgeMs > 0 ? Math.min(wanted, maxAgeMs) : wanted;
}

function markerMs({ maxMessagesPerSubject }: StreamConfig): number {
  return maxMessagesPerSubject === 1 ? MARKER_MS : LEAST_MARKER_MS;
}

/** Servers say -1 where there is no limit, and some say 0. */
function limit(value: number | undefined): number {
  return value === undefined || value < 0 ? 0 : value;
}
