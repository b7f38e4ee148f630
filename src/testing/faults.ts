// Faults of a network, made on purpose: messages that are lost, late, or come twice.

import { assertKeys } from "../domain/check.ts";
import { AegisError } from "../domain/error.ts";
import type { Clock } from "../ports/clock.ts";
import type { Messaging } from "../ports/messaging.ts";
import type { Transport } from "../ports/transport.ts";
import { faultyStreams } from "./stream_faults.ts";

/** A message that a connection publishes. */
export interface PublishedMessage {
  /** The subject that it is sent to. */
  readonly subject: string;
  /** The body, as text where its codec gives text. */
  readonly body: string | Uint8Array;
  /** Where an answer goes; undefined where none is wanted. */
  readonly reply: string | undefined;
  /** Its headers, by name. */
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * What goes wrong with the messages that a connection publishes. What it receives is as it comes. That a delivery is
 * still in work is such a message too, on a subject that begins with `$JS.ACK.{stream}.{consumer}.`, and the broker's
 * confirmation is its answer. The acknowledgement of a delivery is none: it is repeated until the broker has it.
 */
export interface Faults {
  /**
   * Whether this message is lost. As on a wire, the publisher is not told: one that waits until a stream has stored it
   * gets a `TimeoutError` when its time is over.
   *
   * @default {nothing is lost}
   */
  readonly drop?: (message: PublishedMessage) => boolean;
  /**
   * Whether the answer of the stream that stores this message is lost: it is stored, and the publisher gets a
   * `TimeoutError` when its time is over. Of a delivery in work, that its confirmation is lost.
   *
   * @default {no answer is lost}
   */
  readonly dropAck?: (message: PublishedMessage) => boolean;
  /**
   * How late messages go out, in milliseconds; others overtake them. A message whose time comes while the transport is
   * away or closed is lost. A function decides for each message, and 0 is at once.
   *
   * @default {0}
   */
  readonly delayMs?: number | ((message: PublishedMessage) => number);
  /** Whether this message goes out twice; a stream stores it once where it has an id. @default {nothing does} */
  readonly duplicate?: (message: PublishedMessage) => boolean;
  /** What delays are measured with, such as a `ManualClock`. @default {the system's clock} */
  readonly clock?: Clock;
}

/** `transport` with faults, on a clock. */
export function faulty(transport: Transport, faults: Faults, clock: Clock): Transport {
  // A fault that is written wrong would be none, and the test that asks for it could not fail.
  assertKeys(faults, ["drop", "dropAck", "delayMs", "duplicate", "clock"], "of withFaults()");
  const { drop, delayMs = 0, duplicate } = faults;
  const { messaging: inner } = transport;
  const messaging: Messaging = {
    get connected() {
      return inner.connected;
    },
    get inbox() {
      return inner.inbox;
    },
    get maxPayload() {
      return inner.maxPayload;
    },
    publish(subject, body, reply, headers) {
      const message = { subject, body, reply: reply || undefined, headers: headers ?? {} };
      if (drop?.(message) === true) return;
      const wait = typeof delayMs === "number" ? delayMs : delayMs(message);
      const times = duplicate?.(message) === true ? 2 : 1;
      if (wait === 0) {
        for (let i = 0; i < times; i++) inner.publish(subject, body, reply, headers);
        return;
      }
      // The publisher may use its bytes again in the meantime.
      const kept = typeof body === "string" ? body : body.slice();
      const send = (): void => {
        for (let i = 0; i < times; i++) inner.publish(subject, kept, reply, headers);
      };
      clock.setTimer(wait, () => unlessGone(send));
    },
    ...(inner.onRefused === undefined
      ? {}
      : { onRefused: (listener) => inner.onRefused?.(listener) }),
    subscribe: (subject, options) => inner.subscribe(subject, options),
    flush: () => inner.flush(),
    header: (message, name) => inner.header(message, name),
    isNoResponders: (message) => inner.isNoResponders(message),
  };
  return {
    kind: transport.kind,
    get status() {
      return transport.status;
    },
    get server() {
      return transport.server;
    },
    get lastError() {
      return transport.lastError;
    },
    messaging,
    streams: transport.streams && faultyStreams(transport.streams, faults, clock),
    onStatus: (listener) => transport.onStatus(listener),
    ping: () => transport.ping(),
    close: () => transport.close(),
  };
}

/** Sends, unless there is no connection any more: then the message is lost, as one on its way would be. */
function unlessGone(send: () => void): void {
  try {
    send();
  } catch (error) {
    if (!AegisError.is(error, "SERVICE_UNAVAILABLE") && !AegisError.is(error, "CLOSED")) {
      throw error;
    }
  }
}
