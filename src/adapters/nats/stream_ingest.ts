// Fast ingest: a burst of messages for one stream, which the server acknowledges some hundreds at a time.

import { ClosedError, TimeoutError, UnavailableError } from "../../domain/error.ts";
import type { Messaging, Subscription } from "../../ports/messaging.ts";
import type { Ingest, IngestOptions } from "../../ports/stream.ts";
import { IngestBatch, type IngestMessage } from "./ingest_batch.ts";
import type { ApiError } from "./pub_ack.ts";
import { pause } from "./pause.ts";
import type { Enlisted } from "./pull_parts.ts";
import { translateApiError } from "./stream_error.ts";

/** What bursts are made over. */
export interface IngestParts {
  readonly messaging: Messaging;
  /** Those who are told when the bus goes and comes. */
  readonly enlisted: Set<Enlisted>;
  /** A subject of this connection's own that was never used; its last token is unlike that of any other connection. */
  readonly inbox: () => string;
  /** Logs what somebody who was told something threw. */
  readonly failed: (what: string, error: unknown) => void;
  /** Publishes a message by itself; resolves when it is stored. */
  readonly publish: (message: IngestMessage) => Promise<unknown>;
  /** Called when the server says that the stream takes no bursts. */
  readonly onUnsupported: (stream: string) => void;
}

/** How often it is looked how a burst goes, in milliseconds. */
const LOOK_MS = 25;
/** After how long without a new message what is under way is committed, in milliseconds, and after how long in any case. */
const LINGER_MS = 25;
const COMMIT_MS = 250;
/** After how long without a word from the server a burst is broken, in milliseconds. */
const SILENCE_MS = 10_000;
/** How long after it was missed a message may be said to have been refused, in milliseconds. */
const REFUSAL_MS = 50;
/** How many messages go by themselves when the first one of a batch was there before: others may be too. */
const SINGLES = 256;
/** How many messages are held at least before the first word of the server. */
const FIRST_WINDOW = 1_000;
const UNSUPPORTED = 10205;

/** A burst of messages over NATS: batches, one after another. */
export class NatsIngest implements Ingest, Enlisted {
  readonly #parts: IngestParts;
  readonly #stream: string;
  readonly #options: IngestOptions;
  readonly #inbox: string;
  readonly #subscription: Subscription;
  readonly #timer: ReturnType<typeof setInterval>;
  /** What waits for the server's word that a batch has begun, or was committed. */
  #held: IngestMessage[] = [];
  #batch: IngestBatch | undefined;
  #batches = 0;
  #window = FIRST_WINDOW;
  #added = 0;
  /** How many are stored for certain, and how many of these before the batch. */
  #stored = 0;
  #before = 0;
  /** Whether everything is held, since the next batch cannot begin yet. */
  #holding = false;
  #addedAt = 0;
  #heardAt = performance.now();
  #ending = false;
  #over = false;
  #room: (() => void)[] = [];
  #ended: (() => void)[] = [];

  /** Begins a burst. @throws what {@linkcode Messaging.subscribe} throws. */
  constructor(parts: IngestParts, stream: string, options: IngestOptions) {
    this.#parts = parts;
    this.#stream = stream;
    this.#options = options;
    this.#inbox = parts.inbox();
    this.#subscription = parts.messaging.subscribe(`${this.#inbox}.>`, {
      onMessage: (message) => this.#batch?.receive(message),
      onError: (error) => this.#break(error),
    });
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
    parts.enlisted.add(this);
  }

  get hasRoom(): boolean {
    return this.#over || this.#added - this.#stored < this.#window;
  }

  add(subject: string, body: string | Uint8Array, headers: Readonly<Record<string, string>>): void {
    if (this.#over || this.#ending) return;
    this.#added++;
    this.#send({ subject, body, headers });
  }

  ready(): Promise<void> {
    return this.hasRoom ? Promise.resolve() : new Promise((resolve) => this.#room.push(resolve));
  }

  end(): Promise<void> {
    this.#ending = true;
    if (!this.#over && this.#stored === this.#added) this.#finish();
    if (this.#over) return Promise.resolve();
    if (this.#held.length === 0) this.#batch?.commit();
    return new Promise((resolve) => this.#ended.push(resolve));
  }

  returned(): void {
    // The burst broke when the bus went away.
  }

  ended(why: "broken" | "closed"): void {
    const what = `store the burst in the stream ${this.#stream}`;
    const details = { sent: true };
    this.#break(
      why === "closed"
        ? new ClosedError(`Cannot ${what}: the bus was closed`, { details })
        : new UnavailableError(`Cannot ${what}: the bus went away`, { details }),
    );
  }

  refused(subject: string, error: Error): void {
    if (this.#batch?.isFor(subject)) this.#break(error);
  }

  #send(message: IngestMessage): void {
    this.#addedAt = performance.now();
    try {
      if (this.#holding) this.#held.push(message);
      else if (this.#batch === undefined) this.#begin(message);
      else if (this.#batch.isOpen) this.#batch.add(message);
      else this.#held.push(message);
    } catch (error) {
      this.#break(error as Error);
    }
  }

  #begin(first: IngestMessage): void {
    this.#before = this.#stored;
    this.#heardAt = performance.now();
    this.#batch = new IngestBatch(this.#parts.messaging, this.#inbox, ++this.#batches, {
      onBegun: (window) => this.#begun(window),
      onStored: (count, window) => {
        this.#window = window;
        this.#storedUpTo(this.#before + count);
      },
      onCommitted: (count, duplicate, error) => this.#committed(count, duplicate, error),
      onError: (error) => this.#failed(error),
    });
    this.#batch.add(first);
  }

  #begun(window: number): void {
    this.#window = window;
    this.#heardAt = performance.now();
    this.#release();
  }

  /** Sends what is held, as far as that can be now. */
  #release(): void {
    const held = this.#held;
    this.#held = [];
    for (const message of held) this.#send(message);
    if (this.#ending && this.#held.length === 0) this.#batch?.commit();
  }

  #committed(count: number, duplicate: boolean, error: ApiError | undefined): void {
    const batch = this.#batch!;
    this.#storedUpTo(this.#before + count);
    if (this.#over) return;
    if (error !== undefined) this.#failed(error);
    else if (!duplicate && count < batch.size) void this.#lose();
    else {
      this.#batch = undefined;
      // A server that has the first message of a batch already ends the batch with it.
      if (duplicate) void this.#sendSingly();
      else this.#release();
    }
  }

  /** A message has not arrived: the server may be about to say that it has refused it. */
  async #lose(): Promise<void> {
    this.#holding = true;
    await pause(REFUSAL_MS);
    this.#break(
      new UnavailableError(
        `Cannot store the burst in the stream ${this.#stream}: a message was lost on its way`,
        { details: { sent: true } },
      ),
    );
  }

  async #sendSingly(): Promise<void> {
    const messages = this.#held.splice(0, SINGLES);
    this.#holding = true;
    try {
      await Promise.all(messages.map((message) => this.#parts.publish(message)));
    } catch (error) {
      this.#break(error as Error);
      return;
    }
    this.#holding = false;
    this.#storedUpTo(this.#stored + messages.length);
    if (!this.#over) this.#release();
  }

  #storedUpTo(count: number): void {
    this.#heardAt = performance.now();
    if (count > this.#stored && !this.#over) {
      this.#stored = count;
      this.#tell(() => this.#options.onStored(count));
    }
    if (this.hasRoom) { for (const resolve of this.#room.splice(0)) resolve(); }
    if (this.#ending && this.#stored === this.#added) this.#finish();
  }

  #look(): void {
    if (this.#stored === this.#added) return;
    const now = performance.now();
    if (now - this.#heardAt > SILENCE_MS) {
      this.#break(
        new TimeoutError(
          `Cannot store the burst in the stream ${this.#stream}: the server gave no answer in time`,
          { details: { sent: true } },
        ),
      );
    } else if (now - this.#addedAt >= LINGER_MS || now - this.#heardAt > COMMIT_MS) {
      // The server says of whole hundreds that they are stored, and of the rest when that is committed.
      this.#batch?.commit();
    }
  }

  #failed(error: ApiError): void {
    if (error.err_code === UNSUPPORTED) this.#parts.onUnsupported(this.#stream);
    this.#break(translateApiError(error, `store the burst in the stream ${this.#stream}`, true));
  }

  #break(error: Error): void {
    if (this.#over) return;
    this.#finish();
    this.#tell(() => this.#options.onBroken(error));
  }

  #finish(): void {
    if (this.#over) return;
    this.#over = true;
    this.#held = [];
    this.#batch = undefined;
    clearInterval(this.#timer);
    this.#parts.enlisted.delete(this);
    void this.#subscription.drain().catch(() => {
      // The bus is closed, and its subscriptions with it.
    });
    for (const resolve of [...this.#room.splice(0), ...this.#ended.splice(0)]) resolve();
  }

  #tell(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#parts.failed("What is told how a burst goes", error);
    }
  }
}
