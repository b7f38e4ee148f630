// Discovery: which instances of a service there are, how they are, and which one to ask.

import { assertKeys, show } from "../domain/check.ts";
import { ClosedError, UnavailableError } from "../domain/error.ts";
import type { ServiceInstance } from "../domain/instance.ts";
import { assertServiceName } from "../domain/subject.ts";
import { parseRange } from "../domain/version_range.ts";
import { type Bus, isBus, partsOf } from "./bus.ts";
import type { Directory } from "./discovery_directory.ts";
import {
  checkDiscoverOptions,
  checkSelectOptions,
  checkWatchOptions,
  type DiscoverOptions,
  type SelectOptions,
  type WatchOptions,
} from "./discovery_options.ts";
import { InstanceWatcher } from "./discovery_watch.ts";
import type { InstanceWatch } from "./discovery_watch.ts";

/** How the view of a discovery is. */
export interface DiscoveryHealth {
  /** Whether it knows who is there, and is told of what changes. */
  readonly ok: boolean;
  /** Whether it may be out of date: the bus is away, or the registry cannot be watched. */
  readonly stale: boolean;
  /** How many instances of all services are there, as far as it knows. */
  readonly instances: number;
  /** How many keys of the registry hold what is no record of an instance, and are ignored; 1,000 are counted. */
  readonly ignored: number;
  /** Why it cannot watch the registry; undefined when it can, or was not asked yet. */
  readonly error: Error | undefined;
}

/** Looks for instances. All lookups of a bus are read from one view in memory, which one watch of the registry keeps up to date. */
export interface Discovery extends AsyncDisposable {
  /** Whether what it gives may be out of date: the bus is away, or the registry cannot be watched. Nothing was asked yet counts as that too. */
  readonly stale: boolean;
  /**
   * The instances of a service that are there, sorted by their names. One whose heartbeats have stopped is there no more
   * when its record has expired; one that a call found nobody at is not before its next heartbeat.
   *
   * @throws {UnavailableError | TimeoutError} when the registry cannot be read in time for the first lookup.
   * @throws {AegisError} with code `JETSTREAM_DISABLED` or `PERMISSION_DENIED` where it cannot be read at all.
   * @throws {ClosedError} when the bus or the discovery is closed.
   * @throws {TypeError | RangeError} for names and options that cannot be.
   */
  discover(service: string, options?: DiscoverOptions): Promise<ServiceInstance[]>;
  /**
   * One of the instances of a service.
   *
   * @throws {UnavailableError} when none of those that are there is wanted, or as `discover()` does, like the rest.
   */
  select(service: string, options?: SelectOptions): Promise<ServiceInstance>;
  /**
   * Watches the instances of a service: first those that are there, as joined, then what changes.
   *
   * @throws {TypeError} for names and options that cannot be. The loop throws what `discover()` does.
   */
  watch(service: string, options?: WatchOptions): InstanceWatch;
  /** Reads the registry anew; lookups of a service wait until it has been read. */
  invalidate(service: string): void;
  /** How its view is. */
  health(): DiscoveryHealth;
  /** Ends its watches. The registry is watched no more when nobody on the bus needs it. */
  close(): Promise<void>;
}

/** Options of {@linkcode createDiscovery}. */
export interface DiscoveryOptions {
  /** The bus whose registry is looked at. */
  readonly bus: Bus;
}

const LOOKUP_MS = 5_000;
/** Beyond this number they are forgotten, so that ranges from outside cannot fill the memory. */
const MAX_RANGES = 200;
const NO_OPTIONS = Object.freeze({});

/**
 * Looks for instances of services. It does nothing before it is asked.
 *
 * @throws {TypeError} for an option that is none.
 *
 * @example
 * ```ts
 * import { connect, createDiscovery, createService, rpc } from "@aegis/sdk";
 * import { deepStrictEqual, strictEqual } from "node:assert/strict";
 *
 * await using bus = await connect({ servers: "memory:" });
 * const handlers = [rpc("hello", () => "Hello")];
 * await using one = createService("greeter", { bus, handlers, instanceId: "one", version: "1.2.0" });
 * await using two = createService("greeter", { bus, handlers, instanceId: "two", version: "2.0.0" });
 * await Promise.all([one.start(), two.start()]);
 *
 * await using discovery = createDiscovery({ bus });
 * const names = (await discovery.discover("greeter")).map(({ instanceId }) => instanceId);
 * deepStrictEqual(names, ["one", "two"]);
 * strictEqual((await discovery.select("greeter", { version: "^1.0" })).instanceId, "one");
 * ```
 */
export function createDiscovery(options: DiscoveryOptions): Discovery {
  if (typeof options !== "object" || options === null) {
    throw new TypeError(`Cannot create a discovery of ${show(options)}: options must be an object`);
  }
  if (isBus(options)) {
    throw new TypeError("Cannot create a discovery of a bus alone: write createDiscovery({ bus })");
  }
  assertKeys(options, ["bus"], "of a discovery");
  return new RegistryDiscovery(partsOf(options.bus, "a discovery").directory);
}

class RegistryDiscovery implements Discovery {
  readonly #directory: Directory;
  readonly #watchers = new Set<InstanceWatcher>();
  /** Ranges of versions that were read. */
  readonly #ranges = new Set<string>();
  #unsubscribe: (() => void) | undefined;
  #isClosed = false;

  constructor(directory: Directory) {
    this.#directory = directory;
  }

  get stale(): boolean {
    return this.#unsubscribe === undefined || this.#directory.feed.stale;
  }

  async discover(
    service: string,
    options: DiscoverOptions = NO_OPTIONS,
  ): Promise<ServiceInstance[]> {
    assertServiceName(service);
    if (options !== NO_OPTIONS) checkDiscoverOptions(options);
    const directory = this.#use();
    const { onlyHealthy = false, version, timeoutMs = LOOKUP_MS, signal } = options;
    if (version !== undefined) this.#checkRange(version);
    signal?.throwIfAborted();
    const reading = directory.feed.ready(timeoutMs, signal);
    if (reading !== undefined) await reading;
    const seen = directory.view.of(service)?.list({ onlyHealthy, version }) ?? [];
    return seen.map(({ instance }) => instance);
  }

  async select(service: string, options: SelectOptions = NO_OPTIONS): Promise<ServiceInstance> {
    assertServiceName(service);
    if (options !== NO_OPTIONS) checkSelectOptions(options);
    const directory = this.#use();
    const { onlyHealthy = true, version, timeoutMs = LOOKUP_MS, signal } = options;
    const { strategy = "round_robin", key = "" } = options;
    if (version !== undefined) this.#checkRange(version);
    signal?.throwIfAborted();
    const reading = directory.feed.ready(timeoutMs, signal);
    if (reading !== undefined) await reading;
    const choices = directory.view.of(service)?.choices({ onlyHealthy, version });
    const seen = choices && directory.pick(choices, strategy, key);
    if (seen === undefined) throw noneOf(service, directory, onlyHealthy, version);
    seen.load++;
    return seen.instance;
  }

  watch(service: string, options: WatchOptions = NO_OPTIONS): InstanceWatch {
    assertServiceName(service);
    checkWatchOptions(options);
    const { signal } = options;
    const abort = (): void => watcher.end();
    const watcher = new InstanceWatcher(this.#use(), service, () => {
      signal?.removeEventListener("abort", abort);
      this.#watchers.delete(watcher);
    });
    this.#watchers.add(watcher);
    signal?.addEventListener("abort", abort);
    if (signal?.aborted) watcher.end();
    return watcher;
  }

  invalidate(service: string): void {
    assertServiceName(service);
    this.#use().feed.again();
  }

  health(): DiscoveryHealth {
    const { stale } = this;
    const { feed, view } = this.#directory;
    return {
      ok: !stale,
      stale,
      instances: view.size,
      ignored: view.ignored,
      error: feed.error,
    };
  }

  close(): Promise<void> {
    try {
      if (this.#unsubscribe !== undefined) {
        this.#directory.assertHere();
        this.#end();
        this.#unsubscribe();
        this.#unsubscribe = undefined;
        this.#directory.feed.leave();
      }
      this.#isClosed = true;
      return Promise.resolve();
    } catch (error) {
      return Promise.reject(error);
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Reads a range once, and not in each lookup. @throws {TypeError} when it is none. */
  #checkRange(version: string): void {
    if (this.#ranges.has(version)) return;
    parseRange(version);
    if (this.#ranges.size >= MAX_RANGES) this.#ranges.clear();
    this.#ranges.add(version);
  }

  /** The directory, which looks from now on. */
  #use(): Directory {
    if (this.#isClosed) {
      throw new ClosedError("Cannot look for instances: the discovery is closed");
    }
    const directory = this.#directory;
    directory.assertHere();
    if (this.#unsubscribe === undefined) {
      directory.feed.use();
      this.#unsubscribe = directory.feed.onEnd(() => this.#end());
    }
    return directory;
  }

  #end(): void {
    for (const watcher of [...this.#watchers]) watcher.end();
  }
}

function noneOf(
  service: string,
  { view }: Directory,
  onlyHealthy: boolean,
  version: string | undefined,
): UnavailableError {
  const all = view.of(service)?.there.size ?? 0;
  const wanted = [
    ...(onlyHealthy ? ["healthy"] : []),
    ...(version === undefined ? [] : [`of a version in "${version}"`]),
  ].join(" and ");
  return new UnavailableError(
    all === 0
      ? `Cannot select an instance of "${service}": none is in the registry`
      : `Cannot select an instance of "${service}": ${all} ${
        all === 1 ? "is" : "are"
      } there, and none is ${wanted}`,
    { details: { service, instances: all, sent: false } },
  );
}
