// Streams over one connection to the embedded broker.

import { UnavailableError } from "../../domain/error.ts";
import type {
  PublishAck,
  StoredMessage,
  StreamAdmin,
  Streams,
  StreamStore,
} from "../../ports/stream.ts";
import { bankOf, type MemoryBroker, type MemoryMessage } from "./broker.ts";
import { matcher } from "./pattern.ts";
import { MemoryPull } from "./pull.ts";
import { headerValue } from "./headers.ts";
import { type MemoryStream, noStream } from "./stream.ts";
import type { Stored } from "./stream_log.ts";

/** What streams need of their connection. */
export interface StreamLink {
  readonly broker: MemoryBroker;
  /** Whether it is there. */
  readonly isHere: () => boolean;
  /** How often it was cut. */
  readonly cuts: () => number;
  /** Throws unless it is there. */
  readonly assertHere: (what: string) => void;
  /** Throws when it was closed. */
  readonly assertOpen: (what: string) => void;
  /** A message to be published, which was checked. */
  readonly message: (
    subject: string,
    body: string | Uint8Array,
    headers: Readonly<Record<string, string>>,
  ) => MemoryMessage;
  /** Logs what a listener threw. */
  readonly failed: (what: string, error: unknown) => void;
}

/** Streams, and what becomes of their deliveries as the connection comes and goes. */
export interface MemoryStreams {
  readonly streams: Streams;
  /** The connection was cut. */
  cut(): void;
  /** It is back. */
  mend(): void;
  /** It is over. */
  end(): void;
}

/** Streams over a connection. */
export function createMemoryStreams(link: StreamLink): MemoryStreams {
  const pulls = new Set<MemoryPull>();
  return {
    streams: { admin: createAdmin(link), store: createStore(link, pulls) },
    cut: () => pulls.forEach((pull) => pull.cut()),
    mend: () => pulls.forEach((pull) => pull.mend()),
    end() {
      for (const pull of pulls) pull.end();
      pulls.clear();
    },
  };
}

/** Asks the broker, which answers in its turn. */
async function ask<T>({ broker, assertHere }: StreamLink, what: string, work: () => T): Promise<T> {
  assertHere(what);
  await broker.flush();
  assertHere(what);
  return work();
}

function createAdmin(link: StreamLink): StreamAdmin {
  const bank = bankOf(link.broker);
  return {
    stream: (name) => ask(link, `read the stream ${name}`, () => bank.stream(name)?.state),
    streamOf: (subject) =>
      ask(link, `find the stream of ${subject}`, () => bank.streamOf(subject)?.config.name),
    createStream: (config) =>
      ask(link, `make the stream ${config.name}`, () => bank.create(config)),
    updateStream: (config) =>
      ask(link, `change the stream ${config.name}`, () => bank.update(config)),
    consumer: (stream, name) =>
      ask(link, `read the consumer ${name}`, () => bank.consumer(stream, name)?.state),
    putConsumer: (stream, config) =>
      ask(link, `make the consumer ${config.name}`, () => bank.putConsumer(stream, config)),
    deleteConsumer: (stream, name) =>
      ask(link, `remove the consumer ${name}`, () => bank.deleteConsumer(stream, name)),
    consumers: (stream) =>
      ask(
        link,
        `list the consumers of the stream ${stream}`,
        () => [...bank.stream(stream)?.consumers.keys() ?? []],
      ),
  };
}

function createStore(link: StreamLink, pulls: Set<MemoryPull>): StreamStore {
  const { broker } = link;
  const bank = bankOf(broker);
  const { clock } = bank;
  const existing = (what: string, name: string): MemoryStream => {
    const stream = bank.stream(name);
    if (stream === undefined) throw noStream(`${what}: there is no such stream`, { stream: name });
    return stream;
  };
  return {
    async publish(subject, body, headers): Promise<PublishAck> {
      const cuts = link.cuts();
      const said = broker.publish(link.message(subject, body, headers));
      await broker.flush();
      if (link.cuts() !== cuts) {
        throw new UnavailableError(
          `Cannot know whether the message to ${subject} was stored: the bus went away meanwhile`,
          { details: { sent: true } },
        );
      }
      if (said instanceof Error) throw said;
      if (said !== undefined) return said;
      throw noStream(`publish to ${subject}: no stream stores it`, { subject });
    },
    read(name, sequence, filter) {
      const what = `read from the stream ${name}`;
      return ask(link, what, () => {
        const fits = matcher(filter);
        const stream = existing(what, name);
        let stored = stream.next(sequence);
        while (stored !== undefined && !fits(stored.message.subject)) {
          stored = stream.next(stored.sequence + 1);
        }
        return stored === undefined ? undefined : readable(stored);
      });
    },
    last(name, subject) {
      const what = `read the last message of ${subject} in the stream ${name}`;
      return ask(link, what, () => {
        const stored = existing(what, name).last(subject);
        return stored === undefined ? undefined : readable(stored);
      });
    },
    remove(name, sequence) {
      const what = `remove from the stream ${name}`;
      return ask(link, what, () => {
        const stream = existing(what, name);
        return !stream.config.bucket && stream.remove(sequence);
      });
    },
    pull(stream, consumer, options) {
      link.assertOpen(`take from the consumer ${consumer}`);
      const pull = new MemoryPull({
        isHere: link.isHere,
        cuts: link.cuts,
        find: () => bank.consumer(stream, consumer),
        post: (task) => broker.post(task),
        setTimer: (delayMs, callback) => clock.setTimer(delayMs, callback),
        failed: (error) => link.failed(`What listens to the consumer ${consumer}`, error),
      }, options);
      pulls.add(pull);
      return pull;
    },
  };
}

function readable({ message, sequence, storedAt }: Stored): StoredMessage {
  const headers = Object.entries(message.headers ?? {}).map(([name, value]) =>
    [name, headerValue(value)] as const
  );
  return {
    subject: message.subject,
    sequence,
    storedAt,
    data: message.data.slice(),
    headers: Object.fromEntries(headers),
  };
}
