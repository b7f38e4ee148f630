// Publishing to streams: each message is a request, which the stream that stored it answers.

import {
  AegisError,
  ClosedError,
  SerializationError,
  TimeoutError,
  UnavailableError,
} from "../../domain/error.ts";
import type { Expiring } from "../../domain/timer_wheel.ts";
import type { PublishAck } from "../../ports/stream.ts";
import { exclusive, exclusiveAnswer } from "./expected.ts";
import type { NatsMessage } from "./message.ts";
import { pause } from "./pause.ts";
import { type ApiError, PubAcks } from "./pub_ack.ts";
import type { Requests, Unanswered, Waiter } from "./requests.ts";
import { streamNotFound, translateApiError } from "./stream_error.ts";

/** How often a cluster is asked once more for a stream that it does not know, and after how long, in milliseconds. */
const LOOKS = 3;
const LOOK_MS = 300;
const MAX_TIMER_MS = 2 ** 31 - 1;

/** The name of the stream that stores a subject. */
type StreamOf = (subject: string) => Promise<string | undefined>;

/**
 * Publishes over `requests`; `streamOf` is asked where nobody answers, once more where servers are `clustered`. Where they are
 * not `isExclusive`, of messages that expect the same last one several would be stored.
 */
export class StreamPublisher {
  readonly #requests: Requests;
  readonly #streamOf: StreamOf;
  readonly #clustered: () => boolean;
  readonly #isExclusive: () => boolean;
  readonly #acks = new PubAcks();
  readonly #decoder = new TextDecoder();
  readonly #lookups = new Map<string, Promise<Error>>();

  /** Makes a publisher. */
  constructor(
    requests: Requests,
    streamOf: StreamOf,
    clustered: () => boolean,
    isExclusive: () => boolean,
  ) {
    this.#requests = requests;
    this.#streamOf = streamOf;
    this.#clustered = clustered;
    this.#isExclusive = isExclusive;
  }

  /** Publishes a message; see the port. */
  publish(
    subject: string,
    body: string | Uint8Array,
    headers: Readonly<Record<string, string>>,
    timeoutMs: number,
  ): Promise<PublishAck> {
    return new Promise((resolve, reject) => {
      const guarded = this.#isExclusive() ? undefined : exclusive(subject, headers);
      const expiresAt = performance.now() + timeoutMs;
      const waiting = new Publish(
        this,
        subject,
        expiresAt,
        guarded !== undefined,
        resolve,
        reject,
      );
      try {
        this.#requests.send(waiting, body, guarded ?? (isEmpty(headers) ? undefined : headers));
      } catch (error) {
        reject(unsent(error));
      }
    });
  }

  /** What a stream answered. */
  read(message: NatsMessage): PublishAck | ApiError {
    return this.#acks.read(message.ascii ?? this.#decoder.decode(message.data));
  }

  /**
   * Why nobody took what was published to `subject`; when that is not known after `withinMs`, the server may be looking for
   * a leader. It is found out once for all that were published together.
   */
  nobody(subject: string, withinMs: number): Promise<Error> {
    let lookup = this.#lookups.get(subject);
    if (lookup === undefined) {
      lookup = this.#lookUp(subject);
      this.#lookups.set(subject, lookup);
    }
    return new Promise((resolve) => {
      const timer = setTimeout(
        () => resolve(unavailable(subject, "nobody answers for streams")),
        Math.min(Math.max(0, withinMs), MAX_TIMER_MS),
      );
      void lookup.then((error) => {
        clearTimeout(timer);
        resolve(error);
      });
    });
  }

  async #lookUp(subject: string): Promise<Error> {
    const what = `publish to ${subject}`;
    try {
      let stream = await this.#streamOf(subject);
      // A leader that has just been elected may not have read yet what there is.
      for (let more = this.#clustered() ? LOOKS : 0; stream === undefined && more > 0; more--) {
        await pause(LOOK_MS);
        stream = await this.#streamOf(subject);
      }
      if (stream === undefined) return streamNotFound(what);
      return unavailable(subject, `the stream ${stream} has no leader at the moment`);
    } catch (error) {
      if (AegisError.is(error, "JETSTREAM_DISABLED") || AegisError.is(error, "CLOSED")) {
        return error;
      }
      // A user may publish and not ask for streams: then this is all that is known.
      if (AegisError.is(error, "PERMISSION_DENIED")) return streamNotFound(what, error);
      return unavailable(subject, "nobody answers for streams", error);
    } finally {
      this.#lookups.delete(subject);
    }
  }
}

/** One message that waits for its answer. */
class Publish implements Waiter {
  readonly subject: string;
  readonly expiresAt: number;
  slot = 0;
  wheelPrevious: Expiring | undefined = undefined;
  wheelNext: Expiring | undefined = undefined;
  readonly #publisher: StreamPublisher;
  readonly #guarded: boolean;
  readonly #resolve: (ack: PublishAck) => void;
  readonly #reject: (error: Error) => void;

  constructor(
    publisher: StreamPublisher,
    subject: string,
    expiresAt: number,
    guarded: boolean,
    resolve: (ack: PublishAck) => void,
    reject: (error: Error) => void,
  ) {
    this.#publisher = publisher;
    this.subject = subject;
    this.expiresAt = expiresAt;
    this.#guarded = guarded;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  answered(message: NatsMessage): void {
    let answer: PublishAck | ApiError;
    try {
      if (message.isNoResponders) {
        const leftMs = this.expiresAt - performance.now();
        void this.#publisher.nobody(this.subject, leftMs).then(this.#reject);
        return;
      }
      answer = this.#publisher.read(message);
      if (this.#guarded) answer = exclusiveAnswer(answer);
    } catch (cause) {
      this.#reject(
        new SerializationError(
          `Cannot publish to ${this.subject}: whoever answered it is no stream`,
          { cause },
        ),
      );
      return;
    }
    if ("sequence" in answer) this.#resolve(answer);
    else this.#reject(translateApiError(answer, `publish to ${this.subject}`, true));
  }

  failed(why: Unanswered, error: Error | undefined): void {
    this.#reject(unanswered(`publish to ${this.subject}`, why, error));
  }
}

/** The error for a request without an answer. */
export function unanswered(what: string, why: Unanswered, error: Error | undefined): Error {
  const details = { sent: true };
  switch (why) {
    case "timeout":
      return new TimeoutError(`Cannot ${what}: no stream answered in time; it may be stored`, {
        details,
      });
    case "broken":
      return new UnavailableError(
        `Cannot ${what}: the bus went away before a stream answered; it may be stored`,
        { details },
      );
    case "closed":
      return new ClosedError(
        `Cannot ${what}: the bus was closed before a stream answered; it may be stored`,
        { details },
      );
    case "refused":
      return error!;
  }
}

function unavailable(subject: string, reason: string, cause?: unknown): UnavailableError {
  return new UnavailableError(`Cannot publish to ${subject}: ${reason}`, {
    cause,
    details: { sent: true },
  });
}

/** The error of a message that was not sent. */
function unsent(error: unknown): unknown {
  if (!AegisError.is(error, "SERVICE_UNAVAILABLE")) return error;
  return new UnavailableError(error.message, { cause: error, details: { sent: false } });
}

function isEmpty(headers: Readonly<Record<string, string>>): boolean {
  for (const _ in headers) return false;
  return true;
}
