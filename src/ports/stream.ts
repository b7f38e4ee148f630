// Streams: what is stored before it is delivered, delivered until it is acknowledged, and kept as long as its stream says.

import type { DeliverFrom } from "../domain/deliver_from.ts";
import type { Message } from "./messaging.ts";
import type { LastOptions, StoredMessage, StreamView } from "./stream_view.ts";

export type { DeliverFrom };
export type {
  Follow,
  FollowFrom,
  FollowOptions,
  LastOptions,
  PurgeOptions,
  StoredMessage,
  StreamView,
} from "./stream_view.ts";

/** How a stream is set up. Durations and limits of 0 are none, but for `duplicateWindowMs`. */
export interface StreamConfig {
  /** Its name. */
  readonly name: string;
  /** What it is for, and whose settings these are. */
  readonly description: string;
  /** What it stores: every message on these subjects, which may have wildcards. */
  readonly subjects: readonly string[];
  /** Whether a message is kept until a limit says otherwise, or until it was acknowledged by the one consumer that takes it. */
  readonly retention: "limits" | "workqueue";
  /** Where it is stored. */
  readonly storage: "file" | "memory";
  /** How many servers of a cluster store it. */
  readonly replicas: number;
  /** What gives way at a limit: the oldest message, or the new one, which is refused. */
  readonly discard: "old" | "new";
  /** For how long a message is kept, in milliseconds. */
  readonly maxAgeMs: number;
  /** How many messages are kept. */
  readonly maxMessages: number;
  /** How many of one subject are kept: the oldest of it gives way, whatever `discard` says. */
  readonly maxMessagesPerSubject: number;
  /** How many bytes all messages take together. */
  readonly maxBytes: number;
  /** How large one message may be, in bytes. */
  readonly maxMessageBytes: number;
  /** For how long the id of a message is remembered, in milliseconds: a second one with it is not stored. */
  readonly duplicateWindowMs: number;
  /** Whether it is a KV bucket: no message is removed by its sequence, and one may take the place of all of its subject. It cannot be taken back. */
  readonly bucket: boolean;
  /** Whether it takes messages for later, see {@linkcode StreamStore.publishLater}; false where the broker has none. It cannot be taken back, nor go with `discard: "new"`. */
  readonly schedules: boolean;
  /** Whether its messages may have an end of their own, see {@linkcode StreamView.hasMessageTtl}; false where the broker has none. It cannot be taken back. */
  readonly messageTtl: boolean;
  /** Whether {@linkcode StreamStore.last} may be asked with `direct`. */
  readonly direct: boolean;
}

/** A stream as it is. */
export interface StreamState {
  /** Its settings; `subjects` may be what somebody else has chosen. */
  readonly config: StreamConfig;
  /** When it was made, in milliseconds since the epoch on the broker's clock: one that was removed and made again is another. */
  readonly createdAt: number;
  /** For how long it has had its leader, in milliseconds; undefined where it has always had the same, or nobody knows. */
  readonly ledForMs?: number | undefined;
  /** How many messages it holds. */
  readonly messages: number;
  /** How many bytes they take. */
  readonly bytes: number;
  /** The sequence of the oldest message; of the next one, while there is none. */
  readonly firstSequence: number;
  /** The sequence of the newest message ever stored; 0 before the first. */
  readonly lastSequence: number;
}

/** How a consumer is set up: a place in a stream, kept by the broker. Every message needs an acknowledgement of its own. */
export interface ConsumerConfig {
  /** Its name, which whoever pulls from it gives. */
  readonly name: string;
  /** What it is for, and whose settings these are. */
  readonly description: string;
  /** Which of the stream's subjects it takes, with wildcards or without. */
  readonly filter: string;
  /** Where it begins. */
  readonly from: DeliverFrom;
  /** For how long a delivered message may go without a word before it is delivered again, in milliseconds. */
  readonly ackWaitMs: number;
  /** How many delivered messages may be without an acknowledgement; no more is delivered until some have theirs. 0 is any number. */
  readonly maxAckPending: number;
  /** After how long without anybody who pulls it is removed, in milliseconds; 0 is never. */
  readonly inactiveThresholdMs: number;
}

/** A consumer as it is. */
export interface ConsumerState {
  /** Its settings. */
  readonly config: ConsumerConfig;
  /** How many messages are still to be delivered to it for the first time. */
  readonly pending: number;
  /** How many were delivered and have no acknowledgement. */
  readonly ackPending: number;
  /** The highest sequence of the stream of which it and all before it are acknowledged. */
  readonly ackFloor: number;
  /** How many who ask it for messages wait for some: who takes what comes next, if anybody does. */
  readonly waiting: number;
}

/** What a stream says of a message that was published to it. */
export interface PublishAck {
  /** The stream that stored it. */
  readonly stream: string;
  /** Its sequence there; of a duplicate, that of the message which was stored before it. */
  readonly sequence: number;
  /** Whether a message with the same id had been stored before, and this one was not. */
  readonly duplicate: boolean;
}

/**
 * A message that was delivered for the first time or again. Of `ack`, `nak`, `giveBack` and `term` the first that is called
 * counts; the adapter repeats it, but for `giveBack`, over outages until the broker has it, and until then hands the message over to nobody here.
 */
export interface Delivery {
  /** The message: subject, body, and what `messaging.header()` takes. */
  readonly message: Message;
  /** Its sequence in the stream. */
  readonly sequence: number;
  /** How often it has been delivered, this time included. */
  readonly attempt: number;
  /** When it was stored, in milliseconds since the epoch on the broker's clock. */
  readonly storedAt: number;
  /** How many messages its consumer had still to deliver for the first time when this one was sent. */
  readonly pending: number;
  /** It is done. */
  ack(): void;
  /** Deliver it again, after `delayMs` milliseconds. */
  nak(delayMs: number): void;
  /**
   * The same, said now or never: where the broker does not hear it, the message comes again after its ack wait. A broker
   * takes a word of an earlier delivery for one of the last: repeated after an outage it would take the message from
   * whoever has been given it meanwhile.
   */
  giveBack(delayMs: number): void;
  /**
   * It is still in work: its ack wait begins anew. While the broker is away this does nothing. With `onHeard` the broker is
   * asked to confirm it, and that is called when it has; it may never be.
   */
  working(onHeard?: () => void): void;
  /** Never deliver it again, though it was not done. */
  term(): void;
}

/** What becomes of what was asked for. What a listener throws is logged. */
export interface PullOptions {
  /** Called in turn for each delivery. */
  readonly onDelivery: (delivery: Delivery) => void;
  /**
   * Called when the consumer, or its stream, is not there: it was deleted, or has never been. What was asked for is
   * forgotten; make it again and ask again.
   */
  readonly onGone: () => void;
  /** Called with an error when the broker no longer serves what was asked for, and with undefined when it does again. */
  readonly onHealth: (error: Error | undefined) => void;
}

/** Deliveries of one consumer, as many as were asked for. It lasts over outages: what was asked for is asked for again. */
export interface Pull {
  /** How many deliveries were asked for and have not come. */
  readonly asked: number;
  /** Asks for `count` more deliveries, whenever there are messages. */
  ask(count: number): void;
  /**
   * Asks for no more; resolves when everything that had been sent here was handed to `onDelivery`.
   *
   * @param withinMs how long the broker may take, in milliseconds
   */
  close(withinMs?: number): Promise<void>;
  /** Resolves when the broker has every `ack`, `nak` and `term`, after `withinMs` at the latest. */
  settled(withinMs: number): Promise<void>;
}

/** Streams and consumers: made, compared and removed. All of it needs the broker: `UnavailableError` while it is away. */
export interface StreamAdmin {
  /** A stream, or undefined when there is none of that name. */
  stream(name: string): Promise<StreamState | undefined>;
  /** The name of the stream that stores what is published to a subject, or undefined. */
  streamOf(subject: string): Promise<string | undefined>;
  /** Makes a stream. @throws {ConflictError} when there is one with other settings, or one that has a subject of it. */
  createStream(config: StreamConfig): Promise<void>;
  /** Changes a stream. @throws {ConflictError} when a setting differs that cannot be changed. */
  updateStream(config: StreamConfig): Promise<void>;
  /** A consumer, or undefined when it, or the stream, is not there. */
  consumer(stream: string, name: string): Promise<ConsumerState | undefined>;
  /**
   * Makes a consumer, or changes one of that name.
   *
   * @throws {ConflictError} when a setting differs that cannot be changed.
   * @throws {AegisError} with code `STREAM_NOT_FOUND`.
   */
  putConsumer(stream: string, config: ConsumerConfig): Promise<void>;
  /** Removes a consumer; false when there was none. */
  deleteConsumer(stream: string, name: string): Promise<boolean>;
  /** The names of all consumers of a stream; none when it is not there. */
  consumers(stream: string): Promise<readonly string[]>;
}

/** What becomes of a burst. What a listener throws is logged. */
export interface IngestOptions {
  /** Called as messages are stored: that many of the first ones are by now, each with its id known for duplicates. */
  readonly onStored: (count: number) => void;
  /** Called once when the burst has broken: what `onStored` has not named may be stored or not. Publish it again by its id. */
  readonly onBroken: (error: Error) => void;
}

/** A burst of messages for one stream: stored in the order of `add`. */
export interface Ingest {
  /** Whether `add` may be called now without waiting; see {@linkcode ready}. */
  readonly hasRoom: boolean;
  /** Adds a message. It goes out with the other messages of the tick. Does nothing once the burst has broken. */
  add(subject: string, body: string | Uint8Array, headers: Readonly<Record<string, string>>): void;
  /** Resolves when there is room for more, or the burst has broken. */
  ready(): Promise<void>;
  /** Ends it: resolves when all of it is stored, or the burst has broken. */
  end(): Promise<void>;
}

/** What is stored. */
export interface StreamStore {
  /**
   * Publishes a message; resolves when a stream has stored it. The header `Nats-Msg-Id` is the id by which a second
   * one is known, and `Nats-Expected-Last-Subject-Sequence` the sequence that the last message of this subject must have, 0
   * for none. It goes out with the other messages of the tick. Asks once: who hears nothing may ask again with the id.
   *
   * @throws {UnavailableError} when the broker is away (`details.sent` is false), or went away meanwhile, or the stream
   * has no leader at the moment (true: it may be stored).
   * @throws {TimeoutError} when nothing was heard within `timeoutMs`: it may be stored.
   * @throws {QueueFullError} when the stream is full and refuses what is new.
   * @throws {ConflictError} when the last message of the subject has another sequence than was expected.
   * @throws {SerializationError} with code `PAYLOAD_TOO_LARGE`.
   * @throws {AegisError} with code `STREAM_NOT_FOUND` when no stream stores that subject, `JETSTREAM_DISABLED` where
   * there are none, `PERMISSION_DENIED`.
   * @throws {ClosedError} after the transport was closed.
   */
  publish(
    subject: string,
    body: string | Uint8Array,
    headers: Readonly<Record<string, string>>,
    timeoutMs: number,
  ): Promise<PublishAck>;
  /** The first message of a stream at `sequence` or after it whose subject `filter` fits, or undefined. */
  read(stream: string, sequence: number, filter: string): Promise<StoredMessage | undefined>;
  /**
   * The last message of a subject, without wildcards, as the stream's leader knows it; or undefined.
   *
   * @throws {AegisError} with code `STREAM_NOT_FOUND`; otherwise as {@linkcode publish}.
   */
  last(
    stream: string,
    subject: string,
    options?: LastOptions,
  ): Promise<StoredMessage | undefined>;
  /**
   * Stores a message on `subject` now, which the broker publishes to `target` at the time `at`, in milliseconds since the
   * epoch on its clock, with the headers that are not its own. Undefined where the broker has no such thing; the stream of
   * both subjects must have `schedules`. Otherwise as {@linkcode publish}.
   */
  readonly publishLater?:
    | ((
      subject: string,
      target: string,
      at: number,
      body: string | Uint8Array,
      headers: Readonly<Record<string, string>>,
      timeoutMs: number,
    ) => Promise<PublishAck>)
    | undefined;
  /** Removes a message; false when it was not there. */
  remove(stream: string, sequence: number): Promise<boolean>;
  /**
   * Begins a burst: the fastest way to store many messages in `stream`. Undefined where the broker has none; what is
   * published one by one is stored all the same.
   */
  ingest?(stream: string, options: IngestOptions): Ingest | undefined;
  /** Opens a consumer for deliveries. Nothing is asked for before {@linkcode Pull.ask}. */
  pull(stream: string, consumer: string, options: PullOptions): Pull;
}

/** Streams of a transport. */
export interface Streams {
  /** Seeing and following what they hold. Transports of one's own may have none: there is no KV store then. */
  readonly view?: StreamView | undefined;
  /** Making and comparing them. */
  readonly admin: StreamAdmin;
  /** Publishing, reading and consuming. */
  readonly store: StreamStore;
}
