// A stream of the embedded broker: what it stores, refuses and drops, as a NATS server does.

import {
  AegisError,
  ConflictError,
  QueueFullError,
  SerializationError,
} from "../../domain/error.ts";
import type { PublishAck, StreamConfig, StreamState } from "../../ports/stream.ts";
import type { Alarm, Alarms } from "./alarms.ts";
import type { MemoryMessage } from "./broker.ts";
import type { BrokerClock } from "./broker_clock.ts";
import type { MemoryConsumer } from "./consumer.ts";
import { headerLength, headerValue } from "./headers.ts";
import { markerOf, MessageEnds, ttlOf } from "./message_ttl.ts";
import { matcher } from "./pattern.ts";
import { StreamIds } from "./stream_ids.ts";
import { type Stored, StreamLog } from "./stream_log.ts";

/** What a server counts for each message beside its bytes. */
const OVERHEAD = 16;
/** The header that says which sequence the last message of the subject must have. */
const EXPECTED = "Nats-Expected-Last-Subject-Sequence";
const encoder = new TextEncoder();

/** Somebody who follows a stream. */
export interface Follower {
  /** Something was stored. */
  stored(): void;
  /** The stream is there no longer. */
  gone(): void;
}

/** Stores messages, and tells its consumers, and who follows. */
export class MemoryStream {
  readonly consumers: Map<string, MemoryConsumer> = new Map();
  readonly followers: Set<Follower> = new Set();
  readonly #clock: BrokerClock;
  readonly #background: Alarms;
  readonly #log = new StreamLog();
  readonly #ids = new StreamIds();
  readonly #ends: MessageEnds;
  readonly #age: Alarm;
  readonly #createdAt: number;
  #config: StreamConfig;
  #fits: readonly ((subject: string) => boolean)[];

  /** Makes an empty one. */
  constructor(config: StreamConfig, clock: BrokerClock, background: Alarms) {
    this.#config = config;
    this.#fits = config.subjects.map(matcher);
    this.#clock = clock;
    this.#createdAt = clock.now();
    this.#background = background;
    this.#ends = new MessageEnds(background, (sequence) => this.#outlive(sequence));
    this.#age = {
      expiresAt: 0,
      wheelPrevious: undefined,
      wheelNext: undefined,
      ring: () => this.#expire(),
    };
  }

  /** Its settings. */
  get config(): StreamConfig {
    return this.#config;
  }

  /** As it is. */
  get state(): StreamState {
    this.#expire();
    const { count: messages, bytes, firstSequence, lastSequence } = this.#log;
    const createdAt = this.#createdAt;
    return { config: this.#config, createdAt, messages, bytes, firstSequence, lastSequence };
  }

  /** Whether it stores what is published to a subject. */
  covers(subject: string): boolean {
    return this.#fits.some((fits) => fits(subject));
  }

  /** Stores a message, and refuses what is too large, not expected, or too much where it drops nothing. */
  store(message: MemoryMessage): PublishAck {
    this.#expire();
    const { name: stream, duplicateWindowMs } = this.#config;
    const { subject, headers } = message;
    const payload = headerLength(headers) + message.data.length;
    const size = sizeOf(message);
    // Servers differ in which of these comes first. This is the order of a single server from 2.12 on.
    this.#assertFits(subject, payload);
    this.#assertExpected(subject, headers?.[EXPECTED]);
    const ttlMs = ttlOf(message, this.#config);
    const id = headers?.["Nats-Msg-Id"];
    const now = this.#clock.monotonic();
    if (id) {
      const known = this.#ids.find(id, now, duplicateWindowMs);
      if (known !== undefined) return { stream, sequence: known, duplicate: true };
    }
    this.#assertRoom(subject, size);
    const sequence = this.#append(message, size, ttlMs);
    if (id) this.#ids.add(id, sequence, now);
    if (this.#config.maxAgeMs > 0 && this.#age.wheelNext === undefined) this.#expire();
    return { stream, sequence, duplicate: false };
  }

  #append(message: MemoryMessage, size: number, ttlMs: number | undefined): number {
    const { bucket, maxMessagesPerSubject } = this.#config;
    const { subject, headers } = message;
    const stored = this.#log.append(message, size, this.#clock.now());
    if (ttlMs !== undefined) this.#ends.set(stored.sequence, ttlMs);
    for (const consumer of this.consumers.values()) consumer.stored(stored);
    for (const follower of this.followers) follower.stored();
    this.#keep(subject, bucket && headers?.["Nats-Rollup"] === "sub" ? 1 : maxMessagesPerSubject);
    this.#limit();
    return stored.sequence;
  }

  /** The first message at a sequence or after it. */
  next(sequence: number): Stored | undefined {
    this.#expire();
    return this.#log.next(sequence);
  }

  /** The last message of a subject. */
  last(subject: string): Stored | undefined {
    this.#expire();
    return this.#log.of(subject)?.newest;
  }

  /** The sequences of the last message of each subject that fits, in their order. */
  latest(fits: (subject: string) => boolean): readonly number[] {
    this.#expire();
    return this.#log.subjects().filter(fits)
      .map((subject) => this.#log.of(subject)!.newest.sequence).sort((a, b) => a - b);
  }

  /** Removes what is of a subject that fits, and before a sequence; how many messages that are. */
  purge(fits: (subject: string) => boolean, before: number): number {
    let count = 0;
    for (let next = this.next(0); next !== undefined; next = this.#log.next(next.sequence + 1)) {
      if (next.sequence >= before) break;
      if (fits(next.message.subject) && this.remove(next.sequence)) count++;
    }
    return count;
  }

  /** Removes a message; false when it was not there. */
  remove(sequence: number): boolean {
    const stored = this.#log.remove(sequence);
    if (stored === undefined) return false;
    this.#ends.clear(sequence);
    for (const consumer of this.consumers.values()) consumer.forget(stored);
    return true;
  }

  /** Hears that a consumer is done with a message: a work queue keeps it no longer. */
  done(sequence: number): void {
    if (this.#config.retention === "workqueue") this.remove(sequence);
  }

  /** Changes its settings. */
  update(config: StreamConfig): void {
    this.#config = config;
    this.#fits = config.subjects.map(matcher);
    this.#background.clear(this.#age);
    const { maxMessagesPerSubject } = config;
    if (maxMessagesPerSubject > 0) {
      for (const subject of this.#log.subjects()) this.#keep(subject, maxMessagesPerSubject);
    }
    this.#limit();
    this.#expire();
  }

  /** Ends it with its consumers. */
  end(): void {
    this.#background.clear(this.#age);
    this.#ends.clearAll();
    for (const consumer of this.consumers.values()) consumer.end();
    this.consumers.clear();
    for (const follower of this.followers) follower.gone();
    this.followers.clear();
  }

  #assertFits(subject: string, payload: number): void {
    const { name, maxMessageBytes } = this.#config;
    if (maxMessageBytes <= 0 || payload <= maxMessageBytes) return;
    throw new SerializationError(
      `Cannot publish to ${subject}: the message has ${payload} bytes, and the stream ${name} takes ${maxMessageBytes}`,
      { code: "PAYLOAD_TOO_LARGE", details: { stream: name, length: payload, maxMessageBytes } },
    );
  }

  /** Throws unless the last message of the subject has the sequence that was expected, if one was; 0 is none. */
  #assertExpected(subject: string, header: string | undefined): void {
    const expected = headerValue(header ?? "");
    const sequence = this.#log.of(subject)?.newest.sequence ?? 0;
    // What is no number fits no sequence.
    if (expected === "" || (/^\d+$/.test(expected) && Number(expected) === sequence)) return;
    const { name } = this.#config;
    const is = sequence === 0 ? "there is none" : `it is number ${sequence}`;
    throw new ConflictError(
      `Cannot publish to ${subject}: its last message in the stream ${name} was expected to be number ${expected}, and ${is}; read it and decide anew`,
      { details: { stream: name, sequence } },
    );
  }

  #assertRoom(subject: string, size: number): void {
    const { name, discard, maxMessages, maxMessagesPerSubject, maxBytes } = this.#config;
    if (discard === "old") return;
    const { count, bytes } = this.#log;
    const same = this.#log.of(subject);
    // What the oldest of its subject makes room for needs none.
    const given = maxMessagesPerSubject > 0 && same !== undefined &&
        same.count >= maxMessagesPerSubject
      ? same.oldest.size
      : 0;
    const limit = maxMessages > 0 && count >= maxMessages && given === 0
      ? `it has ${count} messages and takes no more`
      : maxBytes > 0 && bytes + size > maxBytes && given < size
      ? `it has ${bytes} bytes, takes ${maxBytes}, and this message has ${size}`
      : undefined;
    if (limit === undefined) return;
    throw new QueueFullError(
      `Cannot publish to ${subject}: the stream ${name} is full: ${limit}; raise its limits, or remove messages`,
      { details: { stream: name } },
    );
  }

  /** Drops the oldest of a subject of which there are more than `count`; 0 is any number. */
  #keep(subject: string, count: number): void {
    if (count <= 0) return;
    for (let of = this.#log.of(subject); of !== undefined && of.count > count;) {
      this.remove(of.oldest.sequence);
      of = this.#log.of(subject);
    }
  }

  /** Drops the oldest of what is too much. */
  #limit(): void {
    const { maxMessages, maxBytes } = this.#config;
    const log = this.#log;
    while (
      (maxMessages > 0 && log.count > maxMessages) || (maxBytes > 0 && log.bytes > maxBytes)
    ) this.remove(log.firstSequence);
  }

  /** Removes a message that has come to its end; the last of its subject leaves a marker. */
  #outlive(sequence: number): void {
    const stored = this.#log.next(sequence);
    if (stored?.sequence !== sequence) return;
    const { message } = stored;
    const isLast = this.#log.of(message.subject)?.count === 1;
    this.remove(sequence);
    const marker = isLast ? markerOf(message, this.#config) : undefined;
    if (marker !== undefined) this.#append(marker, sizeOf(marker), ttlOf(marker, this.#config));
  }

  /** Drops what is too old, and looks again when the next will be. */
  #expire(): void {
    const { maxAgeMs } = this.#config;
    if (maxAgeMs <= 0) return this.#background.clear(this.#age);
    const now = this.#clock.now();
    let first = this.#log.first;
    while (first !== undefined) {
      const { sequence, storedAt } = first;
      if (!this.#ends.isEndless(sequence)) {
        if (storedAt + maxAgeMs > now) break;
        this.#outlive(sequence);
      }
      first = this.#log.next(sequence + 1);
    }
    if (first === undefined) this.#background.clear(this.#age);
    else if (this.#age.wheelNext === undefined) {
      this.#background.set(this.#age, first.storedAt + maxAgeMs - now);
    }
  }
}

/** What a server counts for a message. */
function sizeOf({ subject, headers, data }: MemoryMessage): number {
  return encoder.encode(subject).length + headerLength(headers) + data.length + OVERHEAD;
}

/** An error about a stream that is not there. */
export function noStream(what: string, details: Readonly<Record<string, unknown>>): AegisError {
  return new AegisError("STREAM_NOT_FOUND", `Cannot ${what}`, { details });
}
