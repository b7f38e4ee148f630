// Faults of what is said to streams: messages and answers that are lost, late, or come twice.

import { AegisError, TimeoutError } from "../domain/error.ts";
import type { Clock } from "../ports/clock.ts";
import type { Delivery, PublishAck, Streams, StreamStore } from "../ports/stream.ts";
import type { Faults, PublishedMessage } from "./faults.ts";

/**
 * `streams` with faults. It has no `ingest`: what would be published in a burst is published one by one, so that it has
 * faults too.
 */
export function faultyStreams(streams: Streams, faults: Faults, clock: Clock): Streams {
  const { store } = streams;
  return {
    admin: streams.admin,
    view: streams.view,
    store: {
      publish: (subject, body, headers, timeoutMs) =>
        publish(
          { subject, body, reply: undefined, headers },
          (kept) => store.publish(subject, kept, headers, timeoutMs),
          timeoutMs,
          faults,
          clock,
        ),
      ...later(store, faults, clock),
      read: (stream, sequence, filter) => store.read(stream, sequence, filter),
      last: (stream, subject, options) => store.last(stream, subject, options),
      remove: (stream, sequence) => store.remove(stream, sequence),
      pull: (stream, consumer, options) =>
        store.pull(stream, consumer, {
          onDelivery: (delivery) =>
            options.onDelivery(faultyDelivery(delivery, stream, consumer, faults, clock)),
          onGone: () => options.onGone(),
          onHealth: (error) => options.onHealth(error),
        }),
    },
  };
}

/** Publishing for later, where the broker has it: it is a message as any other. */
function later(
  { publishLater }: StreamStore,
  faults: Faults,
  clock: Clock,
): Pick<StreamStore, "publishLater"> {
  if (publishLater === undefined) return {};
  return {
    publishLater: (subject, target, at, body, headers, timeoutMs) =>
      publish(
        { subject, body, reply: undefined, headers },
        (kept) => publishLater(subject, target, at, kept, headers, timeoutMs),
        timeoutMs,
        faults,
        clock,
      ),
  };
}

/**
 * A delivery whose `working()` has faults. Its other words have none: an adapter repeats them until the broker has them,
 * so that they are late at most.
 */
function faultyDelivery(
  delivery: Delivery,
  stream: string,
  consumer: string,
  { drop, dropAck, delayMs = 0 }: Faults,
  clock: Clock,
): Delivery {
  const { message, sequence, attempt, storedAt, pending } = delivery;
  // As it is on the wire, as far as that is known here.
  const subject = `$JS.ACK.${stream}.${consumer}.${attempt}.${sequence}`;
  const said = { subject, body: "+WPI", reply: undefined, headers: {} };
  return {
    message,
    sequence,
    attempt,
    storedAt,
    pending,
    ack: () => delivery.ack(),
    nak: (delay) => delivery.nak(delay),
    giveBack: (delay) => delivery.giveBack(delay),
    term: () => delivery.term(),
    working(onHeard) {
      if (drop?.(said) === true) return;
      const heard = onHeard === undefined || dropAck?.(said) === true ? undefined : onHeard;
      const wait = typeof delayMs === "number" ? delayMs : delayMs(said);
      if (wait === 0) delivery.working(heard);
      else clock.setTimer(wait, () => delivery.working(heard));
    },
  };
}

function publish(
  message: PublishedMessage,
  store: (body: string | Uint8Array) => Promise<PublishAck>,
  timeoutMs: number,
  { drop, dropAck, delayMs = 0, duplicate }: Faults,
  clock: Clock,
): Promise<PublishAck> {
  const { subject, body } = message;
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
      const sent = store(kept);
      // It is the first whose answer counts.
      if (twice) store(kept).catch(() => undefined);
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
