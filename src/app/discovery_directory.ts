// The directory of a bus: who is there, as one view knows it that a single watch feeds.

import type { SelectStrategy } from "../domain/selection.ts";
import { choose } from "../domain/selection.ts";
import { DiscoveryFeed, type RegistryBucket } from "./discovery_feed.ts";
import type { Choices, Seen } from "./discovery_service.ts";
import { DiscoveryView } from "./discovery_view.ts";
import { assertHere, type Runtime } from "./runtime.ts";

/** For how long calls wait to know who is there, since it is looked for, in milliseconds. */
const KNOW_MS = 1_000;
const HEALTHY = { onlyHealthy: true, version: undefined };

/** Who is there, for all that look and call on one bus. */
export class Directory {
  /** What is known. */
  readonly view: DiscoveryView;
  /** What keeps it up to date. */
  readonly feed: DiscoveryFeed;
  readonly #runtime: Runtime;
  #isUsed = false;

  /** It does nothing before somebody looks. */
  constructor(runtime: Runtime, registry: RegistryBucket) {
    this.#runtime = runtime;
    this.view = new DiscoveryView(runtime);
    this.feed = new DiscoveryFeed(runtime, this.view, registry);
  }

  /** @throws {TypeError} in another request than that of the bus, where requests cannot share one. */
  assertHere(): void {
    assertHere(this.#runtime);
  }

  /** Whether it is known who is there, and up to date. */
  get isKnown(): boolean {
    return !this.feed.stale;
  }

  /** For calls: begins to look, and goes on until the bus is closed. They wait no longer than it takes when all is well. */
  know(limitMs: number, signal: AbortSignal | undefined): Promise<void> | undefined {
    if (!this.#isUsed) {
      this.#isUsed = true;
      this.feed.use();
    }
    const left = this.feed.since + KNOW_MS - this.#runtime.clock.monotonic();
    return this.feed.ready(Math.max(0, Math.min(limitMs, left)), signal);
  }

  /** One of the healthy ones that a method can be called of and that are not left out. */
  choose(
    { service, method }: { readonly service: string; readonly method: string },
    strategy: SelectStrategy,
    key: string,
    isLeftOut: ((instanceId: string) => boolean) | undefined,
  ): Seen | undefined {
    const choices = this.view.of(service)?.choices(HEALTHY, method);
    return choices && this.pick(choices, strategy, key, isLeftOut);
  }

  /** One of several. */
  pick(
    choices: Choices,
    strategy: SelectStrategy,
    key: string,
    isLeftOut?: (instanceId: string) => boolean,
  ): Seen | undefined {
    const seen = isLeftOut === undefined
      ? choices.seen
      : choices.seen.filter(({ instanceId }) => !isLeftOut(instanceId));
    const random = (): number => this.#runtime.random.next();
    return choose(seen, { strategy, key, turn: choices.turn++, random });
  }

  /** An instance by its name. */
  find(service: string, instanceId: string): Seen | undefined {
    return this.view.of(service)?.there.get(instanceId);
  }

  /** Whether an instance was there and has gone. */
  hasGone(service: string, instanceId: string): boolean {
    return this.view.hasGone(service, instanceId);
  }

  /** Calls `listener` each time that it is seen that an instance has gone; what it returns ends that. */
  onGone(service: string, instanceId: string, listener: () => void): () => void {
    return this.view.listen(service, (id) => {
      if (id === instanceId && this.view.hasGone(service, id)) listener();
    });
  }

  /** Nobody was found at an instance. */
  missed(service: string, instanceId: string): void {
    const seen = this.find(service, instanceId);
    if (seen !== undefined) this.view.missed(seen);
  }
}
