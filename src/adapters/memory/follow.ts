// Following a stream of the embedded broker over one connection.

import { deferred } from "../../domain/deferred.ts";
import { ClosedError, UnavailableError } from "../../domain/error.ts";
import type { Follow, FollowOptions, StoredMessage } from "../../ports/stream.ts";
import { matcher } from "./pattern.ts";
import { readable, withoutBody } from "./readable.ts";
import { type Follower, type MemoryStream, noStream } from "./stream.ts";
import type { Stored } from "./stream_log.ts";

/** How many messages follow one another before something else has its turn. */
const BATCH = 64;

/** What following needs of its connection. */
export interface FollowLink {
  /** Whether the broker is there. */
  readonly isHere: () => boolean;
  /** Whether the connection is over. */
  readonly isOver: () => boolean;
  /** The stream, if it is there. */
  readonly find: () => MemoryStream | undefined;
  /** The broker's time, in milliseconds since the epoch. */
  readonly now: () => number;
  /** Runs something in the broker's next turn. */
  readonly post: (task: () => void) => void;
  /** Called when it has ended. */
  readonly onEnd: (follow: MemoryFollow) => void;
  /** Logs what a listener threw. */
  readonly failed: (error: unknown) => void;
}

/** One stream that is followed. */
export class MemoryFollow implements Follow, Follower {
  readonly began: Promise<number>;
  readonly #link: FollowLink;
  readonly #name: string;
  readonly #options: FollowOptions;
  readonly #fits: (subject: string) => boolean;
  readonly #begun = deferred<number>();
  #stream: MemoryStream | undefined;
  /** The sequences that come first, the last of each subject. */
  #first: readonly number[] = [];
  #at = 0;
  /** The sequence from which on everything comes. */
  #next = 0;
  /** The last sequence that was there as it began. */
  #there = 0;
  #caughtUp = false;
  #posted = true;
  #done = false;

  /** Begins in the broker's next turn. */
  constructor(link: FollowLink, name: string, options: FollowOptions) {
    this.#link = link;
    this.#name = name;
    this.#options = options;
    this.#fits = matcher(options.filter);
    this.began = this.#begun.promise;
    // Who does not look at it hears of it by onLost.
    this.began.catch(() => {});
    link.post(() => this.#begin());
  }

  stop(): void {
    if (!this.#end()) return;
    this.#begun.reject(new ClosedError(`Cannot follow the stream ${this.#name}: it was stopped`));
  }

  stored(): void {
    if (this.#posted) return;
    this.#posted = true;
    this.#link.post(() => this.#deliver());
  }

  gone(): void {
    const what = `follow the stream ${this.#name}: it was removed`;
    this.#link.post(() => this.#lose(noStream(what, { stream: this.#name })));
  }

  /** The broker is away, or the connection is over. */
  cut(): void {
    this.#lose(
      this.#link.isOver()
        ? new ClosedError(`Cannot follow the stream ${this.#name}: the bus is closed`)
        : new UnavailableError(`Cannot follow the stream ${this.#name}: the bus is away`),
    );
  }

  #begin(): void {
    if (this.#done) return;
    if (!this.#link.isHere()) return this.cut();
    const stream = this.#stream = this.#link.find();
    if (stream === undefined) {
      const what = `follow the stream ${this.#name}: there is no such stream`;
      return this.#lose(noStream(what, { stream: this.#name }));
    }
    const { from } = this.#options;
    this.#there = stream.state.lastSequence;
    this.#next = this.#there + 1;
    if (from === "lastPerSubject") this.#first = stream.latest(this.#fits);
    else if (from !== "new") this.#next = Math.min(from.sequence, this.#next);
    stream.followers.add(this);
    this.#begun.resolve(this.#link.now());
    this.#deliver();
  }

  #deliver(): void {
    this.#posted = false;
    for (let count = 0; !this.#done; count++) {
      const stored = this.#take();
      if (!this.#caughtUp && (stored === undefined || stored.sequence > this.#there)) {
        this.#caughtUp = true;
        this.#tell(() => this.#options.onCaughtUp());
      }
      if (stored === undefined || this.#done) return;
      const message = readable(stored);
      this.#tell(() => this.#options.onMessage(this.#shown(message)));
      if (count >= BATCH) return this.stored();
    }
  }

  /** The next message that is still there. */
  #take(): Stored | undefined {
    const stream = this.#stream!;
    while (this.#at < this.#first.length) {
      const sequence = this.#first[this.#at++]!;
      const stored = stream.next(sequence);
      if (stored?.sequence === sequence) return stored;
    }
    let stored = stream.next(this.#next);
    while (stored !== undefined && !this.#fits(stored.message.subject)) {
      stored = stream.next(stored.sequence + 1);
    }
    this.#next = (stored?.sequence ?? stream.state.lastSequence) + 1;
    return stored;
  }

  #shown(message: StoredMessage): StoredMessage {
    return this.#options.headersOnly === true ? withoutBody(message) : message;
  }

  #lose(error: Error): void {
    if (!this.#end()) return;
    this.#begun.reject(error);
    this.#tell(() => this.#options.onLost(error));
  }

  /** Ends it; false when it has ended before. */
  #end(): boolean {
    if (this.#done) return false;
    this.#done = true;
    this.#stream?.followers.delete(this);
    this.#link.onEnd(this);
    return true;
  }

  #tell(listener: () => void): void {
    try {
      listener();
    } catch (error) {
      this.#link.failed(error);
    }
  }
}
