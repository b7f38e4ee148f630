// A stream of the embedded broker: what it stores, refuses and drops, as a NATS server does.

import { AegisError, QueueFullError, SerializationError } from "../../domain/error.ts";
import type { PublishAck, StreamConfig, StreamState } from "../../ports/stream.ts";
import type { Alarm, Alarms } from "./alarms.ts";
import type { MemoryMessage } from "./broker.ts";
import type { BrokerClock } from "./broker_clock.ts";
import type { MemoryConsumer } from "./consumer.ts";
import { headerLength } from "./headers.ts";
import { matcher } from "./pattern.ts";
import { StreamIds } from "./stream_ids.ts";
import { type Stored, StreamLog } from "./stream_log.ts";

/** What a server counts for each message beside its bytes. */
const OVERHEAD = 16;
const encoder = new TextEncoder();

/** Stores messages, and tells its consumers. */
export class MemoryStream {
  readonly consumers: Map<string, MemoryConsumer> = new Map();
  readonly #clock: BrokerClock;
  readonly #background: Alarms;
  readonly #log = new StreamLog();
  readonly #ids = new StreamIds();
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

  /** Stores a message, and refuses what is too large, or too much where it drops nothing. */
  store(message: MemoryMessage): PublishAck {
    this.#expire();
    const { name: stream, duplicateWindowMs } = this.#config;
    const id = message.headers?.["Nats-Msg-Id"];
    const now = this.#clock.monotonic();
    if (id) {
      const known = this.#ids.find(id, now, duplicateWindowMs);
      if (known !== undefined) return { stream, sequence: known, duplicate: true };
    }
    const payload = headerLength(message.headers) + message.data.length;
    const size = encoder.encode(message.subject).length + payload + OVERHEAD;
    this.#assertTakes(message.subject, payload, size);
    const { sequence } = this.#log.append(message, size, this.#clock.now());
    if (id) this.#ids.add(id, sequence, now);
    this.#limit();
    if (this.#config.maxAgeMs > 0 && this.#age.wheelNext === undefined) this.#expire();
    for (const consumer of this.consumers.values()) consumer.wake();
    return { stream, sequence, duplicate: false };
  }

  /** The first message at a sequence or after it. */
  next(sequence: number): Stored | undefined {
    this.#expire();
    return this.#log.next(sequence);
  }

  /** Removes a message; false when it was not there. */
  remove(sequence: number): boolean {
    if (this.#log.remove(sequence) === undefined) return false;
    for (const consumer of this.consumers.values()) consumer.forget(sequence);
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
    this.#limit();
    this.#expire();
  }

  /** Ends it with its consumers. */
  end(): void {
    this.#background.clear(this.#age);
    for (const consumer of this.consumers.values()) consumer.end();
    this.consumers.clear();
  }

  #assertTakes(subject: string, payload: number, size: number): void {
    const { name, discard, maxMessages, maxBytes, maxMessageBytes } = this.#config;
    const { count, bytes } = this.#log;
    if (maxMessageBytes > 0 && payload > maxMessageBytes) {
      throw new SerializationError(
        `Cannot publish to ${subject}: the message has ${payload} bytes, and the stream ${name} takes ${maxMessageBytes}`,
        { code: "PAYLOAD_TOO_LARGE", details: { stream: name, length: payload, maxMessageBytes } },
      );
    }
    if (discard === "old") return;
    const limit = maxMessages > 0 && count >= maxMessages
      ? `it has ${count} messages and takes no more`
      : maxBytes > 0 && bytes + size > maxBytes
      ? `it has ${bytes} bytes, takes ${maxBytes}, and this message has ${size}`
      : undefined;
    if (limit === undefined) return;
    throw new QueueFullError(
      `Cannot publish to ${subject}: the stream ${name} is full: ${limit}; raise its limits, or remove messages`,
      { details: { stream: name } },
    );
  }

  /** Drops the oldest of what is too much. */
  #limit(): void {
    const { maxMessages, maxBytes } = this.#config;
    const log = this.#log;
    while (
      (maxMessages > 0 && log.count > maxMessages) || (maxBytes > 0 && log.bytes > maxBytes)
    ) this.remove(log.firstSequence);
  }

  /** Drops what is too old, and looks again when the next will be. */
  #expire(): void {
    const { maxAgeMs } = this.#config;
    if (maxAgeMs <= 0) return this.#background.clear(this.#age);
    const now = this.#clock.now();
    let first = this.#log.first;
    for (; first !== undefined && first.storedAt + maxAgeMs <= now; first = this.#log.first) {
      this.remove(first.sequence);
    }
    if (first === undefined) this.#background.clear(this.#age);
    else if (this.#age.wheelNext === undefined) {
      this.#background.set(this.#age, first.storedAt + maxAgeMs - now);
    }
  }
}

/** An error about a stream that is not there. */
export function noStream(what: string, details: Readonly<Record<string, unknown>>): AegisError {
  return new AegisError("STREAM_NOT_FOUND", `Cannot ${what}`, { details });
}
