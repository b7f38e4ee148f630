// Streams over one connection to the embedded broker.

import { UnavailableError } from "../../domain/error.ts";
import type { PublishAck, StreamAdmin, Streams, StreamStore } from "../../ports/stream.ts";
import { bankOf } from "./broker.ts";
import type { MemoryFollow } from "./follow.ts";
import { matcher } from "./pattern.ts";
import { MemoryPull } from "./pull.ts";
import { readable } from "./readable.ts";
import { type MemoryStream, noStream } from "./stream.ts";
import { ask, type StreamLink } from "./stream_link.ts";
import { createView } from "./stream_view.ts";

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
  const follows = new Set<MemoryFollow>();
  return {
    streams: {
      view: createView(link, follows),
      admin: createAdmin(link),
      store: createStore(link, pulls),
    },
    cut() {
      for (const follow of [...follows]) follow.cut();
      for (const pull of pulls) pull.cut();
    },
    mend: () => pulls.forEach((pull) => pull.mend()),
    end() {
      for (const follow of [...follows]) follow.cut();
      for (const pull of pulls) pull.end();
      pulls.clear();
    },
  };
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
