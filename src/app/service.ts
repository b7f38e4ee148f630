// The service: handlers served under one name, from start() to stop().

import { assertConcurrency, assertKeys, show } from "../domain/check.ts";
import { ClosedError } from "../domain/error.ts";
import { assertInstanceId, assertServiceName } from "../domain/subject.ts";
import { type Bus, type BusHealth, partsOf } from "./bus.ts";
import { callFrom, clientOf } from "./client.ts";
import type { Call, Typed } from "./context.ts";
import type { ServerMiddleware } from "./middleware.ts";
import { Responder } from "./responder.ts";
import type { RpcHandler } from "./rpc.ts";
import type { Runtime } from "./runtime.ts";

/** Where a service stands. */
export type ServiceStatus =
  | "initializing"
  | "starting"
  | "started"
  | "stopping"
  | "stopped"
  | "failed";

/** What runs as a service starts and stops. A hook of the start that throws makes the start fail. */
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
  /** How long handlers may go on before they are aborted, in milliseconds. @default {30000} */
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

/** A service: one instance of it, in this process. */
export interface Service<Handlers extends readonly RpcHandler[] = readonly RpcHandler[]>
  extends Typed<Handlers>, AsyncDisposable {
  /** Its name. */
  readonly name: string;
  /** The name of this instance. */
  readonly instanceId: string;
  /** Its version. */
  readonly version: string;
  /** What others may want to know of this instance. */
  readonly metadata: Readonly<Record<string, unknown>>;
  /** Where it stands. */
  readonly status: ServiceStatus;
  /** For how long it has been started, in milliseconds; 0 when it is not. */
  readonly uptimeMs: number;
  /** Calls other services, under this service's name. */
  readonly call: Call;
  /**
   * Starts it; resolves when every handler is live on the server. All or nothing: when it fails, nothing stays live.
   *
   * @throws {ClosedError} when it was stopped before.
   */
  start(): Promise<void>;
  /**
   * Stops it without losing a call: takes no more, finishes what was taken, and aborts what runs longer than
   * `graceMs`. Calling it again waits for the same stop.
   */
  stop(options?: StopOptions): Promise<void>;
  /** How it is doing. It never rejects. */
  health(): Promise<ServiceHealth>;
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
/** How long handlers that were aborted have to notice, in milliseconds. */
const ABORT_MS = 1_000;

/**
 * A service that serves `handlers` under `name`. It does nothing before `start()`.
 *
 * @throws {TypeError | RangeError} for a name or an option that cannot be.
 *
 * @example
 * ```ts
 * import { connect, createClient, createService, rpc } from "@aegis/sdk";
 * import { strictEqual } from "node:assert/strict";
 *
 * await using bus = await connect({ servers: "memory:" });
 * const service = createService("clock", { bus, handlers: [rpc("year", () => 2026)] });
 * await service.start();
 * strictEqual(await createClient({ bus }).call("clock", "year"), 2026);
 * await service.stop();
 * ```
 */
export function createService<const Handlers extends readonly RpcHandler[]>(
  name: string,
  options: ServiceOptions<Handlers>,
): Service<Handlers> {
  assertServiceName(name);
  checkOptions(name, options);
  const { runtime, caller } = partsOf(options.bus, `service "${name}"`);
  const instanceId = options.instanceId ?? `${name}-${runtime.random.spanId()}`;
  const invoker = {
    runtime,
    caller,
    middleware: [],
    source: name,
    origin: undefined,
  };
  const responder = new Responder(runtime, {
    service: name,
    instanceId,
    handlers: options.handlers,
    middleware: options.middleware ?? [],
    concurrency: options.concurrency ?? Infinity,
    callFrom: callFrom(invoker, options.bus),
  });
  return new ServiceInstance(
    name,
    instanceId,
    options,
    runtime,
    responder,
    clientOf(invoker, options.bus).call,
  );
}

class ServiceInstance<Handlers extends readonly RpcHandler[]> implements Service<Handlers> {
  readonly name: string;
  readonly instanceId: string;
  readonly version: string;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly call: Call;
  readonly #options: ServiceOptions<Handlers>;
  readonly #runtime: Runtime;
  readonly #responder: Responder;
  #status: ServiceStatus = "initializing";
  #startedAt = 0;
  #error: Error | undefined;
  #starting: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;
  #hurry: (() => void) | undefined;

  constructor(
    name: string,
    instanceId: string,
    options: ServiceOptions<Handlers>,
    runtime: Runtime,
    responder: Responder,
    call: Call,
  ) {
    this.name = name;
    this.instanceId = instanceId;
    this.version = options.version ?? "0.0.0";
    this.metadata = options.metadata ?? {};
    this.call = call;
    this.#options = options;
    this.#runtime = runtime;
    this.#responder = responder;
  }

  get status(): ServiceStatus {
    return this.#status;
  }

  get uptimeMs(): number {
    return this.#status === "started" ? this.#runtime.clock.monotonic() - this.#startedAt : 0;
  }

  start(): Promise<void> {
    if (this.#stopping !== undefined) {
      return Promise.reject(
        new ClosedError(`Cannot start ${this.name}: it was stopped; create it anew`),
      );
    }
    return this.#starting ??= this.#start();
  }

  stop(options: StopOptions = {}): Promise<void> {
    assertKeys(options, ["graceMs"], "of stop()");
    const { graceMs = 30_000 } = options;
    if (typeof graceMs !== "number" || !(graceMs >= 0)) {
      throw new RangeError(
        `Cannot use ${
          show(graceMs)
        } as option "graceMs" of stop(): it must be a number of milliseconds of at least 0`,
      );
    }
    // A second stop() that will not wait cuts the first one short.
    if (this.#stopping !== undefined && graceMs === 0) this.#hurry?.();
    return this.#stopping ??= this.#stop(graceMs);
  }

  async health(): Promise<ServiceHealth> {
    const bus = await partsHealth(this.#options.bus);
    return {
      ok: this.#status === "started" && bus.ok && this.#error === undefined,
      status: this.#status,
      inFlight: this.#responder.inFlight,
      error: this.#error,
      bus,
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #start(): Promise<void> {
    const { hooks, handlers } = this.#options;
    const { transport, logger, clock } = this.#runtime;
    this.#status = "starting";
    try {
      await hooks?.onStart?.();
      this.#responder.open((error) => this.#refused(error));
      await transport.messaging.flush();
      if (this.#error !== undefined) throw this.#error;
      this.#startedAt = clock.monotonic();
      await hooks?.onStarted?.();
    } catch (error) {
      this.#status = "failed";
      await this.#responder.drain().catch((cause) =>
        logger.warn(`${this.name} could not take down its handlers`, { error: cause })
      );
      this.#responder.close();
      throw error;
    }
    this.#status = "started";
    logger.info(`${this.name} has started`, {
      instance: this.instanceId,
      methods: handlers.map((handler) => handler.method),
    });
  }

  async #stop(graceMs: number): Promise<void> {
    // A start that is under way ends first; whether it failed is for whoever awaits it.
    await this.#starting?.catch(() => undefined);
    if (this.#status !== "started") {
      if (this.#status === "initializing") this.#status = "stopped";
      return;
    }
    this.#status = "stopping";
    const { hooks } = this.#options;
    const { logger, transport } = this.#runtime;
    try {
      await hooks?.onStop?.();
    } catch (error) {
      logger.error(`The onStop hook of ${this.name} failed`, { error });
    }
    await this.#responder.drain();
    if (!await this.#idleWithin(graceMs)) {
      logger.warn(`${this.name} aborts what still runs`, { inFlight: this.#responder.inFlight });
      this.#responder.abort();
      await this.#idleWithin(ABORT_MS);
    }
    if (transport.status === "connected") await transport.messaging.flush().catch(() => undefined);
    this.#responder.close();
    this.#status = "stopped";
    logger.info(`${this.name} has stopped`, { instance: this.instanceId });
    await hooks?.onStopped?.();
  }

  #idleWithin(ms: number): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = this.#runtime.clock.setTimer(ms, () => resolve(false));
      this.#hurry = () => {
        timer.cancel();
        resolve(false);
      };
      this.#responder.whenIdle().then(() => {
        timer.cancel();
        resolve(true);
      });
    });
  }

  #refused(error: Error): void {
    this.#error = error;
    this.#runtime.logger.error(`The server refused a subscription of ${this.name}`, { error });
  }
}

function partsHealth(bus: Bus): Promise<BusHealth> {
  return bus.health();
}

function checkOptions(name: string, options: ServiceOptions): void {
  const where = `of service "${name}"`;
  if (typeof options !== "object" || options === null) {
    throw new TypeError(
      `Cannot create service "${name}": options must be an object, not ${show(options)}`,
    );
  }
  assertKeys(options, OPTIONS, where);
  const { handlers, instanceId, version, hooks, concurrency, middleware } = options;
  if (instanceId !== undefined) assertInstanceId(instanceId);
  if (concurrency !== undefined) assertConcurrency(concurrency, `option "concurrency" ${where}`);
  if (version !== undefined && typeof version !== "string") {
    throw new TypeError(
      `Cannot use ${show(version)} as option "version" ${where}: it must be a string`,
    );
  }
  if (hooks !== undefined) assertKeys(hooks, HOOKS, `among the hooks ${where}`);
  if (middleware !== undefined && !Array.isArray(middleware)) {
    throw new TypeError(
      `Cannot use ${
        show(middleware)
      } as option "middleware" ${where}: it must be an array of functions`,
    );
  }
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
