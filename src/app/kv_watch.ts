// A watch: the changes of a feed, one after the other for whoever iterates.

import { deferred } from "../domain/deferred.ts";
import { type AegisError, ClosedError } from "../domain/error.ts";
import type { KvChange, KvEntry, KvWatch, KvWatchOptions } from "../ports/kv.ts";
import type { FeedEvent, Watcher } from "./kv_event.ts";
import { Backlog } from "./kv_backlog.ts";
import type { KvShared } from "./kv_shared.ts";
import type { Runtime } from "./runtime.ts";

/** What a watch needs. */
export interface WatchParts<T> {
  readonly runtime: Runtime;
  /** Where the changes come from. */
  readonly feed: KvShared;
  /** The bucket's name. */
  readonly bucket: string;
  /** Whether a key is watched. */
  readonly fits: (key: string) => boolean;
  /** What was put. @throws what is wrong with it. */
  readonly entry: (event: FeedEvent) => KvEntry<T> | Promise<KvEntry<T>>;
}

/** One watch. */
export class Watch<T> implements KvWatch<T>, Watcher {
  readonly ready: Promise<void>;
  readonly fits: (key: string) => boolean;
  readonly #parts: WatchParts<T>;
  readonly #options: KvWatchOptions;
  readonly #isReady = deferred<void>();
  /** What was there already, and what has changed since. */
  readonly #first = new Backlog<FeedEvent>();
  readonly #changes = new Backlog<FeedEvent>();
  readonly #abort = (): void => this.#end(this.#options.signal!.reason);
  #hasCaughtUp = false;
  #hasTold = false;
  #isOver = false;
  #error: AegisError | undefined;
  #wake: (() => void) | undefined;
  /** Whoever asks for the next change has it after those who asked before. */
  #turn: Promise<unknown> = Promise.resolve();

  /** Begins. */
  constructor(parts: WatchParts<T>, options: KvWatchOptions) {
    const { signal, initial = true } = options;
    this.#parts = parts;
    this.#options = options;
    this.fits = parts.fits;
    this.ready = this.#isReady.promise;
    // Who does not look at it sees the loop end.
    this.ready.catch(() => {});
    signal?.addEventListener("abort", this.#abort, { once: true });
    if (signal?.aborted) this.#abort();
    else parts.feed.join(this, initial);
  }

  hear(event: FeedEvent, isInitial: boolean): void {
    if (!isInitial) this.#changes.add(event);
    else if (this.#options.initial ?? true) this.#first.add(event);
    this.#wake?.();
  }

  caughtUp(): void {
    this.#hasCaughtUp = true;
    this.#isReady.resolve();
    this.#wake?.();
  }

  ended(error: AegisError): void {
    // That the bus was closed ends a loop as stop() does.
    if (error.code !== "CLOSED") this.#error = error;
    this.#end(error);
  }

  next(): Promise<IteratorResult<KvChange<T>, undefined>> {
    const next = this.#turn.then(() => this.#next());
    this.#turn = next.catch(() => undefined);
    return next;
  }

  return(): Promise<IteratorResult<KvChange<T>, undefined>> {
    this.#stop();
    return Promise.resolve({ done: true, value: undefined });
  }

  stop(): Promise<void> {
    this.#stop();
    return Promise.resolve();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #next(): Promise<IteratorResult<KvChange<T>, undefined>> {
    while (!this.#isOver) {
      const isInitial = this.#first.size > 0;
      if (!isInitial && this.#hasCaughtUp && !this.#hasTold) this.#tellInitial();
      const event = isInitial || this.#hasTold
        ? (isInitial ? this.#first : this.#changes).take()
        : undefined;
      if (event === undefined) await new Promise<void>((resolve) => this.#wake = resolve);
      else {
        const change = await this.#change(event, isInitial);
        if (change !== undefined && !this.#isOver) return { done: false, value: change };
      }
    }
    const error = this.#error;
    this.#error = undefined;
    if (error !== undefined) throw error;
    return { done: true, value: undefined };
  }

  /** A change for the program; undefined where what was put cannot be read. */
  async #change(event: FeedEvent, initial: boolean): Promise<KvChange<T> | undefined> {
    const { operation, key, revision } = event;
    if (operation !== "put") return { operation, key, revision, initial };
    try {
      return { operation, key, revision, initial, entry: await this.#parts.entry(event) };
    } catch (error) {
      if (!event.isLogged) {
        event.isLogged = true;
        this.#parts.runtime.logger.warn("A watch passes over a value that cannot be read", {
          bucket: this.#parts.bucket,
          key,
          revision,
          error: String(error),
        });
      }
      return undefined;
    }
  }

  #tellInitial(): void {
    this.#hasTold = true;
    try {
      this.#options.onInitial?.();
    } catch (error) {
      this.#parts.runtime.logger.error("onInitial of a watch failed", {
        bucket: this.#parts.bucket,
        error: String(error),
      });
    }
  }

  #stop(): void {
    this.#end(new ClosedError(`The watch of the bucket ${this.#parts.bucket} was stopped`));
  }

  #end(reason: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#options.signal?.removeEventListener("abort", this.#abort);
    this.#isReady.reject(reason);
    this.#first.clear();
    this.#changes.clear();
    this.#parts.feed.leave(this);
    this.#wake?.();
  }
}
