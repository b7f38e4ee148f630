// A watch: the changes of a feed, one after the other for whoever iterates.

import { deferred } from "../domain/deferred.ts";
import { type AegisError, ClosedError } from "../domain/error.ts";
import type { KvChange, KvEntry, KvWatch, KvWatchOptions } from "../ports/kv.ts";
import type { FeedEvent, Watcher } from "./kv_event.ts";
import { Backlog } from "./kv_backlog.ts";
import type { KvShared } from "./kv_shared.ts";
import { assertHere, type Runtime } from "./runtime.ts";

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

const NOTHING: readonly FeedEvent[] = [];

/** One watch. */
export class Watch<T> implements KvWatch<T>, Watcher {
  readonly ready: Promise<void>;
  readonly fits: (key: string) => boolean;
  readonly #parts: WatchParts<T>;
  readonly #options: KvWatchOptions;
  readonly #isReady = deferred<void>();
  /** What was there already, which others have too, and where it is in that. */
  #initial: readonly FeedEvent[] = NOTHING;
  #at = 0;
  /** What has changed since. */
  readonly #changes = new Backlog<FeedEvent>();
  readonly #abort = (): void => this.#end(this.#options.signal!.reason);
  #hasCaughtUp = false;
  #hasTold = false;
  #isOver = false;
  #error: AegisError | undefined;
  #wake: (() => void) | undefined;
  /** Whoever asks for the next change has it after those who asked before, and how many wait. */
  #turn: Promise<unknown> = Promise.resolve();
  #waiting = 0;

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

  begin(initial: readonly FeedEvent[]): void {
    if (this.#options.initial ?? true) this.#initial = initial;
  }

  grown(): void {
    this.#wake?.();
  }

  hear(event: FeedEvent): void {
    this.#changes.add(event);
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
    // With many keys this is what most of the time goes by: what is there is given at once.
    const change = this.#waiting === 0 ? this.#take() : undefined;
    if (change !== undefined && !(change instanceof Promise)) {
      return Promise.resolve({ done: false, value: change });
    }
    return this.#wait(change);
  }

  async return(): Promise<IteratorResult<KvChange<T>, undefined>> {
    await this.stop();
    return { done: true, value: undefined };
  }

  stop(): Promise<void> {
    try {
      this.#assertHere();
      this.#end(new ClosedError(`The watch of the bucket ${this.#parts.bucket} was stopped`));
      return Promise.resolve();
    } catch (error) {
      return Promise.reject(error);
    }
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /** Waits for the next change, after those who asked before. */
  async #wait(
    taken: Promise<KvChange<T> | undefined> | undefined,
  ): Promise<IteratorResult<KvChange<T>, undefined>> {
    this.#assertHere();
    const next = this.#turn.then(() => this.#next(taken));
    this.#waiting++;
    this.#turn = next.catch(() => undefined).then(() => this.#waiting--);
    return await next;
  }

  /** @throws {TypeError} in another request than that of the bus, where nothing comes of it. */
  #assertHere(): void {
    if (!this.#isOver) assertHere(this.#parts.runtime);
  }

  /** The next change, which may have been taken already and not be worked out. */
  async #next(
    taken: Promise<KvChange<T> | undefined> | undefined,
  ): Promise<IteratorResult<KvChange<T>, undefined>> {
    let change = await taken;
    while (change === undefined && !this.#isOver) {
      const next = this.#take();
      if (next === undefined) await new Promise<void>((resolve) => this.#wake = resolve);
      else change = await next;
    }
    if (change !== undefined && !this.#isOver) return { done: false, value: change };
    const error = this.#error;
    this.#error = undefined;
    if (error !== undefined) throw error;
    return { done: true, value: undefined };
  }

  /** Takes the next change that can be read, if there is one; a promise only where a schema is asynchronous. */
  #take(): KvChange<T> | Promise<KvChange<T> | undefined> | undefined {
    while (!this.#isOver) {
      const initial = this.#takeInitial();
      if (initial === undefined && this.#hasCaughtUp && !this.#hasTold) this.#tellInitial();
      const event = initial ?? (this.#hasTold ? this.#changes.take() : undefined);
      if (event === undefined) return undefined;
      const change = this.#change(event, initial !== undefined);
      if (change !== undefined) return change;
    }
    return undefined;
  }

  #takeInitial(): FeedEvent | undefined {
    while (this.#at < this.#initial.length) {
      const event = this.#initial[this.#at++]!;
      if (this.fits(event.key)) return event;
    }
    return undefined;
  }

  /** A change for the program; undefined where what was put cannot be read. */
  #change(
    event: FeedEvent,
    initial: boolean,
  ): KvChange<T> | Promise<KvChange<T> | undefined> | undefined {
    const { operation, key, revision } = event;
    if (operation !== "put") return { operation, key, revision, initial };
    try {
      const entry = this.#parts.entry(event);
      return entry instanceof Promise
        ? entry.then(
          (entry) => ({ operation, key, revision, initial, entry }),
          (error) => this.#passOver(event, error),
        )
        : { operation, key, revision, initial, entry };
    } catch (error) {
      return this.#passOver(event, error);
    }
  }

  #passOver(event: FeedEvent, error: unknown): undefined {
    if (event.isLogged) return;
    event.isLogged = true;
    const { key, revision } = event;
    this.#parts.runtime.logger.warn("A watch passes over a value that cannot be read", {
      bucket: this.#parts.bucket,
      key,
      revision,
      error: String(error),
    });
  }

  #tellInitial(): void {
    this.#hasTold = true;
    this.#initial = NOTHING;
    try {
      this.#options.onInitial?.();
    } catch (error) {
      this.#parts.runtime.logger.error("onInitial of a watch failed", {
        bucket: this.#parts.bucket,
        error: String(error),
      });
    }
  }

  #end(reason: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#options.signal?.removeEventListener("abort", this.#abort);
    this.#isReady.reject(reason);
    this.#initial = NOTHING;
    this.#changes.clear();
    this.#parts.feed.leave(this);
    this.#wake?.();
  }
}
