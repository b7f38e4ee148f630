// Presence: how others see an instance, by its record in the registry and by what it answers to the tools of NATS.

import { fitServed, type Served } from "../domain/instance_fit.ts";
import type { CallStats } from "../domain/call_stats.ts";
import { srvIdentity } from "../domain/srv.ts";
import type { BusParts } from "./bus.ts";
import type { Handler } from "./context.ts";
import type { LateMeter } from "./listening.ts";
import { Registry, type RegistryHealth } from "./registry.ts";
import { registrySettings } from "./registry_options.ts";
import { servedBy } from "./served.ts";
import type { ServiceOptions } from "./service_options.ts";
import { Srv } from "./srv.ts";

/** Whom others see. */
export interface PresenceParts {
  readonly bus: BusParts;
  readonly service: string;
  readonly instanceId: string;
  readonly options: ServiceOptions<readonly Handler[]>;
  /** The statistics of a method. */
  readonly statsOf: (method: string) => CallStats;
  /** How much it has to do. */
  readonly inFlight: () => number;
  /** Whether it serves all that it should. */
  readonly isReady: () => boolean;
}

/** How long the server may take to hear that nobody answers to the tools of NATS any more, in milliseconds. */
const CLOSE_MS = 500;

/** How others see one instance of a service. */
export class Presence {
  readonly #parts: PresenceParts;
  readonly #srv: Srv;
  readonly #registry: Registry | undefined;
  readonly #late: LateMeter = { lateMs: 0 };
  #unwatch: (() => void) | undefined;
  #served: Served | undefined;

  /** Nothing is seen before it is shown. */
  constructor(parts: PresenceParts) {
    this.#parts = parts;
    const { bus: { runtime, notices, openRegistry: open }, service, instanceId } = parts;
    const { version = "0.0.0", metadata = {}, registry } = parts.options;
    this.#srv = new Srv({
      runtime,
      identity: srvIdentity(service, instanceId, version, metadata),
      endpoints: () =>
        this.#all().methods.map((method) => ({ method, stats: parts.statsOf(method.name) })),
    });
    const settings = registrySettings(registry, "");
    if (settings === undefined) return;
    this.#registry = new Registry({
      runtime,
      notices,
      settings,
      service,
      instanceId,
      about: () => ({
        service,
        instanceId,
        version,
        metadata,
        ...fitServed(this.#all(), metadata),
      }),
      open,
      load: () => {
        const { lateMs } = this.#late;
        this.#late.lateMs = 0;
        return { inFlight: parts.inFlight(), eventLoopDelayMs: Math.round(lateMs * 10) / 10 };
      },
      isReady: parts.isReady,
    });
  }

  /** Answers to the tools of NATS. It stands on the server once the transport was flushed. */
  answer(): void {
    this.#srv.open();
  }

  /** Is in the registry from now on. @throws {UnavailableError | TimeoutError} when the record could not be written. */
  async register(): Promise<void> {
    this.#unwatch = this.#parts.bus.listening.watch(this.#late);
    await this.#registry?.open();
  }

  /** Is in the registry no more; resolves when the server knows. It never rejects. */
  async unregister(): Promise<void> {
    this.#unwatch?.();
    await this.#registry?.close();
  }

  /** Is seen no more by the tools of NATS either; resolves when the server knows, or has taken too long. */
  close(): Promise<void> {
    return this.#srv.drain(CLOSE_MS);
  }

  /** How its record is doing; undefined where there is to be none. */
  health(): RegistryHealth | undefined {
    return this.#registry?.health();
  }

  /** Tells whether it serves or stands by for the one that does, and in which group. */
  setStatus(status: "ACTIVE" | "STANDBY", group?: string): void {
    this.#registry?.setStatus(status, group);
  }

  /** What it serves. Schemas are asked for once, and not before somebody wants to know. */
  #all(): Served {
    return this.#served ??= servedBy(this.#parts.options.handlers);
  }
}
