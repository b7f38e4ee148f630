// A watch over the instances of one service, told as what has become of each since it was told of last.

import type { ServiceInstance } from "../domain/instance.ts";
import { isSameInstance } from "../domain/instance_change.ts";
import type { Directory } from "./discovery_directory.ts";

/** What became of an instance. */
export interface InstanceChange {
  /** Whether it is there now, is there no more, or is there and is another than it was in more than its load. */
  readonly type: "joined" | "left" | "changed";
  /** The instance as it is; of one that left, as it was last. */
  readonly instance: ServiceInstance;
}

/**
 * A watch over the instances of a service. First it tells those that are there as joined, then what changes. Of an
 * instance that changes faster than it is asked, the last state is told. It ends with the bus, the discovery, its
 * signal, or a `break` out of the loop over it.
 *
 * @example
 * ```ts
 * import { connect, createDiscovery, createService } from "@aegis/sdk";
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * await using bus = await connect({ servers: "memory:" });
 * await using stock = createService("stock", { bus, handlers: [], instanceId: "one" });
 * await stock.start();
 *
 * await using discovery = createDiscovery({ bus });
 * for await (const { type, instance } of discovery.watch("stock")) {
 *   deepStrictEqual([type, instance.instanceId], ["joined", "one"]);
 *   break; // a program goes on, and hears of `changed` and `left`
 * }
 * ```
 */
export interface InstanceWatch extends AsyncIterableIterator<InstanceChange>, AsyncDisposable {
  /** Ends it; the loop over it ends. */
  return(): Promise<IteratorResult<InstanceChange>>;
}

const DONE = Object.freeze({ done: true, value: undefined });

/** Watches the instances of a service, until `end` is called; `onEnd` is told when it has ended. */
export class InstanceWatcher implements InstanceWatch {
  readonly #directory: Directory;
  readonly #service: string;
  /** What was told of each that is there as far as was told. */
  readonly #told = new Map<string, ServiceInstance>();
  /** Those that may be others than was told, the one that has been for longest first. */
  readonly #due = new Set<string>();
  /** What waits for the registry goes by the one, all else by the other: in another request workers cannot ask a signal. */
  readonly #over: AbortController = new AbortController();
  #isOver = false;
  readonly #onEnd: (watcher: InstanceWatcher) => void;
  #unlisten: (() => void) | undefined;
  #wake: (() => void) | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  /** It begins with the first change that is asked for. */
  constructor(directory: Directory, service: string, onEnd: (watcher: InstanceWatcher) => void) {
    this.#directory = directory;
    this.#service = service;
    this.#onEnd = onEnd;
  }

  /** The next change. @throws {AegisError} when the registry cannot be watched. */
  async next(): Promise<IteratorResult<InstanceChange>> {
    this.#assertHere();
    // Those that ask at once are answered one after the other.
    const next = this.#turn.then(() => this.#next());
    this.#turn = next.catch(() => undefined);
    return await next;
  }

  /** Ends it. */
  async return(): Promise<IteratorResult<InstanceChange>> {
    await this[Symbol.asyncDispose]();
    return DONE;
  }

  /** Ends it; what waits for a change is told that there is none. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#over.abort();
    this.#unlisten?.();
    this.#wake?.();
    this.#onEnd(this);
  }

  /** Itself. */
  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Ends it. */
  [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#assertHere();
      this.end();
      return Promise.resolve();
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** @throws {TypeError} in another request than that of the bus, where nothing comes of it. */
  #assertHere(): void {
    if (!this.#isOver) this.#directory.assertHere();
  }

  async #next(): Promise<IteratorResult<InstanceChange>> {
    if (!this.#isOver && this.#unlisten === undefined) await this.#begin();
    while (!this.#isOver) {
      for (const instanceId of this.#due) {
        this.#due.delete(instanceId);
        const change = this.#changeOf(instanceId);
        if (change !== undefined) return { done: false, value: change };
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return DONE;
  }

  async #begin(): Promise<void> {
    const { feed, view } = this.#directory;
    try {
      await feed.ready(Infinity, this.#over.signal);
    } catch (error) {
      if (this.#isOver) return;
      this.end();
      throw error;
    }
    if (this.#isOver) return;
    this.#unlisten = view.listen(this.#service, (instanceId) => {
      this.#due.add(instanceId);
      this.#wake?.();
    });
    for (const instanceId of view.of(this.#service)!.there.keys()) this.#due.add(instanceId);
  }

  #changeOf(instanceId: string): InstanceChange | undefined {
    const before = this.#told.get(instanceId);
    const seen = this.#directory.find(this.#service, instanceId);
    if (seen === undefined) {
      if (before === undefined) return undefined;
      this.#told.delete(instanceId);
      return { type: "left", instance: before };
    }
    const { instance } = seen;
    this.#told.set(instanceId, instance);
    if (before === undefined) return { type: "joined", instance };
    return isSameInstance(before, instance) ? undefined : { type: "changed", instance };
  }
}
