// The feed: one watch of the registry's bucket for a whole bus, opened at the first use, kept alive until the last.

import { type Deferred, deferred } from "../domain/deferred.ts";
import { AegisError, ClosedError, TimeoutError, UnavailableError } from "../domain/error.ts";
import { instancePrefix } from "../domain/instance.ts";
import { type ResolvedRetryPolicy, resolveRetry, retryDelay } from "../domain/retry.ts";
import type { Timer } from "../ports/clock.ts";
import type { Kv, KvWatch } from "../ports/kv.ts";
import type { DiscoveryView } from "./discovery_view.ts";
import { pause } from "./pause.ts";
import type { Runtime } from "./runtime.ts";

/** The bucket of the registry. */
export interface RegistryBucket {
  /** Opens it; it is made where it is not there. */
  readonly open: () => Promise<Kv>;
  /** What keeps its watches from hearing anything at the moment; undefined when nothing does. */
  readonly trouble: () => string | undefined;
}

const AGAIN: ResolvedRetryPolicy = resolveRetry({
  attempts: 1_000_000,
  initialDelayMs: 50,
  maxDelayMs: 5_000,
});
/** What is refused for want of permission, or of JetStream, is tried again that much later, in milliseconds. */
const REFUSED_MS = 30_000;
/** What passes by itself. */
const PASSING: readonly string[] = ["SERVICE_UNAVAILABLE", "TIMEOUT", "CONFLICT"];

/** Keeps a view up to date. */
export class DiscoveryFeed {
  readonly #runtime: Runtime;
  readonly #view: DiscoveryView;
  readonly #registry: RegistryBucket;
  readonly #onEnd = new Set<() => void>();
  #users = 0;
  /** Ends the run that is going on. */
  #run: AbortController | undefined;
  #watch: KvWatch | undefined;
  /** What those wait for who look before the view was told what there is, the first time or anew; undefined when nobody has to. */
  #telling: Deferred<void> | undefined;
  /** Whether the view was told what there is in this run, however long ago. */
  #hasTold = false;
  #isLive = false;
  /** Whether the watch was ended so that another one is opened. */
  #isAgain = false;
  /** Ends the wait before the registry is watched again. */
  #waiting: AbortController | undefined;
  #since = 0;
  #error: Error | undefined;
  /** What was warned of last. */
  #warned: string | undefined;
  #isClosed = false;

  /** It does nothing before somebody uses it. */
  constructor(runtime: Runtime, view: DiscoveryView, registry: RegistryBucket) {
    this.#runtime = runtime;
    this.#view = view;
    this.#registry = registry;
    runtime.transport.onStatus((status) => {
      if (status === "closed") this.close();
      else if (status === "connected") this.#returned();
    });
  }

  /** Whether the view may be out of date: the bus is away, or the watch is. */
  get stale(): boolean {
    return !this.#isLive || this.#runtime.transport.status !== "connected" ||
      this.#registry.trouble() !== undefined;
  }

  /** Whether the view knows what there is, or did when the bus went away. */
  get isKnown(): boolean {
    return this.#hasTold;
  }

  /** Since when the view is to be told what there is, in monotonic milliseconds. */
  get since(): number {
    return this.#since;
  }

  /** Why the view is out of date, where that is known. */
  get error(): Error | undefined {
    const trouble = this.#isLive ? this.#registry.trouble() : undefined;
    return trouble === undefined
      ? this.#error
      : new UnavailableError(`The registry cannot be watched at the moment: ${trouble}`);
  }

  /** Begins to watch, for one user more. */
  use(): void {
    this.#users++;
    if (this.#run !== undefined || this.#isClosed) return;
    this.#run = new AbortController();
    this.#mustTell();
    void this.#keep(this.#run.signal);
  }

  /** Ends with the last user. */
  leave(): void {
    if (--this.#users > 0) return;
    this.#stop(new ClosedError("Cannot look for instances: the discovery is closed"));
    this.#view.clear();
  }

  /** Ends for good: the bus is closed. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#stop(new ClosedError("Cannot look for instances: the bus is closed"));
  }

  /** Reads everything anew; until it has, what is asked for waits. */
  again(): void {
    if (this.#telling !== undefined || this.#run === undefined) return;
    this.#mustTell();
    this.#isAgain = true;
    this.#isLive = false;
    void this.#watch?.stop();
    this.#waiting?.abort();
  }

  /** Calls `listener` when nothing more comes: the bus is closed, or nobody uses it. What it returns ends that. */
  onEnd(listener: () => void): () => void {
    this.#onEnd.add(listener);
    return () => this.#onEnd.delete(listener);
  }

  /**
   * Resolves when the view knows what there is; undefined when it does already, or did when the bus went away.
   *
   * @throws {AegisError} with what the server said, where it lets nobody watch.
   * @throws {UnavailableError | TimeoutError} when it does not within `limitMs`.
   */
  ready(limitMs: number, signal?: AbortSignal): Promise<void> | undefined {
    const { clock, transport } = this.#runtime;
    if (this.#telling === undefined && !this.#isClosed) return undefined;
    if (this.#hasTold && transport.status === "reconnecting") return undefined;
    if (this.#isClosed) {
      return Promise.reject(new ClosedError("Cannot look for instances: the bus is closed"));
    }
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (isLasting(this.#error)) return Promise.reject(refused(this.#error));
    return new Promise((resolve, reject) => {
      let timer: Timer | undefined;
      const end = (): void => {
        timer?.cancel();
        signal?.removeEventListener("abort", abort);
      };
      const abort = (): void => {
        end();
        reject(signal?.reason);
      };
      if (limitMs < Infinity) {
        timer = clock.setTimer(limitMs, () => {
          end();
          reject(this.#late(limitMs));
        });
      }
      signal?.addEventListener("abort", abort);
      this.#telling!.promise.then(resolve, reject).finally(end);
    });
  }

  /** Watches, and again whenever a watch has ended. */
  async #keep(over: AbortSignal): Promise<void> {
    const { random } = this.#runtime;
    for (let failures = 0; !over.aborted;) {
      let wait = AGAIN.initialDelayMs;
      this.#isAgain = false;
      try {
        await this.#follow(over);
        failures = 0;
      } catch (error) {
        failures = this.#isLive ? 1 : failures + 1;
        wait = isLasting(error) ? REFUSED_MS : retryDelay(AGAIN, failures, random.next());
        if (!over.aborted) this.#failed(error);
      }
      if (over.aborted) return;
      this.#isLive = false;
      if (!this.#isAgain) await this.#wait(wait);
    }
  }

  async #wait(ms: number): Promise<void> {
    this.#waiting = new AbortController();
    await pause(this.#runtime, ms, this.#waiting.signal).catch(() => undefined);
  }

  /** Follows one watch to its end. */
  async #follow(over: AbortSignal): Promise<void> {
    const kv = await this.#registry.open();
    if (over.aborted) return;
    this.#view.begin();
    const watch = kv.watch({
      prefix: instancePrefix(),
      onInitial: () => this.#told(),
      signal: over,
    });
    this.#watch = watch;
    // What ends the watch ends the loop over it too.
    watch.ready.catch(() => undefined);
    for await (const change of watch) {
      if (over.aborted) return;
      this.#view.apply(change);
    }
  }

  /** Another server may be there, or the same one with other settings: what was said before counts no more. */
  #returned(): void {
    this.#error = undefined;
    this.#waiting?.abort();
  }

  #mustTell(): void {
    this.#since = this.#runtime.clock.monotonic();
    this.#telling = deferred<void>();
    // Perhaps nobody waits.
    this.#telling.promise.catch(() => undefined);
  }

  #told(): void {
    this.#view.told();
    this.#isLive = true;
    this.#hasTold = true;
    this.#error = undefined;
    this.#warned = undefined;
    this.#telling?.resolve();
    this.#telling = undefined;
  }

  #failed(cause: unknown): void {
    const { logger, transport } = this.#runtime;
    const error = cause instanceof Error ? cause : new Error(String(cause));
    // An outage is told by the bus already, and the same trouble once.
    if (transport.status === "connected" && this.#warned !== error.message) {
      this.#warned = error.message;
      logger.warn("The registry cannot be watched: what is known of instances is out of date", {
        error,
      });
    }
    this.#error = error;
    if (this.#telling === undefined || !isLasting(error)) return;
    this.#telling.reject(refused(error));
    this.#mustTell();
  }

  #late(limitMs: number): Error {
    const { transport } = this.#runtime;
    const within = `the registry was not read within ${Math.round(limitMs)} ms`;
    const options = this.#error === undefined ? {} : { cause: this.#error };
    return transport.status === "connected"
      ? new TimeoutError(`Cannot tell which instances there are: ${within}`, options)
      : new UnavailableError(
        `Cannot tell which instances there are: the bus is away, and ${within}`,
        options,
      );
  }

  #stop(reason: Error): void {
    this.#run?.abort(reason);
    this.#run = undefined;
    this.#waiting?.abort();
    void this.#watch?.stop();
    this.#watch = undefined;
    this.#telling?.reject(reason);
    this.#telling = undefined;
    this.#hasTold = false;
    this.#isLive = false;
    for (const listener of [...this.#onEnd]) listener();
  }
}

/** Whether the server has said no, and will until somebody changes something. */
function isLasting(error: unknown): error is AegisError {
  return AegisError.is(error) && !PASSING.includes(error.code) && error.code !== "CLOSED";
}

function refused(error: AegisError): AegisError {
  const message =
    `Cannot tell which instances there are: the registry cannot be watched: ${error.message}`;
  return new AegisError(error.code, message, { cause: error, details: error.details });
}
