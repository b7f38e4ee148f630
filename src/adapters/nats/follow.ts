// Following a stream: a consumer of one's own that delivers without being asked, and is lost at the first sign of a gap.

import { deferred } from "../../domain/deferred.ts";
import type { ConsumerInfo, JetStreamManager } from "@nats-io/jetstream";
import { AegisError, ClosedError, UnavailableError } from "../../domain/error.ts";
import type { Follow, FollowOptions } from "../../ports/stream.ts";
import type { Subscription } from "../../ports/messaging.ts";
import { type AckFields, AckSubjects, isAckSubject } from "./ack_subject.ts";
import { CatchUp } from "./catch_up.ts";
import { FollowedMessage } from "./followed.ts";
import { followConfig, type Place } from "./follow_config.ts";
import type { FollowParts } from "./follow_parts.ts";
import type { NatsMessage } from "./message.ts";
import type { Enlisted } from "./pull_parts.ts";
import { Skips } from "./skips.ts";
import { timeMs } from "./stream_read.ts";
import type { Listener } from "./vigil.ts";

/** How long the server may take to remove a consumer, in milliseconds; otherwise it does so by itself. */
const REMOVE_MS = 5_000;

/** One stream that is followed. */
export class NatsFollow implements Follow, Enlisted, Listener {
  heard = true;
  heardAt = 0;
  readonly began: Promise<number>;
  readonly #parts: FollowParts;
  readonly #stream: string;
  readonly #options: FollowOptions;
  readonly #place: Place;
  readonly #what: string;
  readonly #subjects = new AckSubjects();
  readonly #begun = deferred<number>();
  #subscription: Subscription | undefined;
  /** How many deliveries have come. */
  #count = 0;
  /** The sequence of the last message that was handed over. */
  #last = 0;
  readonly #catchUp: CatchUp;
  #skips: Skips | undefined;
  #made = false;
  #done = false;
  /** Where the server was told last that all was taken. */
  #flowSubject: string | undefined;

  /** Begins. */
  constructor(parts: FollowParts, stream: string, options: FollowOptions) {
    this.#parts = parts;
    this.#stream = stream;
    this.#options = options;
    this.#place = parts.place();
    this.#what = `follow ${options.filter} in the stream ${stream}`;
    this.#catchUp = new CatchUp(() => parts.reader.lastSequence(stream, options.filter));
    this.began = this.#begun.promise;
    // Who does not look at it hears of it by onLost.
    this.began.catch(() => {});
    parts.enlisted.add(this);
    void this.#begin();
  }

  stop(): void {
    if (!this.#end()) return;
    this.#begun.reject(new ClosedError(`Cannot ${this.#what}: it was stopped`));
  }

  /** The bus is there again, which is of no use: something may have been missed. */
  returned(): void {}

  /** The bus went away, or is closed for good. */
  ended(why: "broken" | "closed"): void {
    this.#lose(
      why === "closed"
        ? new ClosedError(`Cannot ${this.#what}: the bus is closed`)
        : new UnavailableError(`Cannot ${this.#what}: the bus went away`),
    );
  }

  /** This user may not publish to a subject. */
  refused(subject: string, error: Error): void {
    // The server would wait for it, and send nothing more.
    if (subject === this.#flowSubject) this.#lose(error);
  }

  /** The server has not been heard for too long. */
  silent(): void {
    this.#lose(this.#gap("nothing was heard of it; it was removed, or its server is away"));
  }

  async #begin(): Promise<void> {
    const { api, messaging, vigil, gate } = this.#parts;
    const { inbox } = this.#place;
    // Whoever follows is told what becomes of it after it has what it follows with.
    const leave = await gate.enter();
    try {
      if (this.#done) return;
      this.#subscription = messaging.subscribe(inbox, {
        onMessage: (message) => this.#receive(message as NatsMessage),
        onError: (error) => this.#lose(error),
      });
      const info = await api.run(this.#what, (manager) => this.#make(manager));
      this.#made = true;
      if (this.#done) return this.#remove();
      vigil.add(this);
      this.#begun.resolve(timeMs(info.created));
      this.#stand(info.delivered.consumer_seq, info.delivered.stream_seq);
      await this.#catchUp.done();
      if (!this.#done) this.#tell(this.#options.onCaughtUp);
    } catch (error) {
      // It may be made all the same.
      this.#made ||= AegisError.is(error, "TIMEOUT");
      this.#lose(error as Error);
    } finally {
      leave();
    }
  }

  async #make({ streams, consumers }: JetStreamManager): Promise<ConsumerInfo> {
    let { from } = this.#options;
    const skips = this.#parts.skips();
    if (skips || typeof from !== "string") {
      const { state: { last_seq: last } } = await streams.info(this.#stream);
      // Newer servers would wait for one that is not yet there, and older ones begin with the next.
      if (typeof from !== "string") from = { sequence: Math.min(from.sequence, last + 1) };
      else if (from === "new") from = { sequence: last + 1 };
      if (skips) this.#watchSkips(typeof from === "string" ? last : from.sequence - 1);
    }
    const config = followConfig(this.#place, { ...this.#options, from });
    return await consumers.add(this.#stream, config);
  }

  #watchSkips(after: number): void {
    const { reader } = this.#parts;
    const { filter, from } = this.#options;
    this.#skips = new Skips({
      next: (sequence) => reader.read(this.#stream, sequence, filter),
      last: from === "lastPerSubject" ? (subject) => reader.last(this.#stream, subject) : undefined,
      onSkipped: () =>
        this.#lose(this.#gap("the server has skipped messages when others were purged")),
      onUnknown: (error) => this.#lose(error),
    }, after);
  }

  #receive(message: NatsMessage): void {
    if (this.#done) return;
    this.heard = true;
    const { reply } = message;
    if (reply !== undefined && isAckSubject(reply)) {
      const fields = this.#subjects.read(reply);
      if (fields !== undefined) this.#deliver(message, fields);
      return;
    }
    const { code, description } = message.status;
    if (code === 100) this.#hear(message, reply);
    else if (code !== 0) this.#lose(this.#gap(`the server said "${code} ${description}"`));
  }

  #deliver(message: NatsMessage, fields: AckFields): void {
    if (fields.delivery !== ++this.#count) {
      const missing = `delivery ${this.#count} did not come, and number ${fields.delivery} did`;
      return this.#lose(this.#gap(missing));
    }
    // Servers before 2.10 deliver in place of a message that has been replaced the next one, which comes again in its turn.
    if (fields.sequence <= this.#last) return;
    this.#last = fields.sequence;
    this.#tell(() => this.#options.onMessage(new FollowedMessage(message, fields)));
    this.#catchUp.reach(fields.sequence);
    this.#skips?.came(fields.sequence);
  }

  /** The server has made so many deliveries, and there is none to be made up to a sequence of the stream. */
  #stand(count: number, sequence: number): void {
    if (this.#count !== count) return;
    this.#catchUp.reach(sequence);
    this.#skips?.reached(sequence);
  }

  /** The server says that it is there, or asks whether all that it has sent was taken. */
  #hear(message: NatsMessage, reply: string | undefined): void {
    const stalled = message.header("Nats-Consumer-Stalled");
    const flow = reply || stalled;
    if (flow) {
      this.#flowSubject = flow;
      this.#tellTaken(flow);
    }
    const last = message.header("Nats-Last-Consumer");
    if (last === undefined) return;
    if (Number(last) !== this.#count) {
      this.#lose(this.#gap(`${last} were delivered, and ${this.#count} came`));
    } else this.#stand(this.#count, Number(message.header("Nats-Last-Stream") ?? 0));
  }

  #tellTaken(subject: string): void {
    try {
      this.#parts.messaging.publish(subject, "");
    } catch {
      // The bus is away, which everybody is told.
    }
  }

  #gap(reason: string): UnavailableError {
    return new UnavailableError(`Cannot ${this.#what}: ${reason}`);
  }

  #lose(error: Error): void {
    if (!this.#end()) return;
    this.#begun.reject(error);
    this.#tell(() => this.#options.onLost(error));
  }

  #tell(listener: () => void): void {
    try {
      listener();
    } catch (error) {
      this.#parts.failed("What follows a stream", error);
    }
  }

  /** Ends it; false when it has ended before. */
  #end(): boolean {
    if (this.#done) return false;
    this.#done = true;
    this.#parts.enlisted.delete(this);
    this.#parts.vigil.remove(this);
    this.#skips?.end();
    this.#catchUp.end();
    void this.#subscription?.drain(0);
    if (this.#made) this.#remove();
    return true;
  }

  /** Has the server remove the consumer now. Otherwise it does when nobody has listened for a while. */
  #remove(): void {
    const { api, ask, messaging } = this.#parts;
    if (!messaging.connected) return;
    const subject = `${api.prefix}.CONSUMER.DELETE.${this.#stream}.${this.#place.name}`;
    ask.ask(this.#what, subject, "", REMOVE_MS, () => undefined).catch(() => {
      // It was removed before, or it will be in time.
    });
  }
}
