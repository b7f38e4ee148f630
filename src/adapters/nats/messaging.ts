// Core messaging over a NATS connection.

import { createInbox, headers as natsHeaders, type NatsConnection } from "@nats-io/nats-core";
import { ClosedError, SerializationError, UnavailableError } from "../../domain/error.ts";
import { assertSubject } from "../../domain/subject.ts";
import type { Messaging, SubscribeOptions, Subscription } from "../../ports/messaging.ts";
import { isAckSubject } from "./ack_subject.ts";
import { translateNatsError } from "./error.ts";
import { type NatsMessage, Reads } from "./message.ts";
import { settledWithin } from "./settled.ts";
import { createWriter, type Writer } from "./writer.ts";

const DEFAULT_MAX_PAYLOAD = 1024 * 1024;

/** What the transport knows of the connection. */
export interface Link {
  /** @throws {TypeError} in another request than that of the connection, where requests cannot share one. */
  readonly assertHere: () => void;
  /** Whether the server is there. @throws {TypeError} as {@linkcode assertHere} */
  readonly isConnected: () => boolean;
  /** Whether it is over, which a connection that others use too does not show. */
  readonly isClosed: () => boolean;
  /** Whom to tell which subjects this user may not publish to. */
  readonly refusals: Set<(subject: string, error: Error) => void>;
  /** Logs what somebody who was told something threw. */
  readonly failed: (what: string, error: unknown) => void;
}

/** Core messaging over `connection`. */
export function createNatsMessaging(
  connection: NatsConnection,
  link: Link,
): Messaging {
  const { assertHere, isConnected, isClosed, refusals } = link;
  const reads = new Reads();
  const writer = createWriter(connection);
  const inbox = createInbox();

  const maxPayload = (): number => connection.info?.max_payload ?? DEFAULT_MAX_PAYLOAD;

  return {
    get connected() {
      return isConnected();
    },
    inbox,
    get maxPayload() {
      return maxPayload();
    },
    publish(subject, body, reply = "", headers = undefined) {
      if (!isConnected()) {
        if (isClosed() || connection.isClosed()) {
          throw new ClosedError(`Cannot publish to ${subject}: the bus is closed`);
        }
        throw new UnavailableError(
          `Cannot publish to ${subject}: the bus is away and reconnecting`,
        );
      }
      // What acknowledgements go to the server has given.
      if (!isAckSubject(subject)) assertSubject(subject, reply, "publish");
      const block = headers === undefined ? undefined : headerBlock(headers);
      assertFits(subject, body, block, maxPayload());
      send(connection, writer, subject, reply, block, body, headers);
    },
    onRefused: (listener) => void refusals.add(listener),
    subscribe(subject, options) {
      assertHere();
      if (isClosed()) throw new ClosedError(`Cannot subscribe to ${subject}: the bus is closed`);
      return subscribe(connection, link, reads, subject, options);
    },
    push: () => writer?.push(),
    async flush() {
      assertHere();
      writer?.flush();
      try {
        await connection.flush();
      } catch (error) {
        throw translateNatsError(error, "flush");
      }
    },
    header(message, name) {
      return (message as NatsMessage).header(name);
    },
    isNoResponders(message) {
      return (message as NatsMessage).isNoResponders;
    },
  };
}

/** The header block of a message. */
function headerBlock(headers: Readonly<Record<string, string>>): string {
  let block = "NATS/1.0\r\n";
  for (const name in headers) block += `${name}: ${headers[name]}\r\n`;
  return `${block}\r\n`;
}

function assertFits(
  subject: string,
  body: string | Uint8Array,
  block: string | undefined,
  maxPayload: number,
): void {
  // A character of text has at most three bytes: only what may be too large is counted to the byte.
  if (((block?.length ?? 0) + body.length) * 3 <= maxPayload) return;
  const length = byteLength(block ?? "") + byteLength(body);
  if (length <= maxPayload) return;
  throw new SerializationError(
    `Cannot publish to ${subject}: the message has ${length} bytes, and the server takes ${maxPayload} (max_payload)`,
    { code: "PAYLOAD_TOO_LARGE", details: { length, maxPayload } },
  );
}

function byteLength(part: string | Uint8Array): number {
  return typeof part === "string" ? new TextEncoder().encode(part).length : part.length;
}

function send(
  connection: NatsConnection,
  writer: Writer | undefined,
  subject: string,
  reply: string,
  block: string | undefined,
  payload: string | Uint8Array,
  headers: Readonly<Record<string, string>> | undefined,
): void {
  if (writer !== undefined) {
    writer.write(subject, reply, block, payload);
    return;
  }
  try {
    if (headers === undefined) connection.publish(subject, payload, { reply });
    else {
      const set = natsHeaders();
      for (const name in headers) set.set(name, headers[name]!);
      connection.publish(subject, payload, { reply, headers: set });
    }
  } catch (error) {
    throw translateNatsError(error, `publish to ${subject}`);
  }
}

function subscribe(
  connection: NatsConnection,
  { isConnected, failed }: Link,
  reads: Reads,
  subject: string,
  { queue, onMessage, onError }: SubscribeOptions,
): Subscription {
  assertSubject(subject, queue ?? "", "subscribe");
  try {
    const subscription = connection.subscribe(subject, {
      ...(queue === undefined ? {} : { queue }),
      callback: (error, message) => {
        try {
          if (error === null) onMessage(reads.message(message));
          else onError?.(translateNatsError(error, `subscribe to ${subject}`));
        } catch (thrown) {
          // nats.js would read nothing more from the server.
          failed(`What listens to ${subject}`, thrown);
        }
      },
    });
    return {
      async drain(withinMs) {
        if (subscription.isClosed()) return;
        if (!isConnected()) {
          subscription.unsubscribe();
          return;
        }
        const drained = subscription.drain();
        if (withinMs === undefined) await drained.catch(() => undefined);
        else await settledWithin(withinMs, drained);
        // The connection broke or closed under it, and the server has forgotten it by itself; or it took too long.
        if (!subscription.isClosed()) subscription.unsubscribe();
      },
    };
  } catch (error) {
    throw translateNatsError(error, `subscribe to ${subject}`);
  }
}
