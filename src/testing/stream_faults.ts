// Faults of what is published to streams: messages and answers that are lost, late, or come twice.

import { AegisError, TimeoutError } from "../domain/error.ts";
import type { Clock } from "../ports/clock.ts";
import type { PublishAck, Streams, StreamStore } from "../ports/stream.ts";
import type { Faults, PublishedMessage } from "./faults.ts";

/**
 * `streams` with faults. It has no `ingest`: what would be published in a burst is published one by one, so that it has
 * faults too.
 */
export function faultyStreams(streams: Streams, faults: Faults, clock: Clock): Streams {
  const { store } = streams;
  return {
    admin: streams.admin,
    store: {
      publish: (subject, body, headers, timeoutMs) => {
        const message = { subject, body, reply: undefined, headers };
        return publish(store, message, timeoutMs, faults, clock);
      },
      read: (stream, sequence, filter) => store.read(stream, sequence, filter),
      remove: (stream, sequence) => store.remove(stream, sequence),
      pull: (stream, consumer, options) => store.pull(stream, consumer, options),
    },
  };
}

function publish(
  store: StreamStore,
  message: PublishedMessage,
  timeoutMs: number,
  { drop, dropAck, delayMs = 0, duplicate }: Faults,
  clock: Clock,
): Promise<PublishAck> {
  const { subject, body, headers } = message;
  const lost = drop?.(message) === true;
  const unheard = dropAck?.(message) === true;
  const wait = typeof delayMs === "number" ? delayMs : delayMs(message);
  const twice = duplicate?.(message) === true;
  // The publisher may use its bytes again in the meantime.
  const kept = typeof body === "string" || wait === 0 ? body : body.slice();
  return new Promise((resolve, reject) => {
    const overdue = clock.setTimer(timeoutMs, () => {
      reject(
        new TimeoutError(`Cannot publish to ${subject}: nothing was heard in ${timeoutMs} ms`),
      );
    });
    const send = (): void => {
      const sent = store.publish(subject, kept, headers, timeoutMs);
      // It is the first whose answer counts.
      if (twice) store.publish(subject, kept, headers, timeoutMs).catch(() => undefined);
      sent.then(
        (ack) => {
          if (unheard) return;
          overdue.cancel();
          resolve(ack);
        },
        (error) => {
          // What goes out late into an outage is lost on its way; otherwise that needs no answer to be known.
          if (isGone(error) ? wait > 0 : unheard) return;
          overdue.cancel();
          reject(error);
        },
      );
    };
    if (lost) return;
    if (wait === 0) send();
    else clock.setTimer(wait, send);
  });
}

/** Whether there is no connection, for the moment or for good. */
function isGone(error: unknown): boolean {
  return AegisError.is(error, "SERVICE_UNAVAILABLE") || AegisError.is(error, "CLOSED");
}
