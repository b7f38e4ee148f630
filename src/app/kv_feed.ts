// A feed: what becomes of the keys of a bucket, told to any number of watches by one look at the stream.

import { AegisError } from "../domain/error.ts";
import { type ResolvedRetryPolicy, resolveRetry, retryDelay } from "../domain/retry.ts";
import type { Timer } from "../ports/clock.ts";
import type { Follow, StoredMessage, StreamState } from "../ports/stream.ts";
import type { KvBucket } from "./kv_bucket.ts";
import { KvEnds } from "./kv_ends.ts";
import { type FeedEvent, type FeedPlace, put, removal, type Watcher } from "./kv_event.ts";
import type { KnownKeys } from "./kv_known.ts";
import { KvLooks } from "./kv_looks.ts";

/** The waits before it follows again. */
const AGAIN: ResolvedRetryPolicy = resolveRetry({
  attempts: 1_000_000,
  initialDelayMs: 50,
  maxDelayMs: 2_000,
});
/** How long it waits while the bus is away, which says when it is back, in milliseconds. */
const AWAY_MS = 5_000;
/**
 * What a feed does now: nothing; it begins to follow; what was there comes; all that was there has come; or it was lost and
 * waits.
 */
type Phase = "idle" | "beginning" | "catching up" | "live" | "waiting";

/** What is told of a feed to whoever keeps it. */
export interface FeedKeeper {
  /** The last watch has gone: it follows no longer. */
  readonly onIdle: (feed: KvFeed) => void;
  /** It is live, and something has changed in what it knows. */
  readonly onStep: () => void;
}

/** Follows the keys of a bucket that one filter lets through. */
export class KvFeed {
  readonly #bucket: KvBucket;
  readonly #filter: string;
  readonly #keeper: FeedKeeper;
  readonly #watchers = new Set<Watcher>();
  /** Those of them that do not hear yet of every change. */
  readonly #joining = new Set<Watcher>();
  readonly #ends: KvEnds;
  /** What was there already, for those that join. */
  #initial: FeedEvent[] = [];
  #phase: Phase = "idle";
  /** Counts the attempts to follow: what an older one says does not count. */
  #turn = 0;
  #follow: Follow | undefined;
  /** Whether nothing has been told yet. */
  #isFresh = true;
  /** Whether it has caught up with this stream once, and goes on where it was. */
  #goesOn = false;
  /** See {@linkcode FeedPlace}. */
  #heard = 0;
  #last = 0;
  #createdAt: number | undefined;
  /** The last sequence of the stream as it was followed. */
  #there = 0;
  #failures = 0;
  #error: AegisError | undefined;
  #timer: Timer | undefined;
  readonly #looks: KvLooks;

  /** Makes it; it follows as long as there are watches. */
  constructor(bucket: KvBucket, filter: string, keeper: FeedKeeper) {
    this.#bucket = bucket;
    this.#filter = filter;
    this.#keeper = keeper;
    this.#ends = new KvEnds(bucket, {
      isLive: () => this.isLive,
      onGone: ({ key, revision }) => {
        this.#tell(removal("purge", key, revision), true);
        this.#keeper.onStep();
      },
    });
    this.#looks = new KvLooks(bucket, filter, {
      known: this.known,
      place: () => this.place,
      onOther: () => void this.#begin(),
      onKeys: (isThere) => this.check(isThere),
    });
  }

  /** Whether it hears of every change. */
  get isLive(): boolean {
    return this.#phase === "live";
  }

  /** Whether who joins now is told all that is there. */
  get isFresh(): boolean {
    return this.#isFresh;
  }

  /** Why it was lost, until it has caught up again; undefined while nothing speaks against it. */
  get trouble(): AegisError | undefined {
    return this.#error;
  }

  /** How many watches it tells. */
  get watches(): number {
    return this.#watchers.size;
  }

  /** The keys that have a value, as far as it knows. */
  get known(): KnownKeys {
    return this.#ends.known;
  }

  /** Where it is. */
  get place(): FeedPlace {
    return { heard: this.#heard, last: this.#last, createdAt: this.#createdAt };
  }

  /** Tells one more: what changes, and what is there as well where it is fresh. */
  join(watcher: Watcher): void {
    this.#watchers.add(watcher);
    if (this.#phase === "live") watcher.caughtUp();
    else {
      this.#joining.add(watcher);
      if (this.#isFresh) watcher.begin(this.#initial);
    }
    if (this.#phase === "idle") void this.#begin();
  }

  /** Tells one no longer. */
  leave(watcher: Watcher): void {
    this.#joining.delete(watcher);
    if (this.#watchers.delete(watcher) && this.#watchers.size === 0) this.#stop();
  }

  /** Hands its watches to another one, which is live, knows what this one does, and tells what comes now. */
  handOver(other: KvFeed): void {
    for (const watcher of this.#watchers) other.#watchers.add(watcher);
    this.#watchers.clear();
    this.#stop();
  }

  /** Finds out what has become of those of its keys that are not there for somebody else. */
  check(isThere: (key: string) => boolean): void {
    this.#ends.check([...this.known.all()].filter(({ key }) => !isThere(key)));
  }

  /** The bus is there again: there is no need to wait any longer. */
  returned(): void {
    if (this.#phase === "waiting") void this.#begin();
  }

  /** Ends it, and every watch. */
  end(error: AegisError): void {
    for (const watcher of [...this.#watchers]) {
      this.leave(watcher);
      watcher.ended(error);
    }
  }

  #stop(): void {
    this.#rest("idle");
    this.known.clear();
    this.#keeper.onIdle(this);
  }

  /** Follows no longer. */
  #rest(phase: Phase): void {
    this.#turn++;
    this.#phase = phase;
    this.#follow?.stop();
    this.#follow = undefined;
    this.#timer?.cancel();
    this.#looks.stop();
  }

  async #begin(): Promise<void> {
    this.#rest("beginning");
    const turn = this.#turn;
    const { ports, time } = this.#bucket.parts;
    // What is told before it is known what time it is has to wait: nobody could say what has expired.
    let held: (() => void)[] | undefined = [];
    const inTurn = (task: () => void): void => {
      if (turn !== this.#turn) return;
      if (held === undefined) task();
      else held.push(task);
    };
    try {
      const state = await this.#bucket.found();
      if (turn !== this.#turn) return;
      this.#meet(state);
      const follow = ports.view.follow(this.#bucket.stream, {
        filter: this.#bucket.filter(this.#filter),
        from: this.#goesOn ? { sequence: this.#last + 1 } : "lastPerSubject",
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

  /** Meets a stream. If it is another one than before, all keys of that are gone, and revisions begin again. */
  #meet({ createdAt, lastSequence }: StreamState): void {
    if (this.#createdAt !== createdAt) {
      for (const { key, revision } of this.known.clear()) {
        this.#tell(removal("purge", key, revision), true);
      }
      this.#goesOn = false;
      this.#heard = 0;
      this.#last = 0;
    }
    this.#createdAt = createdAt;
    this.#there = lastSequence;
  }

  #hear(message: StoredMessage): void {
    if (this.#phase === "beginning") this.#phase = "catching up";
    this.#isFresh = false;
    this.#heard = Math.max(this.#heard, message.sequence);
    this.#last = Math.max(this.#last, message.sequence);
    this.#take(message);
    if (this.isLive) this.#keeper.onStep();
  }

  #take(message: StoredMessage): void {
    const { sequence, storedAt, subject } = message;
    const { time, ports: { view } } = this.#bucket.parts;
    time.saw(storedAt);
    if (this.#phase === "live") {
      time.doubt(storedAt, view, this.#bucket.stream, this.#bucket.filter(">"));
    }
    const key = this.#bucket.key(subject);
    const meaning = this.#bucket.meaning(message);
    const known = this.known.get(key);
    // What was replaced can show again when what has replaced it is removed; a watch never goes back.
    if (known !== undefined && known.revision >= sequence) return;
    if (meaning.kind !== "put") {
      this.known.remove(key);
      if (known === undefined && meaning.kind === "expired") return;
      const operation = meaning.kind === "delete" ? "delete" : "purge";
      return this.#tell(removal(operation, key, sequence), known !== undefined);
    }
    this.known.add(key, { subject, revision: sequence, meaning });
    // While nobody knows the time it counts as there: it is looked at again in a moment.
    if (meaning.expiresAt === undefined || meaning.expiresAt > (time.now() ?? -Infinity)) {
      return this.#tell(put(key, message, meaning), true);
    }
    // Who knows of the key is told when it is certain. To the others it was never there.
    if (known === undefined) this.#ends.bury(key);
  }

  /** Tells watches. Those that join hear only of what is there, and of what becomes of that. */
  #tell(event: FeedEvent, isThere: boolean): void {
    const isInitial = isThere && this.#joining.size > 0;
    if (isInitial) this.#initial.push(event);
    for (const watcher of this.#watchers) {
      if (!this.#joining.has(watcher)) {
        if (watcher.fits(event.key)) watcher.hear(event);
      } else if (isInitial) watcher.grown();
    }
  }

  #catchUp(): void {
    this.#phase = "live";
    this.#failures = 0;
    this.#error = undefined;
    this.#isFresh = false;
    // All that was there has come, or is not of these keys, or is gone.
    this.#last = Math.max(this.#last, this.#there);
    const wasHere = this.#goesOn;
    this.#goesOn = true;
    const joining = [...this.#joining];
    this.#joining.clear();
    this.#initial = [];
    for (const watcher of joining) watcher.caughtUp();
    // What has gone while it was away without a word does not come.
    this.#looks.start(wasHere);
    this.#keeper.onStep();
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
}
