// A bucket as one bus knows it: the stream behind it, how that keeps values, and reading from it.

import { ConflictError } from "../domain/error.ts";
import { bucketPrefix, bucketStream, decodeKey, encodeKey } from "../domain/kv_key.ts";
import { type KvKeeping, type KvMeaning, meaningOf, removalHeaders } from "../domain/kv_message.ts";
import type { StoredMessage, StreamState } from "../ports/stream.ts";
import { Lately } from "./kv_lately.ts";
import type { KvLimits, KvParts } from "./kv_parts.ts";
import { ensureBucket, type WantedBucket } from "./kv_plan.ts";
import { unless } from "./pause.ts";
import { store, type Storing } from "./storing.ts";

/** How long what nobody waits for may take, in milliseconds. */
const BACKGROUND_MS = 2_000;

/** One bucket. */
export class KvBucket {
  /** Its name. */
  readonly name: string;
  /** The stream behind it. */
  readonly stream: string;
  /** What it shares with others. */
  readonly parts: KvParts;
  /** What was read from it or written to it lately. */
  readonly lately: Lately = new Lately();
  readonly #prefix: string;
  readonly #burials = new Map<string, Promise<"done" | "conflict" | "failed">>();
  #wanted: WantedBucket;
  #state: StreamState;
  #renewing: Promise<void> | undefined;
  #heard = 0;

  private constructor(parts: KvParts, wanted: WantedBucket, state: StreamState) {
    this.parts = parts;
    this.name = wanted.name;
    this.stream = bucketStream(wanted.name);
    this.#prefix = bucketPrefix(wanted.name);
    this.#wanted = wanted;
    this.#state = state;
  }

  /** Opens a bucket, which is made where it is not there. */
  static async open(parts: KvParts, wanted: WantedBucket, limits: KvLimits): Promise<KvBucket> {
    return new KvBucket(parts, wanted, await ensure(parts, wanted, limits));
  }

  /** How the stream was when it was looked at last. */
  get state(): StreamState {
    return this.#state;
  }

  /** How it keeps what is written. */
  get keeping(): KvKeeping {
    const { maxAgeMs, maxMessagesPerSubject, messageTtl } = this.#state.config;
    return { ttlMs: maxAgeMs, history: maxMessagesPerSubject, messageTtl };
  }

  /** What was asked for when it was opened. */
  get wanted(): WantedBucket {
    return this.#wanted;
  }

  /** Asks for more than when it was opened; within `limits` the stream is compared with it. */
  async ask(wanted: WantedBucket, limits: KvLimits | undefined): Promise<void> {
    if (limits !== undefined) this.#state = await ensure(this.parts, wanted, limits);
    this.#wanted = wanted;
  }

  /** Looks at the stream; undefined where it is not there. */
  async look(): Promise<StreamState | undefined> {
    const state = await this.parts.ports.admin.stream(this.stream);
    if (state !== undefined) this.#meet(state);
    return state;
  }

  /** The stream, which is made again where it is gone. */
  async found(): Promise<StreamState> {
    if (await this.look() === undefined) await this.renew();
    return this.#state;
  }

  #meet(state: StreamState): void {
    if (state.createdAt !== this.#state.createdAt) this.#heard = 0;
    this.#state = state;
  }

  /** Makes it again, as it was asked for. Many who meet with its absence at the same time have it made once. */
  renew(): Promise<void> {
    const { runtime, ports } = this.parts;
    this.#renewing ??= ensureBucket(runtime, ports.admin, this.#wanted)
      .then((state) => this.#meet(state))
      .finally(() => this.#renewing = undefined);
    return this.#renewing;
  }

  /** The subject of a key. @throws {TypeError | RangeError} when it cannot be one. */
  subject(key: string): string {
    return this.#prefix + encodeKey(key);
  }

  /** The subjects of keys that a filter lets through. */
  filter(filter: string): string {
    return this.#prefix + filter;
  }

  /** The key of a subject. */
  key(subject: string): string {
    return decodeKey(subject.slice(this.#prefix.length));
  }

  /** What a message means. */
  meaning(message: StoredMessage): KvMeaning {
    return meaningOf(message, this.keeping);
  }

  /** Whether a value has come to its end, by the broker's time. */
  async isOver({ expiresAt }: KvMeaning): Promise<boolean> {
    if (expiresAt === undefined) return false;
    const { time, ports: { view } } = this.parts;
    const all = this.filter(">");
    return expiresAt <= await time.known(view, this.stream, all) &&
      expiresAt <= await time.sure(view, this.stream, all);
  }

  /** The last message of a subject: the leader's word, unless another server has the same. */
  async last(
    subject: string,
    withinMs: number,
    isDecisive = false,
  ): Promise<StoredMessage | undefined> {
    const { direct, replicas } = this.#state.config;
    const last = await this.parts.ports.store.last(this.stream, subject, {
      direct: direct && replicas === 1 && this.#wanted.direct && !isDecisive,
      timeoutMs: withinMs,
    });
    if (last !== undefined) this.hear(last.sequence);
    return last;
  }

  /** The highest sequence of those that were read or written; all up to it is in the past. */
  get heard(): number {
    return this.#heard;
  }

  /** Hears of a sequence that the stream has. */
  hear(sequence: number): void {
    if (sequence > this.#heard) this.#heard = sequence;
  }

  /** Writes what is safe to write again, over outages, and makes the bucket again where it is gone. */
  run<T>(
    what: string,
    { expiresAt, signal }: KvLimits,
    attempt: (withinMs: number) => Promise<T>,
    renewed: () => void = () => {},
  ): Promise<T> {
    const renew = () => this.renew().then(renewed);
    return this.#store({ what, expiresAt, signal, attempt, renew });
  }

  /** Reads, over outages, and makes the bucket again where it is gone. */
  read<T>(
    what: string,
    { expiresAt, signal }: KvLimits,
    attempt: (withinMs: number) => Promise<T>,
  ): Promise<T> {
    const renew = () => this.renew();
    return this.#store({ what, expiresAt, signal, attempt, renew, reads: true });
  }

  #store<T>(storing: Storing<T>): Promise<T> {
    const { runtime, parking } = this.parts;
    const { signal } = storing;
    if (signal?.aborted) return Promise.reject(signal.reason);
    const work = store(runtime, parking, storing);
    return signal === undefined ? work : unless(signal, work);
  }

  /**
   * Removes a value that has come to its end, unless somebody has written meanwhile: others are told of it, and its space
   * is free.
   */
  bury(subject: string, revision: number): Promise<"done" | "conflict" | "failed"> {
    const name = `${revision} ${subject}`;
    let burial = this.#burials.get(name);
    if (burial === undefined) {
      burial = this.#bury(subject, revision).finally(() => this.#burials.delete(name));
      this.#burials.set(name, burial);
    }
    return burial;
  }

  async #bury(subject: string, revision: number): Promise<"done" | "conflict" | "failed"> {
    const { parts, keeping } = this;
    try {
      const headers = removalHeaders("expired", parts.id(), revision, keeping);
      await parts.ports.store.publish(subject, "", headers, BACKGROUND_MS);
      return "done";
    } catch (error) {
      // Whoever reads it next tries again; that it has come to its end is known without that.
      return ConflictError.is(error) ? "conflict" : "failed";
    }
  }
}

function ensure(parts: KvParts, wanted: WantedBucket, limits: KvLimits): Promise<StreamState> {
  const { runtime, parking } = parts;
  return store(runtime, parking, {
    what: `open the bucket ${wanted.name}`,
    ...limits,
    attempt: () => ensureBucket(runtime, parts.ports.admin, wanted),
  });
}
