// Instances of services, as the registry keeps them.

import { isRecord } from "./envelope.ts";
import { isInstanceId, isServiceName, MAX_ID } from "./subject.ts";

/** How an instance is: it serves, it stands by for the one that does, or it is there and cannot serve. */
export type InstanceStatus = "ACTIVE" | "STANDBY" | "UNHEALTHY";

/** Something that an instance serves: a method, a pattern of events or a command. */
export interface ServedBy {
  /** Its name, or the pattern. */
  readonly name: string;
  /** What it is for. */
  readonly description?: string;
  /** What it takes, as JSON Schema, where its schema library gives that. */
  readonly input?: unknown;
  /** What it gives, likewise. */
  readonly output?: unknown;
}

/** How much an instance has to do. */
export interface InstanceLoad {
  /** How many calls, events and commands run or wait there. */
  readonly inFlight: number;
  /** By how much its event loop was late at most since the last heartbeat, in milliseconds. */
  readonly eventLoopDelayMs: number;
}

/** One instance of a service, as its last heartbeat describes it. */
export interface ServiceInstance {
  /** The service's name. */
  readonly service: string;
  /** The name of the instance. */
  readonly instanceId: string;
  /** Whether it can be called alone. Instances of the original cannot: they share all calls of their service. */
  readonly addressable: boolean;
  /** The service's version. */
  readonly version: string;
  /** How it is. */
  readonly status: InstanceStatus;
  /** When it wrote its last heartbeat, in milliseconds since the epoch by its own clock, which may be wrong. */
  readonly lastHeartbeat: number;
  /** The group of which one instance alone is active, if there is one. */
  readonly group: string | undefined;
  /** When it started, in milliseconds since the epoch by its own clock; undefined where it does not say. */
  readonly startedAt: number | undefined;
  /** Its methods; empty where it does not say, as what follows. */
  readonly methods: readonly ServedBy[];
  /** The patterns of events that it handles. */
  readonly events: readonly ServedBy[];
  /** The commands that it runs. */
  readonly commands: readonly ServedBy[];
  /** What it has to do; undefined where it does not say. */
  readonly load: InstanceLoad | undefined;
  /** What the program gave as `metadata`. */
  readonly metadata: Readonly<Record<string, unknown>>;
}

/** What an instance says of itself, beside the times: those of its record are text, as a clock gives them. */
export type InstanceDescription = Omit<
  ServiceInstance,
  "addressable" | "lastHeartbeat" | "startedAt"
>;

/** The KV bucket that holds a record of each instance. */
export const REGISTRY_BUCKET = "service_registry";
/** The keys of `metadata` that the SDK writes itself. */
export const RESERVED_METADATA: readonly string[] = ["start_time", "aegis"];

const PREFIX = "service-instances__";
const STATUSES: readonly string[] = ["ACTIVE", "STANDBY", "UNHEALTHY"];
/** A version, and the name of a group, of somebody else. */
const MAX_TEXT = 256;
/** What a record may hold, counted in characters and values; twice as much as one of ours may. */
const MAX_SIZE = 131_072;
/** How deep a record may nest. */
const MAX_DEPTH = 64;
/** What instances of the original may be called: no blanks, nothing that cannot be seen. */
const FOREIGN_ID = new RegExp(`^[\\x21-\\x7e]{1,${MAX_ID}}$`);
const ISO = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,3})?\d{0,6}(Z|[+-]\d\d:\d\d)?$/;

/** How the keys begin of all instances, or of those of one service. */
export function instancePrefix(service?: string): string {
  return service === undefined ? PREFIX : `${PREFIX}${separable(service)}__`;
}

/**
 * The key of an instance's record, `service-instances__{service}__{instance}`. Underscores of a name that would run into
 * those between, or look like them, have a `/` beside them, which no name has: no two instances share a key.
 */
export function instanceKey(service: string, instanceId: string): string {
  return `${instancePrefix(service)}${separable(instanceId)}`;
}

function separable(name: string): string {
  return name.includes("_") ? name.replace(/_(?=_|$)/g, "_/").replace(/^_/, "/_") : name;
}

/**
 * The record of an instance as the object that a codec encodes, its keys in the order of the protocol. `lastHeartbeat` and
 * `startTime` are ISO 8601, and `run` is what tells this run of it from any other with its name. What the original does not know is inside of
 * `metadata`.
 */
export function instanceValue(
  instance: InstanceDescription,
  lastHeartbeat: string,
  startTime: string,
  run?: string,
): Record<string, unknown> {
  const { service, instanceId, version, status, group, metadata, load } = instance;
  return {
    serviceName: service,
    instanceId,
    version,
    status,
    lastHeartbeat,
    stickyActiveGroup: group ?? null,
    metadata: {
      ...metadata,
      start_time: startTime,
      aegis: {
        run,
        methods: instance.methods,
        events: instance.events,
        commands: instance.commands,
        load: load && { in_flight: load.inFlight, event_loop_delay_ms: load.eventLoopDelayMs },
      },
    },
  };
}

/** What tells the run of an instance that has written a record from others with its name. */
export function runOf(value: unknown): unknown {
  const metadata = isRecord(value) ? value.metadata : undefined;
  const aegis = isRecord(metadata) ? metadata.aegis : undefined;
  return isRecord(aegis) ? aegis.run : undefined;
}

/**
 * The instance that the record `value` under `key` describes, of ours or of the original; undefined for whatever else
 * anybody may have written there. It never throws.
 */
export function readInstance(value: unknown, key: string): ServiceInstance | undefined {
  if (!isRecord(value) || !isReadable(value)) return undefined;
  const { serviceName: service, instanceId, version, status } = value;
  const { stickyActiveGroup: group = null, metadata = {} } = value;
  const lastHeartbeat = timeOf(value.lastHeartbeat);
  if (!isServiceName(service) || typeof instanceId !== "string" || !FOREIGN_ID.test(instanceId)) {
    return undefined;
  }
  if (!isText(version) || !STATUSES.includes(status as string)) return undefined;
  if (lastHeartbeat === undefined || !(group === null || isText(group))) return undefined;
  if (!isRecord(metadata)) return undefined;
  const { start_time, aegis, ...rest } = metadata;
  const ours = isRecord(aegis) ? aegis : undefined;
  // Calls of one alone go to a subject that has its name, where none of those it can have means more than itself.
  if (ours !== undefined && !isInstanceId(instanceId)) return undefined;
  // The original takes names as they are.
  const isKey = key === instanceKey(service, instanceId) ||
    ours === undefined && key === `${PREFIX}${service}__${instanceId}`;
  if (!isKey) return undefined;
  return {
    service,
    instanceId,
    addressable: ours !== undefined,
    version,
    status: status as InstanceStatus,
    lastHeartbeat,
    group: group ?? undefined,
    startedAt: timeOf(start_time),
    methods: servedOf(ours?.methods),
    events: servedOf(ours?.events),
    commands: servedOf(ours?.commands),
    load: loadOf(ours?.load),
    metadata: rest,
  };
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value.length <= MAX_TEXT;
}

/** The time that ISO 8601 gives, in milliseconds since the epoch; one without a zone is taken for UTC, as the original means it. */
function timeOf(value: unknown): number | undefined {
  if (typeof value !== "string" || value.length > 40) return undefined;
  const [, seconds, fraction = "", zone = "Z"] = ISO.exec(value) ?? [];
  const ms = seconds === undefined ? NaN : Date.parse(`${seconds}${fraction}${zone}`);
  return Number.isNaN(ms) ? undefined : ms;
}

function servedOf(value: unknown): ServedBy[] {
  if (!Array.isArray(value)) return [];
  return value.flatMap((entry): ServedBy[] => {
    if (!isRecord(entry) || !isText(entry.name)) return [];
    const { name, description, input, output } = entry;
    return [{
      name,
      ...(typeof description === "string" ? { description } : {}),
      ...(isSchema(input) ? { input } : {}),
      ...(isSchema(output) ? { output } : {}),
    }];
  });
}

function isSchema(value: unknown): boolean {
  return isRecord(value) || typeof value === "boolean";
}

function loadOf(value: unknown): InstanceLoad | undefined {
  if (!isRecord(value)) return undefined;
  const { in_flight: inFlight, event_loop_delay_ms: eventLoopDelayMs } = value;
  return isAmount(inFlight) && isAmount(eventLoopDelayMs)
    ? { inFlight, eventLoopDelayMs }
    : undefined;
}

function isAmount(value: unknown): value is number {
  return typeof value === "number" && value >= 0 && value < Infinity;
}

/** Whether readers of a record take a value that stands `depth` levels deep in it. */
export function isReadable(value: unknown, depth: number = 0): boolean {
  return sizeOf(value, depth) <= MAX_SIZE;
}

/** How much a value holds, in characters and values; `Infinity` where no honest instance writes it. */
function sizeOf(value: unknown, depth: number): number {
  if (typeof value === "string") return value.length + 1;
  if (typeof value !== "object" || value === null) return 1;
  if (depth > MAX_DEPTH) return Infinity;
  let size = 1;
  for (const key in value) {
    // It would replace the prototype of what it is copied to.
    if (key === "__proto__") return Infinity;
    size += key.length + sizeOf((value as Record<string, unknown>)[key], depth + 1);
    if (size > MAX_SIZE) break;
  }
  return size;
}
