// Options of a service, and the checks of them.

import { assertConcurrency, assertKeys, show } from "../domain/check.ts";
import { isRecord } from "../domain/envelope.ts";
import { assertInstanceId } from "../domain/subject.ts";
import type { Bus, BusHealth } from "./bus.ts";
import { assertMiddleware, type ServerMiddleware } from "./middleware.ts";
import type { RpcHandler } from "./rpc.ts";

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
}

/** Options of {@linkcode createService}. */
export interface ServiceOptions<Handlers extends readonly RpcHandler[] = readonly RpcHandler[]> {
  /** The bus to serve on. */
  readonly bus: Bus;
  /** What is served. */
  readonly handlers: Handlers;
  /** The version of the service. @default {"0.0.0"} */
  readonly version?: string;
  /** The name of this instance, one subject token. @default {the service's name and random digits} */
  readonly instanceId?: string;
  /** Anything that others may want to know of this instance. @default {{}} */
  readonly metadata?: Readonly<Record<string, unknown>>;
  /** What runs as it starts and stops. */
  readonly hooks?: ServiceHooks;
  /** What runs around each call, the first outermost. @default {[]} */
  readonly middleware?: readonly ServerMiddleware[];
  /** How many calls run at once, all methods together; ten times as many may wait. @default {Infinity} */
  readonly concurrency?: number;
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
  /** Whether it serves: it is started and the bus is there. */
  readonly ok: boolean;
  /** Where it stands. */
  readonly status: ServiceStatus;
  /** How many calls run or wait here. */
  readonly inFlight: number;
  /** What the server refused, such as a subscription for want of permission. */
  readonly error: Error | undefined;
  /** How the bus is doing. */
  readonly bus: BusHealth;
}

const OPTIONS = [
  "bus",
  "handlers",
  "version",
  "instanceId",
  "metadata",
  "hooks",
  "middleware",
  "concurrency",
];
const HOOKS = ["onStart", "onStarted", "onStop", "onStopped"];

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
  if (version !== undefined && typeof version !== "string") {
    throw new TypeError(
      `Cannot use ${show(version)} as option "version" ${where}: it must be a string`,
    );
  }
  if (hooks !== undefined) assertHooks(hooks, where);
  if (metadata !== undefined && !isRecord(metadata)) {
    throw new TypeError(
      `Cannot use ${show(metadata)} as option "metadata" ${where}: it must be an object`,
    );
  }
  if (options.middleware !== undefined) assertMiddleware(options.middleware, where);
  if (!Array.isArray(handlers)) {
    throw new TypeError(
      `Cannot use ${show(handlers)} as option "handlers" ${where}: it must be an array`,
    );
  }
  const seen = new Set<string>();
  for (const handler of handlers as readonly RpcHandler[]) {
    if (handler?.kind !== "rpc") {
      throw new TypeError(`Cannot serve ${show(handler)} ${where}: a handler is what rpc() gives`);
    }
    if (seen.has(handler.method)) {
      throw new TypeError(
        `Cannot serve method "${handler.method}" ${where}: two handlers have that name`,
      );
    }
    seen.add(handler.method);
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
