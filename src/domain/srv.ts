// The NATS service protocol (ADR-32): what a service says of itself to the tools of NATS and to any client that speaks it.

import type { CallStats } from "./call_stats.ts";
import type { ServedBy } from "./instance.ts";
import { rpcQueue, rpcSubject } from "./subject.ts";

/** What is asked for: who is there, what it offers, or how it was used. */
export type SrvVerb = "PING" | "INFO" | "STATS";

/** A service as the protocol sees it. */
export interface SrvIdentity {
  /** Its name. */
  readonly name: string;
  /** The name of the instance. */
  readonly id: string;
  /** Its version, Semantic Versioning. */
  readonly version: string;
  /** What else there is to know, texts alone. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** A method and how it was used. */
export interface SrvEndpoint {
  /** The method. */
  readonly method: ServedBy;
  /** Its calls so far. */
  readonly stats: CallStats;
}

/** How large an answer may be, in bytes; schemas are left out where it would be larger. */
const MAX_BYTES = 131_072;
/** How much of one text of the metadata is told, in characters. */
const MAX_TEXT = 4_096;
const VERBS: readonly string[] = ["PING", "INFO", "STATS"];
const SEMVER =
  /^(?:0|[1-9]\d*)(?:\.(?:0|[1-9]\d*)){2}(?:-[0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*)?(?:\+[0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*)?$/;

/** The subjects on which an instance is asked: as one of all, as one of its service, and alone. */
export function srvSubjects(service: string, instanceId: string): string[] {
  return ["$SRV.*", `$SRV.*.${service}`, `$SRV.*.${service}.${instanceId}`];
}

/** What a message on such a subject asks for; undefined for what this does not know. */
export function srvVerb(subject: string): SrvVerb | undefined {
  const verb = subject.split(".")[1] ?? "";
  return VERBS.includes(verb) ? verb as SrvVerb : undefined;
}

/** Who an instance is. A version of another shape than the protocol has is told in its metadata. */
export function srvIdentity(
  service: string,
  instanceId: string,
  version: string,
  metadata: Readonly<Record<string, unknown>>,
): SrvIdentity {
  const isVersion = version.length <= MAX_TEXT && SEMVER.test(version);
  const told = { ...metadata, ...(isVersion ? {} : { version }) };
  return {
    name: service,
    id: instanceId,
    version: isVersion ? version : "0.0.0",
    metadata: Object.fromEntries(
      Object.entries(told).flatMap(([key, value]) => {
        const text = typeof value === "string" ? value : JSON.stringify(value);
        return text === undefined ? [] : [[key, text.slice(0, MAX_TEXT)]];
      }),
    ),
  };
}

/** The answer to a verb, as JSON. `started` is ISO 8601; `maxBytes` is how much a message may hold. */
export function srvAnswer(
  verb: SrvVerb,
  identity: SrvIdentity,
  started: string,
  endpoints: readonly SrvEndpoint[],
  maxBytes: number = Infinity,
): string {
  switch (verb) {
    case "PING":
      return answer("ping", identity, {});
    case "INFO":
      return infoAnswer(identity, endpoints, Math.min(MAX_BYTES, maxBytes));
    case "STATS":
      return answer("stats", identity, {
        started,
        endpoints: endpoints.map(({ method, stats }) => ({
          ...addressOf(identity, method),
          ...statsOf(stats),
        })),
      });
  }
}

function infoAnswer(
  identity: SrvIdentity,
  endpoints: readonly SrvEndpoint[],
  maxBytes: number,
): string {
  const info = (metadataOf: (method: ServedBy) => Record<string, string>): string =>
    answer("info", identity, {
      description: "",
      endpoints: endpoints.map(({ method }) => ({
        ...addressOf(identity, method),
        metadata: metadataOf(method),
      })),
    });
  const whole = info(({ description, input, output }) => ({
    ...(description === undefined ? {} : { description: description.slice(0, MAX_TEXT) }),
    ...(input === undefined ? {} : { params: JSON.stringify(input) }),
    ...(output === undefined ? {} : { result: JSON.stringify(output) }),
  }));
  return new TextEncoder().encode(whole).length <= maxBytes ? whole : info(() => ({}));
}

function answer(kind: string, identity: SrvIdentity, more: object): string {
  return JSON.stringify({ type: `io.nats.micro.v1.${kind}_response`, ...identity, ...more });
}

function addressOf({ name: service }: SrvIdentity, { name }: ServedBy): Record<string, string> {
  return { name, subject: rpcSubject(service, name), queue_group: rpcQueue(service) };
}

/** Times are whole nanoseconds. */
function statsOf({ requests, errors, lastError, processingMs }: CallStats): object {
  return {
    num_requests: requests,
    num_errors: errors,
    last_error: lastError,
    processing_time: Math.round(processingMs * 1e6),
    average_processing_time: requests === 0 ? 0 : Math.round(processingMs * 1e6 / requests),
  };
}
