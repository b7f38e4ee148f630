// A feed: what becomes of the keys of a bucket, told to any number of watches by one look at the stream.

import { AegisError } from "../domain/error.ts";
import { type ResolvedRetryPolicy, resolveRetry, retryDelay } from "../domain/retry.ts";
import type { Timer } from "../ports/clock.ts";
import type { Follow, StoredMessage, StreamState } from "../ports/stream.ts";
import type { KvBucket } from "./kv_bucket.ts";
import { KvEnds } from "./kv_ends.ts";
import { type FeedEvent, type FeedHealth, put, removal, type Watcher } from "./kv_event.ts";

/** The waits before it follows again. */
const AGAIN: ResolvedRetryPolicy = resolveRetry({
  attempts: 1_000_000,
  initialDelayMs: 50,
  maxDelayMs: 2_000,
});
/** How long it waits while the bus is away, which says when it is back, in milliseconds. */
const AWAY_MS = 5_000;
/** How often it is looked whether the stream is still the same, in milliseconds, and how much that is spread. */
const LOOK_MS = 10_000;
const LOOK_SPREAD_MS = 5_000;

/**
 * What a feed does now: nothing; it begins to follow; what was there comes; all that was there has come; or it was lost and
 * waits.
 */
type Phase = "idle" | "beginning" | "catching up" | "live" | "waiting";

/** Follows the keys of a bucket that one filter lets through. */
export class KvFeed {
  readonly #bucket: KvBucket;
  readonly #filter: string;
  readonly #onIdle: () => void;
  readonly #watchers = new Set<Watcher>();
  /** Those of them that have not heard yet of all that was there as they came. */
  readonly #joining = new Set<Watcher>();
  /** Those for which it is followed anew as soon as it has caught up. */
  readonly #asking = new Set<Watcher>();
  readonly #ends: KvEnds;
  #phase: Phase = "idle";
  /** Counts the attempts to follow: what an older one says does not count. */
  #turn = 0;
  #follow: Follow | undefined;
  /** The keys that have come since it was followed anew. */
  #seen = new Set<string>();
  /** The highest revision, and what that was as it was followed anew. */
  #last = 0;
  #before = 0;
  /** The stream as it was followed anew: its last sequence, and when it was made. */
  #there = 0;
  #createdAt: number | undefined;
  #failures = 0;
  #error: AegisError | undefined;
  #timer: Timer | undefined;
  /** The last sequence of the stream when it was looked at last. */
  #looked = 0;

  /** Makes it; it follows as long as there are watches. `onIdle` is called when the last one has gone. */
  constructor(bucket: KvBucket, filter: string, onIdle: () => void) {
    this.#bucket = bucket;
    this.#filter = filter;
    this.#onIdle = onIdle;
    this.#ends = new KvEnds(bucket, {
      isLive: () => this.#phase === "live",
      onGone: ({ key, revision }) => this.#tell(removal("purge", key, revision), false),
    });
  }

  /** How it is doing. */
  get health(): FeedHealth {
    return {
      bucket: this.#bucket.name,
      filter: this.#filter,
      live: this.#phase !== "waiting",
      error: this.#error?.message,
      watches: this.#watchers.size + this.#asking.size,
      keys: this.#ends.known.size,
    };
  }

  /** Tells one more; `wantsAll` says whether of what is there already too. */
  join(watcher: Watcher, wantsAll: boolean): void {
    if (this.#phase === "catching up" || (this.#phase === "live" && wantsAll)) {
      this.#asking.add(watcher);
    } else {
      this.#watchers.add(watcher);
      if (this.#phase === "live") watcher.caughtUp();
      else this.#joining.add(watcher);
    }
    if (this.#phase === "idle" || this.#phase === "live" && wantsAll) void this.#begin();
  }

  /** Tells one no longer. */
  leave(watcher: Watcher): void {
    this.#asking.delete(watcher);
    this.#joining.delete(watcher);
    this.#watchers.delete(watcher);
    if (this.#watchers.size + this.#asking.size > 0 || this.#phase === "idle") return;
    this.#rest("idle");
    this.#ends.known.clear();
    this.#onIdle();
  }

  /** The bus is there again: there is no need to wait any longer. */
  returned(): void {
    if (this.#phase === "waiting") void this.#begin();
  }

  /** Ends it, and every watch. */
  end(error: AegisError): void {
    for (const watcher of [...this.#watchers, ...this.#asking]) {
      this.leave(watcher);
      watcher.ended(error);
    }
  }

  /** Follows no longer. */
  #rest(phase: Phase): void {
    this.#turn++;
    this.#phase = phase;
    this.#follow?.stop();
    this.#follow = undefined;
    this.#timer?.cancel();
  }

  async #begin(): Promise<void> {
    this.#rest("beginning");
    const turn = this.#turn;
    for (const watcher of this.#asking) this.#joining.add(watcher);
    for (const watcher of this.#asking) this.#watchers.add(watcher);
    this.#asking.clear();
    this.#seen = new Set();
    const { ports, time } = this.#bucket.parts;
    // What is told before it is known what time it is has to wait: nobody could say what has expired.
    let held: (() => void)[] | undefined = [];
    const inTurn = (task: () => void): void => {
      if (turn !== this.#turn) return;
      if (held === undefined) task();
      else held.push(task);
    };
    try {
      const state = await this.#state();
      if (turn !== this.#turn) return;
      this.#meet(state);
      const follow = ports.view.follow(this.#bucket.stream, {
        filter: this.#bucket.filter(this.#filter),
        from: "lastPerSubject",
        onMessage: (message) => inTurn(() => this.#hear(message)),
        onCaughtUp: () => inTurn(() => this.#catchUp()),
        onLost: (error) => turn === this.#turn ? this.#lose(error) : undefined,
      });
      this.#follow = follow;
      time.set(await follow.began);
      const first = held;
      held = undefined;
      first.forEach(inTurn);
    } catch (error) {
      if (turn === this.#turn) this.#lose(error);
    }
  }

  /** The stream, which is made again where it is gone. */
  async #state(): Promise<StreamState> {
    const state = await this.#bucket.look();
    if (state !== undefined) return state;
    await this.#bucket.renew();
    return this.#bucket.state;
  }

  /** Meets a stream. If it is another one than before, all keys of that are gone, and revisions begin again. */
  #meet({ createdAt, lastSequence }: StreamState): void {
    if (this.#createdAt !== createdAt) {
      for (const { key, revision } of this.#ends.known.clear()) {
        this.#tell(removal("purge", key, revision), false);
      }
      this.#last = 0;
    }
    this.#createdAt = createdAt;
    this.#before = this.#last;
    this.#there = lastSequence;
  }

  #hear(message: StoredMessage): void {
    if (this.#phase === "beginning") this.#phase = "catching up";
    const { sequence, storedAt, subject } = message;
    const { time } = this.#bucket.parts;
    const { known: keys } = this.#ends;
    time.saw(storedAt);
    const key = this.#bucket.key(subject);
    const meaning = this.#bucket.meaning(message);
    const wasSeen = this.#phase === "live" || this.#seen.has(key);
    if (this.#phase !== "live") this.#seen.add(key);
    const isNew = sequence > this.#before;
    this.#last = Math.max(this.#last, sequence);
    const known = keys.get(key);
    // What was replaced can show again when what has replaced it is removed; a watch never goes back.
    if (known !== undefined && known.revision > sequence) return;
    if (meaning.kind !== "put") {
      keys.remove(key);
      if (known === undefined && (meaning.kind === "expired" || !isNew)) return;
      const operation = meaning.kind === "delete" ? "delete" : "purge";
      return this.#tell(removal(operation, key, sequence), wasSeen);
    }
    if (isNew || known !== undefined) keys.add(key, { subject, revision: sequence, meaning });
    if (meaning.expiresAt !== undefined && meaning.expiresAt <= time.now()!) {
      // Who knows of it is told when it is certain. To the others it was never there.
      if (known === undefined) this.#ends.bury(key);
      return;
    }
    if (known?.revision !== sequence && isNew) this.#tell(put(key, message, meaning), true);
    else if (this.#joining.size > 0) this.#tell(put(key, message, meaning), true, this.#joining);
  }

  /** Tells watches. Those that join hear only of what is there, and of what becomes of that. */
  #tell(event: FeedEvent, isThere: boolean, watchers: ReadonlySet<Watcher> = this.#watchers): void {
    for (const watcher of watchers) {
      const isInitial = this.#joining.has(watcher);
      if ((isThere || !isInitial) && watcher.fits(event.key)) watcher.hear(event, isInitial);
    }
  }

  #catchUp(): void {
    this.#phase = "live";
    this.#failures = 0;
    this.#error = undefined;
    // All that was there has come, or is not of these keys, or is gone.
    this.#last = Math.max(this.#last, this.#there);
    this.#ends.check([...this.#ends.known.all()].filter(({ key }) => !this.#seen.has(key)));
    this.#seen.clear();
    const joining = [...this.#joining];
    this.#joining.clear();
    for (const watcher of joining) watcher.caughtUp();
    if (this.#asking.size > 0) void this.#begin();
    else this.#lookLater();
  }

  #lose(error: unknown): void {
    const { runtime: { transport, clock, random, logger } } = this.#bucket.parts;
    this.#rest("waiting");
    this.#error = AegisError.is(error) ? error : new AegisError("INTERNAL_ERROR", String(error));
    const { code, message } = this.#error;
    if (code === "CLOSED" || code === "PERMISSION_DENIED") return this.end(this.#error);
    this.#failures++;
    const isHere = transport.status === "connected";
    if (isHere && this.#failures === 2) {
      logger.warn(`The bucket ${this.#bucket.name} cannot be watched at the moment`, {
        error: message,
      });
    }
    const wait = isHere ? retryDelay(AGAIN, this.#failures, random.next()) : AWAY_MS;
    this.#timer = clock.setTimer(wait, () => void this.#begin());
  }

  #lookLater(): void {
    const { runtime: { clock, random } } = this.#bucket.parts;
    const wait = LOOK_MS + LOOK_SPREAD_MS * random.next();
    this.#timer = clock.setTimer(wait, () => void this.#look());
  }

  /** Looks whether the stream is still the same, and holds what is known to be in it. */
  async #look(): Promise<void> {
    const turn = this.#turn;
    let state: StreamState | undefined;
    try {
      state = await this.#bucket.look();
    } catch {
      // The bus is away, or slow; what is followed says so itself when it is lost.
      if (turn === this.#turn) this.#lookLater();
      return;
    }
    if (turn !== this.#turn) return;
    const keys = this.#ends.known;
    const isSame = state?.createdAt === this.#createdAt;
    const isBehind = this.#filter === ">" && this.#looked > this.#last;
    const isShort = state !== undefined && (state.messages < keys.size ||
      [...keys.all()].some(({ revision }) => revision < state.firstSequence));
    this.#looked = state?.lastSequence ?? 0;
    if (!isSame || isBehind || isShort) void this.#begin();
    else this.#lookLater();
  }
}
