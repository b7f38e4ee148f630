// Options of a service, and the checks of them.

import { assertConcurrency, assertKeys, assertTimeout, show } from "../domain/check.ts";
import { isRecord } from "../domain/envelope.ts";
import { assertInstanceId } from "../domain/subject.ts";
import type { Bus, BusHealth } from "./bus.ts";
import { assertMiddleware, type ServerMiddleware } from "./middleware.ts";
import type { CircuitOptions } from "../domain/circuit.ts";
import { circuitSettings } from "./circuit_options.ts";
import { queueConsumers } from "./command_plan.ts";
import type { Handler } from "./context.ts";
import { type SingleActiveOptions, singleActiveSettings } from "./election_options.ts";
import type { LeadershipHealth } from "./election_serving.ts";
import { handlerIdOf } from "./subscription_plan.ts";
import type { CommandHealth } from "./command_serving.ts";
import type { RegistryHealth } from "./registry.ts";
import { assertMetadata, type RegistryOptions, registrySettings } from "./registry_options.ts";
import type { EventHealth } from "./subscribers.ts";

/** Where a service stands. */
export type ServiceStatus =
  | "initializing"
  | "starting"
  | "started"
  | "stopping"
  | "stopped"
  | "failed";

/**
 * What runs as a service starts and stops. A hook of the start that throws makes the start fail. A hook of the stop has
 * the `graceMs` of that, and half a second at least, and is left alone when it takes longer.
 */
export interface ServiceHooks {
  /** Before the first handler is live. */
  readonly onStart?: () => void | Promise<void>;
  /** When every handler is live. */
  readonly onStarted?: () => void | Promise<void>;
  /** Before anything is taken down. */
  readonly onStop?: () => void | Promise<void>;
  /** When everything is down. */
  readonly onStopped?: () => void | Promise<void>;
  /**
   * When this instance begins to lead, before it serves what the leader serves, and when it no longer does, after its
   * handlers were told; of a service with `singleActive`. It is not waited for. `fencingToken` is that of the leadership.
   */
  readonly onLeadership?: (leader: boolean, fencingToken: number) => void | Promise<void>;
}

/** Options of {@linkcode createService}. */
export interface ServiceOptions<Handlers extends readonly Handler[] = readonly Handler[]> {
  /** The bus to serve on. */
  readonly bus: Bus;
  /** What is served. */
  readonly handlers: Handlers;
  /** The version of the service. @default {"0.0.0"} */
  readonly version?: string;
  /** The name of this instance, one subject token. @default {the service's name and random digits} */
  readonly instanceId?: string;
  /**
   * Anything that others may want to know of this instance, as its record in the registry tells it: what has a JSON form of
   * at most 32 KiB, without the keys `start_time` and `aegis`.
   *
   * @default {{}}
   */
  readonly metadata?: Readonly<Record<string, unknown>>;
  /**
   * How the instance is kept in the registry, where others discover it; `false` for not at all. Without JetStream, or
   * permission for the bucket `service_registry`, it warns and serves all the same.
   *
   * @default {{ ttlMs: 15000, heartbeatIntervalMs: 5000 }}
   */
  readonly registry?: RegistryOptions | false;
  /**
   * Makes one instance of the service lead, or of each `group`: it alone serves the handlers that are `exclusive`, and the
   * next one takes over when it stops or dies. One of `failover`, or times of one's own. It needs JetStream.
   *
   * No two instances lead at once, for each looks at its own clock before it acts: see `isLeader()`, `ctx.signal` and
   * `ctx.fencingToken`. Callers of an exclusive method wait for the next leader within their own time.
   */
  readonly singleActive?: SingleActiveOptions;
  /** Keeps the calls that it makes itself, and its handlers, for a while from what fails, as `circuit` of a client does. @default {false} */
  readonly circuit?: CircuitOptions | boolean;
  /** What runs as it starts and stops. */
  readonly hooks?: ServiceHooks;
  /** What runs around each call, the first outermost. @default {[]} */
  readonly middleware?: readonly ServerMiddleware[];
  /**
   * How many calls run at once, all methods together; ten times as many may wait. As many commands run at once, all names
   * together. Handlers of events have their own.
   *
   * @default {Infinity}
   */
  readonly concurrency?: number;
  /**
   * How long a command has to wait to go before one that has just come and has the next higher priority, in milliseconds:
   * so none waits for ever behind others that keep coming. At most one of four that begin does so.
   *
   * @default {30000}
   */
  readonly ageingMs?: number;
}

/** Options of `service.stop()`. */
export interface StopOptions {
  /**
   * How long handlers and hooks may go on before they are aborted or left alone, and answers wait for the bus to come
   * back, in milliseconds. @default {30000}
   */
  readonly graceMs?: number;
}

/** How a service is doing. */
export interface ServiceHealth {
  /** Whether it serves: it is started, the bus is there, and the events and commands of all handlers come. */
  readonly ok: boolean;
  /** Where it stands. */
  readonly status: ServiceStatus;
  /** How many calls, events and commands run or wait here. */
  readonly inFlight: number;
  /** What the server refused, such as a subscription for want of permission, or why the events or commands of a handler do not come. */
  readonly error: Error | undefined;
  /** How the handlers of events are doing, in the order in which they were given. */
  readonly events: readonly EventHealth[];
  /** How the handlers of commands are doing, likewise. */
  readonly commands: readonly CommandHealth[];
  /** How its record in the registry is doing, which `ok` does not depend on; undefined where that is off. */
  readonly registry: RegistryHealth | undefined;
  /** How it stands for election; undefined without `singleActive`. */
  readonly leadership: LeadershipHealth | undefined;
  /** How the bus is doing. */
  readonly bus: BusHealth;
}

const OPTIONS = [
  "bus",
  "handlers",
  "version",
  "instanceId",
  "metadata",
  "registry",
  "singleActive",
  "circuit",
  "hooks",
  "middleware",
  "concurrency",
  "ageingMs",
];
/** What others read in the registry. */
const MAX_VERSION = 256;
const HOOKS = ["onStart", "onStarted", "onStop", "onStopped", "onLeadership"];

/** What was asked for when a service was created. */
export interface ServiceDefinition {
  /** Its name. */
  readonly name: string;
  /** Its options. */
  readonly options: ServiceOptions;
  /** The name of the instance. */
  readonly instanceId: string;
}

const DEFINITIONS = new WeakMap<object, ServiceDefinition>();

/** Remembers what a service was created with. */
export function registerService(service: object, definition: ServiceDefinition): void {
  DEFINITIONS.set(service, definition);
}

/** What a service was created with. @throws {TypeError} when it is none. */
export function definitionOf(service: unknown, where: string): ServiceDefinition {
  const definition = typeof service === "object" && service !== null
    ? DEFINITIONS.get(service)
    : undefined;
  if (definition !== undefined) return definition;
  throw new TypeError(
    `Cannot use ${
      show(service)
    } ${where}: it must be what createService() of this copy of @aegis/sdk gave`,
  );
}

/** Checks the options of service `name`. @throws {TypeError | RangeError} naming what cannot be. */
export function checkServiceOptions(name: string, options: ServiceOptions): void {
  const where = `of service "${name}"`;
  if (typeof options !== "object" || options === null) {
    throw new TypeError(
      `Cannot create service "${name}": options must be an object, not ${show(options)}`,
    );
  }
  assertKeys(options, OPTIONS, where);
  const { handlers, instanceId, version, hooks, concurrency, metadata } = options;
  if (instanceId !== undefined) assertInstanceId(instanceId);
  if (concurrency !== undefined) assertConcurrency(concurrency, `option "concurrency" ${where}`);
  if (options.ageingMs !== undefined) assertTimeout(options.ageingMs, `option "ageingMs" ${where}`);
  if (version !== undefined && !isVersion(version)) {
    throw new TypeError(
      `Cannot use ${
        show(version)
      } as option "version" ${where}: it must be a string of at most ${MAX_VERSION} characters`,
    );
  }
  if (hooks !== undefined) assertHooks(hooks, where);
  if (metadata !== undefined) assertMetadata(metadata, where);
  registrySettings(options.registry, where);
  const elects = singleActiveSettings(options.singleActive, name) !== undefined;
  if (hooks?.onLeadership !== undefined && !elects) {
    throw new TypeError(`Cannot use hook "onLeadership" ${where}: it has no "singleActive"`);
  }
  circuitSettings(options.circuit, where);
  if (options.middleware !== undefined) assertMiddleware(options.middleware, where);
  if (!Array.isArray(handlers)) {
    throw new TypeError(
      `Cannot use ${show(handlers)} as option "handlers" ${where}: it must be an array`,
    );
  }
  const seen = new Set<string>();
  for (const handler of handlers as readonly Handler[]) {
    assertHandler(handler, name, seen);
    const { exclusive = false } = handler.kind === "rpc" ? handler.options : handler.settings;
    if (exclusive && !elects) throw lonely(handler, where);
  }
}

function lonely(handler: Handler, where: string): TypeError {
  const what = handler.kind === "rpc"
    ? `method "${handler.method}"`
    : handler.kind === "event"
    ? `the handler of "${handler.pattern}"`
    : `command "${handler.command}"`;
  return new TypeError(
    `Cannot serve ${what} ${where} exclusively: the service has no "singleActive", such as failover.balanced`,
  );
}

function isVersion(version: unknown): boolean {
  return typeof version === "string" && version.length <= MAX_VERSION;
}

function assertHandler(handler: Handler, service: string, seen: Set<string>): void {
  const where = `of service "${service}"`;
  if (handler?.kind === "rpc") {
    if (seen.has(handler.method)) {
      throw new TypeError(
        `Cannot serve method "${handler.method}" ${where}: two handlers have that name`,
      );
    }
    seen.add(handler.method);
  } else if (handler?.kind === "event" && typeof handler !== "function") {
    // A durable's name has at least one "=", or was given; no method is called like either.
    const durable = `durable ${handlerIdOf(handler, service)}`;
    if (seen.has(durable)) {
      throw new TypeError(
        `Cannot handle "${handler.pattern}" ${where}: two handlers would share one durable, and each would get a part of the events; give one of them a "name"`,
      );
    }
    seen.add(durable);
  } else if (handler?.kind === "command") {
    if (seen.has(`command ${handler.command}`)) {
      throw new TypeError(
        `Cannot serve command "${handler.command}" ${where}: two handlers have that name`,
      );
    }
    seen.add(`command ${handler.command}`);
    // Two names that are too long together are found out now, and not by the server.
    queueConsumers(handler, service);
  } else {
    throw new TypeError(
      `Cannot serve ${show(handler)} ${where}: a handler is what rpc(), on() or command() gives`,
    );
  }
}

function assertHooks(hooks: unknown, where: string): void {
  if (!isRecord(hooks)) {
    throw new TypeError(
      `Cannot use ${show(hooks)} as option "hooks" ${where}: it must be an object`,
    );
  }
  assertKeys(hooks, HOOKS, `among the hooks ${where}`);
  for (const [name, hook] of Object.entries(hooks)) {
    if (hook !== undefined && typeof hook !== "function") {
      throw new TypeError(
        `Cannot use ${show(hook)} as hook "${name}" ${where}: it must be a function`,
      );
    }
  }
}
