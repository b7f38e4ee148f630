// Instances of services, as the registry keeps them.

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
