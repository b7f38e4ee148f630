// What tests of feeds share: a bucket over a stream that is followed by hand.

import { createLogger } from "../../mod.ts";
import { ManualClock } from "../../testing.ts";
import { KvBucket } from "../../src/app/kv_bucket.ts";
import type { FeedEvent, Watcher } from "../../src/app/kv_event.ts";
import { KvFeeds } from "../../src/app/kv_feeds.ts";
import type { KvParts } from "../../src/app/kv_parts.ts";
import { BrokerTime } from "../../src/app/kv_time.ts";
import type { Runtime } from "../../src/app/runtime.ts";
import type { FollowOptions, StoredMessage, StreamState } from "../../src/ports/stream.ts";

/** Lets promises settle. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setTimeout(resolve));
}

/** A watch that keeps the words it is told; those of what was there already in brackets. */
export class Listener implements Watcher {
  readonly words: string[] = [];
  isReady = false;
  error: Error | undefined;
  #initial: readonly FeedEvent[] = [];
  #at = 0;

  fits(): boolean {
    return true;
  }

  begin(initial: readonly FeedEvent[]): void {
    this.#initial = initial;
  }

  grown(): void {
    for (; this.#at < this.#initial.length; this.#at++) {
      this.words.push(`(${wordOf(this.#initial[this.#at]!)})`);
    }
  }

  hear(event: FeedEvent): void {
    this.words.push(wordOf(event));
  }

  caughtUp(): void {
    this.isReady = true;
  }

  ended(error: Error): void {
    this.error = error;
  }
}

function wordOf({ operation, key, revision }: FeedEvent): string {
  return `${operation} ${key} ${revision}`;
}

/** Somebody who follows the stream. It is told what the test hands to it. */
export class Followed {
  readonly options: FollowOptions;
  readonly began: Promise<number>;
  isStopped = false;
  readonly #stage: FeedStage;

  constructor(stage: FeedStage, options: FollowOptions) {
    this.#stage = stage;
    this.options = options;
    this.began = Promise.resolve(stage.clock.now());
  }

  stop(): void {
    this.isStopped = true;
  }

  /** Hands over messages by their sequences. */
  tell(...sequences: readonly number[]): void {
    for (const sequence of sequences) this.options.onMessage(this.#stage.written(sequence));
  }

  /** Says that all has come. */
  caughtUp(): void {
    this.options.onCaughtUp();
  }

  lose(error: Error): void {
    this.isStopped = true;
    this.options.onLost(error);
  }
}

/** A bucket whose stream holds what the test says. */
export class FeedStage {
  readonly clock: ManualClock = new ManualClock();
  readonly feeds: KvFeeds = new KvFeeds();
  /** Those who follow for the values, in the order in which they began. */
  readonly followed: Followed[] = [];
  /** Whether who lists the keys is told nothing. */
  isSilent = false;
  /** How often all keys were listed. */
  listed = 0;
  #createdAt = 1;
  #sequence = 0;
  readonly #written = new Map<number, StoredMessage>();
  readonly #held = new Map<string, StoredMessage>();
  #bucket: KvBucket | undefined;

  async open(): Promise<this> {
    const runtime = {
      name: "test",
      replicas: 1,
      clock: this.clock,
      logger: createLogger({ level: "silent" }),
      random: { next: () => 0.5 },
      transport: { status: "connected", messaging: { connected: true }, onStatus: () => () => {} },
    } as unknown as Runtime;
    const ports = {
      admin: { stream: () => Promise.resolve(this.#state()) },
      store: {
        last: (_stream: string, subject: string) => Promise.resolve(this.#held.get(subject)),
        read: (_stream: string, from: number) =>
          Promise.resolve([...this.#held.values()].find(({ sequence }) => sequence >= from)),
        publish: () => Promise.reject(new Error("nothing is written here")),
      },
      view: { follow: (_stream: string, options: FollowOptions) => this.#follow(options) },
    } as unknown as KvParts["ports"];
    const parts = { runtime, ports, time: new BrokerTime(runtime), id: () => "id" };
    const limits = { expiresAt: this.clock.monotonic() + 1_000 };
    const wanted = { name: "b", asked: {}, adopt: true, direct: true };
    this.#bucket = await KvBucket.open(parts as unknown as KvParts, wanted, limits);
    return this;
  }

  get bucket(): KvBucket {
    return this.#bucket!;
  }

  /** Begins a watch. */
  async watch(wantsAll = true, filter = ">"): Promise<Listener> {
    const listener = new Listener();
    this.feeds.of(this.#bucket!, filter).join(listener, wantsAll);
    await settled();
    return listener;
  }

  /** Ends one. */
  leave(listener: Listener, filter = ">"): void {
    this.feeds.of(this.#bucket!, filter).leave(listener);
  }

  /** Those who follow still. */
  get following(): readonly Followed[] {
    return this.followed.filter(({ isStopped }) => !isStopped);
  }

  /** Puts a key: the stream has it, and nobody has heard of it. Its sequence. */
  put(key: string): number {
    return this.#write(key, {});
  }

  /** The same for a deletion. */
  delete(key: string): number {
    return this.#write(key, { "KV-Operation": "DEL" });
  }

  /** A key goes without a word. */
  vanish(key: string): void {
    this.#held.delete(`$KV.b.${key}`);
  }

  /** The stream is removed and made anew. */
  renew(): void {
    this.#held.clear();
    this.#createdAt++;
    this.#sequence = 0;
  }

  written(sequence: number): StoredMessage {
    return this.#written.get(sequence)!;
  }

  /** Moves the clock on, and lets what that has begun come to its end. */
  async pass(ms: number): Promise<void> {
    this.clock.advance(ms);
    await settled();
  }

  #write(key: string, headers: Readonly<Record<string, string>>): number {
    const subject = `$KV.b.${key}`;
    const sequence = ++this.#sequence;
    const storedAt = this.clock.now();
    const message = { subject, sequence, storedAt, data: new Uint8Array(), headers };
    this.#written.set(sequence, message);
    this.#held.delete(subject);
    this.#held.set(subject, message);
    return sequence;
  }

  #follow(options: FollowOptions): Followed {
    const followed = new Followed(this, options);
    if (options.headersOnly) {
      this.listed++;
      if (this.isSilent) return followed;
      for (const message of this.#held.values()) options.onMessage(message);
      options.onCaughtUp();
    } else this.followed.push(followed);
    return followed;
  }

  #state(): StreamState {
    const config = {
      name: "KV_b",
      subjects: ["$KV.b.>"],
      maxAgeMs: 0,
      maxMessagesPerSubject: 1,
      messageTtl: true,
      direct: true,
      replicas: 1,
    } as unknown as StreamState["config"];
    return {
      config,
      createdAt: this.#createdAt,
      messages: this.#held.size,
      bytes: 0,
      firstSequence: 1,
      lastSequence: this.#sequence,
    };
  }
}
