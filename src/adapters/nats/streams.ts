// Streams over a NATS connection: JetStream, put together.

import type { NatsConnection } from "@nats-io/nats-core";
import type { Messaging } from "../../ports/messaging.ts";
import type { Streams, StreamStore } from "../../ports/stream.ts";
import { Ask } from "./ask.ts";
import {
  hasCarefulNaks,
  hasCarefulPurges,
  hasExclusiveWrites,
  hasFastIngest,
  hasSchedules,
} from "./capabilities.ts";
import { SILENCE_MS } from "./follow_config.ts";
import { Gate } from "./gate.ts";
import type { Link } from "./messaging.ts";
import { NatsPull } from "./pull.ts";
import type { Enlisted, PullParts } from "./pull_parts.ts";
import { Requests } from "./requests.ts";
import { createStreamAdmin } from "./stream_admin.ts";
import { StreamApi } from "./stream_api.ts";
import { type IngestParts, NatsIngest } from "./stream_ingest.ts";
import { scheduleHeaders } from "./schedule.ts";
import { StreamPublisher } from "./stream_publish.ts";
import { removeMessage, StreamReader } from "./stream_read.ts";
import { createStreamView } from "./stream_view.ts";
import { Vigil } from "./vigil.ts";

/** How long a message of a burst may take that is published by itself, in milliseconds. */
const SINGLE_MS = 10_000;
/** How long a server may take to forget who has ended, in milliseconds. */
const FORGET_MS = 1_000;

/** How long who begins to follow a stream keeps the next one waiting at most, in milliseconds. */
const BEGIN_MS = 2_000;

/** Streams, and what they have to hear of. */
export interface NatsStreams extends Streams {
  /** The bus is there again. */
  returned(): void;
  /** The bus went away, or is closed for good. */
  ended(why: "broken" | "closed"): void;
}

/** Streams over `connection`, of the JetStream in `domain` if there is one. */
export function createNatsStreams(
  connection: NatsConnection,
  messaging: Messaging,
  link: Link,
  domain: string | undefined,
): NatsStreams {
  const api = new StreamApi(connection, link, domain);
  const requests = new Requests(messaging, `${messaging.inbox}.s.`);
  const admin = createStreamAdmin(connection, api);
  const clustered = (): boolean => connection.info?.cluster !== undefined;
  const publisher = new StreamPublisher(
    requests,
    admin.streamOf,
    clustered,
    () => hasExclusiveWrites(connection),
  );
  const enlisted = new Set<Enlisted>();
  let inboxes = 0;
  let outages = 0;
  const parts: PullParts = {
    messaging,
    api,
    requests,
    enlisted,
    outages: () => outages,
    clustered,
    forgetEnded(stream, consumer) {
      if (hasCarefulNaks(connection)) return undefined;
      // It looks through those who wait before it says how many they are.
      return api.run(
        `look for the consumer ${consumer} of the stream ${stream}`,
        (manager) => manager.consumers.info(stream, consumer),
        undefined,
        FORGET_MS,
      ).catch(() => undefined);
    },
    inbox: () => `${messaging.inbox}.c.${++inboxes}`,
    failed: link.failed,
  };
  const ask = new Ask(requests, link);
  const reader = new StreamReader(ask, api.prefix);
  const view = createStreamView(connection, {
    messaging,
    api,
    ask,
    reader,
    skips: () => !hasCarefulPurges(connection),
    enlisted,
    vigil: new Vigil(SILENCE_MS),
    gate: new Gate(BEGIN_MS),
    place() {
      const inbox = `${messaging.inbox}.f.${++inboxes}`;
      return { inbox, name: inbox.replaceAll(".", "_") };
    },
    failed: link.failed,
  });
  const withoutIngest = new Set<string>();
  const ingestParts: IngestParts = {
    messaging,
    enlisted,
    inbox: () => `${messaging.inbox}.i.${++inboxes}`,
    failed: link.failed,
    publish: ({ subject, body, headers }) => publisher.publish(subject, body, headers, SINGLE_MS),
    onUnsupported: (stream) => void withoutIngest.add(stream),
  };
  messaging.onRefused?.((subject, error) => {
    for (const one of enlisted) one.refused(subject, error);
  });
  const publishLater: NonNullable<StreamStore["publishLater"]> = (
    subject,
    target,
    at,
    body,
    headers,
    timeoutMs,
  ) => publisher.publish(subject, body, scheduleHeaders(target, at, headers), timeoutMs);
  const store: StreamStore = {
    publish: (subject, body, headers, timeoutMs) =>
      publisher.publish(subject, body, headers, timeoutMs),
    read: (stream, sequence, filter) => reader.read(stream, sequence, filter),
    last: (stream, subject, options) => reader.last(stream, subject, options),
    get publishLater() {
      return hasSchedules(connection) ? publishLater : undefined;
    },
    remove: (stream, sequence) => removeMessage(api, stream, sequence),
    ingest(stream, options) {
      if (!hasFastIngest(connection) || withoutIngest.has(stream)) return undefined;
      return new NatsIngest(ingestParts, stream, options);
    },
    pull: (stream, consumer, options) => new NatsPull(parts, stream, consumer, options),
  };
  return {
    view,
    admin,
    store,
    returned() {
      // It may be another server, and streams may have been changed meanwhile.
      withoutIngest.clear();
      requests.returned();
      reader.returned();
      for (const one of [...enlisted]) one.returned();
    },
    ended(why) {
      outages++;
      api.ended(why);
      requests.ended(why);
      for (const one of [...enlisted]) one.ended(why);
    },
  };
}
