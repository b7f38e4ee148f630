// The embedded transport: the ports of a NATS connection, on a broker inside this process.

import { ClosedError, SerializationError, UnavailableError } from "../../domain/error.ts";
import { assertSubject } from "../../domain/subject.ts";
import type { Logger } from "../../ports/logger.ts";
import type { Message, Messaging, SubscribeOptions, Subscription } from "../../ports/messaging.ts";
import type { BusStatus, Transport } from "../../ports/transport.ts";
import { type Interest, MAX_PAYLOAD, MemoryBroker, type MemoryMessage } from "./broker.ts";
import { headerLength, headerValue } from "./headers.ts";
import { createMemoryStreams } from "./streams.ts";

/** A transport whose connection can be cut and mended, to see what programs make of that. */
export interface MemoryTransport extends Transport {
  /** Cuts the connection: what is routed here is lost, what is published is refused, nothing is delivered of streams. */
  disconnect(): void;
  /** Mends it: subscriptions stand again, acknowledgements that were due are given, deliveries are asked for again. */
  reconnect(): void;
}

const encoder = new TextEncoder();
let connections = 0;

/**
 * A connection to `broker`, or to one of its own; `logger` is where that goes which listeners throw.
 *
 * @example An outage
 * ```ts
 * import { connect } from "@aegis/sdk";
 * import { createMemoryTransport } from "@aegis/sdk/testing";
 * import { strictEqual } from "node:assert/strict";
 *
 * const transport = createMemoryTransport();
 * await using bus = await connect({ transport });
 * transport.disconnect();
 * strictEqual(bus.status, "reconnecting");
 * transport.reconnect();
 * strictEqual(bus.status, "connected");
 * ```
 */
export function createMemoryTransport(
  broker: MemoryBroker = new MemoryBroker(),
  logger: Pick<Logger, "error"> = console,
): MemoryTransport {
  const listeners = new Set<(status: BusStatus) => void>();
  const interests = new Set<Interest>();
  const inbox = `_INBOX.m${(++connections).toString(36)}`;
  const left = broker.connect();
  let status: BusStatus = "connected";
  let over = false;
  let cuts = 0;

  const failed = (what: string, error: unknown): void => {
    try {
      logger.error(`${what} threw an error`, { error });
    } catch {
      // The logger throws too, and there is nobody left to tell.
    }
  };

  const change = (next: BusStatus): void => {
    if (status === next || status === "closed") return;
    status = next;
    for (const listener of [...listeners]) {
      try {
        listener(next);
      } catch (error) {
        failed(`What listens to the status "${next}"`, error);
      }
    }
  };

  const assertOpen = (what: string): void => {
    if (status === "closed") throw new ClosedError(`Cannot ${what}: the bus is closed`);
  };

  const assertHere = (what: string): void => {
    assertOpen(what);
    if (status === "connected") return;
    throw new UnavailableError(`Cannot ${what}: the bus is away and reconnecting`, {
      details: { sent: false },
    });
  };

  /** A message that may be published. */
  const checked = (
    subject: string,
    body: string | Uint8Array,
    reply: string | undefined,
    headers: Readonly<Record<string, string>> | undefined,
  ): MemoryMessage => {
    assertHere(`publish to ${subject}`);
    assertSubject(subject, reply ?? "", "publish");
    // A copy, as a wire makes one: what the publisher does with its bytes later changes nothing.
    const data = typeof body === "string" ? encoder.encode(body) : body.slice();
    const length = data.length + headerLength(headers);
    if (length > MAX_PAYLOAD) {
      throw new SerializationError(
        `Cannot publish to ${subject}: the message has ${length} bytes, and the server takes ${MAX_PAYLOAD} (max_payload)`,
        { code: "PAYLOAD_TOO_LARGE", details: { length, maxPayload: MAX_PAYLOAD } },
      );
    }
    return {
      subject,
      reply: reply === "" ? undefined : reply,
      data,
      headers: headers === undefined ? undefined : { ...headers },
      status: undefined,
    };
  };

  const streams = createMemoryStreams({
    broker,
    isHere: () => status === "connected",
    isOver: () => over,
    cuts: () => cuts,
    assertOpen,
    assertHere,
    message: (subject, body, headers) =>
      checked(subject, body, undefined, Object.keys(headers).length === 0 ? undefined : headers),
    failed,
  });

  const messaging: Messaging = {
    get connected() {
      return status === "connected";
    },
    inbox,
    maxPayload: MAX_PAYLOAD,
    publish(subject, body, reply, headers) {
      broker.publish(checked(subject, body, reply, headers));
    },
    subscribe(subject, options) {
      assertOpen(`subscribe to ${subject}`);
      assertSubject(subject, options.queue ?? "", "subscribe");
      const onMessage = (message: Message): void => {
        try {
          options.onMessage(message);
        } catch (error) {
          failed(`What listens to ${subject}`, error);
        }
      };
      return subscribe(broker, interests, () => status, subject, { ...options, onMessage });
    },
    async flush() {
      assertHere("flush");
      await broker.flush();
      assertHere("flush");
    },
    header(message, name) {
      const { headers } = message as MemoryMessage;
      const value = headers !== undefined && Object.hasOwn(headers, name)
        ? headers[name]
        : undefined;
      return value === undefined ? undefined : headerValue(value);
    },
    isNoResponders: (message) => (message as MemoryMessage).status === 503,
  };

  return {
    kind: "memory",
    get status() {
      return status;
    },
    server: Object.freeze({
      name: "memory",
      version: "embedded",
      address: "memory:",
      jetstream: true,
      clustered: false,
      maxPayload: MAX_PAYLOAD,
    }),
    messaging,
    streams: streams.streams,
    onStatus(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    async ping() {
      const started = performance.now();
      await messaging.flush();
      return performance.now() - started;
    },
    async close() {
      if (status === "connected") await broker.flush();
      for (const interest of interests) broker.remove(interest);
      interests.clear();
      over = true;
      streams.end();
      left();
      change("closed");
    },
    disconnect() {
      if (status !== "connected") return;
      for (const interest of interests) broker.remove(interest);
      cuts++;
      change("reconnecting");
      streams.cut();
    },
    reconnect() {
      if (status !== "reconnecting") return;
      for (const interest of interests) broker.add(interest);
      change("connected");
      streams.mend();
    },
  };
}

function subscribe(
  broker: MemoryBroker,
  interests: Set<Interest>,
  status: () => BusStatus,
  pattern: string,
  { queue, onMessage }: SubscribeOptions,
): Subscription {
  let open = true;
  const interest: Interest = {
    pattern,
    queue,
    deliver(message: Message) {
      if (open && status() === "connected") onMessage(message);
    },
  } as Interest;
  interests.add(interest);
  if (status() === "connected") broker.add(interest);
  return {
    async drain() {
      if (!interests.delete(interest)) return;
      broker.remove(interest);
      if (status() === "connected") await broker.flush();
      open = false;
    },
  };
}

const SHARED = new Map<string, MemoryBroker>();

/** The broker of `memory:name`, shared by all that name it in this process; `memory:` alone is one of its own. */
export function memoryBroker(url: string): MemoryBroker {
  const name = url.slice("memory:".length);
  if (name === "") return new MemoryBroker();
  const broker = SHARED.get(name) ?? new MemoryBroker();
  SHARED.set(name, broker);
  return broker;
}
