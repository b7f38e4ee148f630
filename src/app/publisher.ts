// The publisher: events out, and the stream's word that they are stored, over outages and time-outs.

import { AegisError, TimeoutError, UnavailableError } from "../domain/error.ts";
import { assertEventType, eventSubject } from "../domain/event_type.ts";
import { HEADER } from "../domain/header.ts";
import { type ResolvedRetryPolicy, resolveRetry, retryDelay } from "../domain/retry.ts";
import { validate } from "../domain/schema.ts";
import { isThenable } from "../domain/thenable.ts";
import type { PublishAck } from "../ports/stream.ts";
import { Burst } from "./burst.ts";
import type { NewEvent } from "./event.ts";
import type { BusStreams } from "./bus_streams.ts";
import type { PublishedEvent, PublishOptions } from "./event_types.ts";
import { Measures } from "./measures.ts";
import { Parking } from "./parking.ts";
import { pause, unless } from "./pause.ts";
import { closedError, lateError } from "./publish_endings.ts";
import { argumentsOf, assertPayload, checkPublishOptions } from "./publish_input.ts";
import type { Sender } from "./context.ts";
import { type Job, jobOf, type Topic } from "./publish_job.ts";
import type { Runtime } from "./runtime.ts";

const NO_OPTIONS: PublishOptions = Object.freeze({});
/** The part of the whole time that one attempt has, and the least of it: what was not heard of is published again. */
const ATTEMPT_SHARE = 1 / 3;
const MIN_ATTEMPT_MS = 250;
/** The waits where the server is there and cannot store at the moment. */
const AGAIN: ResolvedRetryPolicy = resolveRetry({
  attempts: 1_000_000,
  initialDelayMs: 20,
  maxDelayMs: 500,
});
const MAX_TOPICS = 10_000;

/** Publishes the events of one bus. */
export class Publisher {
  readonly #runtime: Runtime;
  readonly #streams: BusStreams;
  readonly #parking: Parking;
  #topics = new Map<string, Topic>();
  /** Whether a stream has ever confirmed anything on this bus. */
  #heard = false;

  constructor(runtime: Runtime, streams: BusStreams) {
    this.#runtime = runtime;
    this.#streams = streams;
    this.#parking = new Parking(runtime);
    runtime.transport.onStatus((status) => {
      if (status !== "reconnecting") this.#parking.wake();
    });
  }

  /** Publishes an event; the arguments are those of {@linkcode Publish}. It rejects also with what is wrong with them. */
  publish(sender: Sender, what: unknown, ...rest: readonly unknown[]): Promise<PublishedEvent> {
    try {
      const [event, options] = argumentsOf(what, rest);
      const job = this.prepare(sender, event, options);
      return isThenable(job)
        ? Promise.resolve(job).then((ready) => this.send(ready as Job))
        : this.send(job);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Checks an event and encodes it; a promise only where its schema is asynchronous.
   *
   * @throws {ValidationError} when the payload does not fit the schema.
   */
  prepare(
    sender: Sender,
    { type, version, payload, schema }: NewEvent,
    options: PublishOptions = NO_OPTIONS,
  ): Job | Promise<Job> {
    const topic = this.#topics.get(type) ?? this.#topic(type);
    if (options !== NO_OPTIONS) checkPublishOptions(options);
    assertPayload(type, payload);
    if (schema === undefined) {
      return jobOf(this.#runtime, sender, topic, type, version, payload, options);
    }
    const checked = validate(
      schema,
      payload,
      () => `Cannot publish ${type}: the payload is not valid`,
    );
    // What is checked goes out as it was given: the handler's side makes of it what the schema says.
    return checked instanceof Promise
      ? checked.then(() => jobOf(this.#runtime, sender, topic, type, version, payload, options))
      : jobOf(this.#runtime, sender, topic, type, version, payload, options);
  }

  /** Publishes an event that was prepared; resolves when it is stored. */
  send(job: Job): Promise<PublishedEvent> {
    const { signal } = job;
    if (signal !== undefined) return this.#sendUnless(signal, job);
    const first = this.#heard ? this.#attempt(job) : this.#afterBegin(job);
    return first.then(
      (ack) => this.#stored(job, ack),
      (error) => this.#again(job, error),
    );
  }

  /**
   * Has the stream ready before the first events are sent. Where nothing stores them whoever else listens would hear of
   * them, and nobody answer; and of many that are sent at once none has to wait for it while others overtake it.
   */
  async begin({ stamp }: Sender): Promise<void> {
    // What is wrong is said of each event; a user may publish and not ask for streams.
    await this.#streams.name("events", stamp).catch(() => undefined);
  }

  /**
   * A burst of events, where the broker has such; undefined also where something is wrong, which is said of each event.
   *
   * A leader that is new may take a message for a duplicate of one that was lost with the leader before. One by one that is
   * refused, and published again; in a burst it counts as stored. So none begins until ids from before are forgotten.
   */
  async burst({ stamp }: Sender): Promise<Burst | undefined> {
    try {
      const stream = await this.#streams.name("events", stamp);
      const state = await this.#streams.ports.admin.stream(stream);
      const { ledForMs = Infinity, config } = state ?? {};
      if (config === undefined || ledForMs <= config.duplicateWindowMs) return undefined;
      return Burst.begin(this, this.#streams, stream);
    } catch {
      return undefined; // The bus is away, say: events that are published one by one wait for it.
    }
  }

  /** Says that a job has come to nothing, and why. */
  failed(job: Job, error: unknown): void {
    job.measures.failed(
      AegisError.is(error) ? error.code : job.signal?.aborted ? "CANCELLED" : "error",
      this.#runtime.clock.monotonic() - job.startedAt,
    );
    job.span?.end(error);
  }

  /** Says that a job is stored. */
  done(job: Job): void {
    job.measures.succeeded(this.#runtime.clock.monotonic() - job.startedAt);
    job.span?.end();
  }

  #topic(type: string): Topic {
    assertEventType(type);
    if (this.#topics.size >= MAX_TOPICS) this.#topics = new Map();
    const topic = {
      subject: eventSubject(type),
      measures: new Measures(this.#runtime, "publish", { event: type }),
    };
    this.#topics.set(type, topic);
    return topic;
  }

  async #afterBegin(job: Job): Promise<PublishAck> {
    await this.begin(job.sender);
    return await this.#attempt(job, this.#runtime.clock.monotonic());
  }

  #attempt(
    { subject, body, headers, startedAt, expiresAt }: Job,
    now = startedAt,
  ): Promise<PublishAck> {
    const { messaging } = this.#runtime.transport;
    const left = expiresAt - now;
    if (left <= 0) {
      return Promise.reject(new TimeoutError("the time was over", { details: { sent: false } }));
    }
    if (!messaging.connected) {
      // Its own message says more, and the wait for the bus is the same.
      return Promise.reject(new UnavailableError("the bus is away", { details: { sent: false } }));
    }
    const share = Math.max(MIN_ATTEMPT_MS, (expiresAt - startedAt) * ATTEMPT_SHARE);
    return this.#streams.ports.store.publish(subject, body, headers, Math.min(left, share));
  }

  #stored(job: Job, { stream, sequence, duplicate }: PublishAck): PublishedEvent {
    this.#heard = true;
    this.done(job);
    // Of an id that was made for it a stream can have nothing but an attempt of which nothing was heard.
    return { id: job.id, stream, sequence, duplicate: duplicate && job.hasOwnId };
  }

  /** The same, after an attempt that may have been stored: that one is no event of before. */
  async #storedAgain(job: Job, ack: PublishAck): Promise<PublishedEvent> {
    const before = ack.duplicate && job.hasOwnId && !await this.#isAttempt(job, ack);
    return this.#stored(job, { ...ack, duplicate: before });
  }

  /** Whether what is stored was sent for this job: no two events have the same bytes and the same place in a trace. */
  async #isAttempt(
    { subject, body, headers }: Job,
    { stream, sequence }: PublishAck,
  ): Promise<boolean> {
    try {
      const stored = await this.#streams.ports.store.read(stream, sequence, subject);
      if (stored?.sequence !== sequence) return false;
      const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
      return stored.headers[HEADER.traceparent] === headers[HEADER.traceparent] &&
        stored.data.length === bytes.length &&
        bytes.every((byte, index) => byte === stored.data[index]);
    } catch {
      return false; // A user may publish and not read: then it is what the stream has said.
    }
  }

  /** What becomes of an event after `error`: what can be outlasted is, within its time. */
  async #again(job: Job, error: unknown): Promise<PublishedEvent> {
    const { clock, random, transport } = this.#runtime;
    let sent = false;
    let made = false;
    try {
      for (let attempt = 1;; attempt++) {
        if (!AegisError.is(error)) throw error;
        sent ||= error.details.sent !== false &&
          ["TIMEOUT", "SERVICE_UNAVAILABLE"].includes(error.code);
        let wait = 0;
        if (transport.status === "closed") throw closedError(job, error);
        if (error.code === "SERVICE_UNAVAILABLE") {
          if (transport.status === "connected") {
            // What was not sent, for the bus was away and is back by now, goes out in its turn.
            if (sent || attempt > 1) wait = retryDelay(AGAIN, attempt, random.next());
          } else {
            const parked = await this.#parking.whenConnected(job.expiresAt, job.signal);
            if (parked === "closed") throw closedError(job, error);
            if (parked !== "connected") throw lateError(job, error, sent);
          }
        } else if (error.code === "STREAM_NOT_FOUND" && !made) {
          made = true;
          try {
            await this.#streams.renewed("events", job.sender.stamp);
          } catch (fault) {
            error = fault;
            continue;
          }
        } else if (error.code !== "TIMEOUT") throw error;
        if (clock.monotonic() + wait >= job.expiresAt) throw lateError(job, error, sent);
        if (wait > 0) await pause(this.#runtime, wait, job.signal);
        job.signal?.throwIfAborted();
        try {
          const ack = await this.#attempt(job, clock.monotonic());
          return sent ? await this.#storedAgain(job, ack) : this.#stored(job, ack);
        } catch (fault) {
          error = fault;
        }
      }
    } catch (fault) {
      this.failed(job, fault);
      throw fault;
    }
  }

  async #sendUnless(signal: AbortSignal, job: Job): Promise<PublishedEvent> {
    signal.throwIfAborted();
    const sent = this.send({ ...job, signal: undefined });
    // Whatever it comes to after the signal, nobody waits for it.
    sent.catch(() => undefined);
    return await unless(signal, sent);
  }
}
