// Connecting: the composition root, where ports meet their adapters.

import { connectNats, type ConnectTools, type Dial, tooEarly } from "./adapters/nats/connect.ts";
import { broughtKind, ofOneKind } from "./adapters/nats/kind.ts";
import { createNatsTransport } from "./adapters/nats/transport.ts";
import { asLogger } from "./adapters/system/as_logger.ts";
import { createClock } from "./adapters/system/clock.ts";
import { readEnvironment } from "./adapters/system/environment.ts";
import { createJsonCodec } from "./adapters/system/json.ts";
import { createLogger } from "./adapters/system/logger.ts";
import { createMetrics } from "./adapters/system/metrics.ts";
import { createRandom } from "./adapters/system/random.ts";
import { safeLogger } from "./adapters/system/safe_logger.ts";
import { type Bus, createBus } from "./app/bus.ts";
import { Spans } from "./app/spans.ts";
import type { EntryKind } from "./domain/entry.ts";
import {
  CONNECT_VARIABLES,
  parseConnectOptions,
  type ResolvedConnectOptions,
} from "./domain/options.ts";
import { assertStreamsOptions } from "./domain/stream_options.ts";
import type { Codec } from "./ports/codec.ts";
import type { Logger } from "./ports/logger.ts";
import type { ReadableMetrics } from "./ports/metrics.ts";
import type { ConnectOptions } from "./ports/options.ts";
import type { Transport } from "./ports/transport.ts";
import type { NatsConnection } from "@nats-io/nats-core";

/** What an entry brings along. */
export interface Entry {
  /** What its connections are carried by. */
  readonly kind: EntryKind;
  /** How it reaches a server. */
  readonly dial: Dial;
  /** How it reads files, where there are files. */
  readonly readFile?: ConnectTools["readFile"];
  /** The codecs that it understands beside JSON. */
  readonly codecs: readonly Codec[];
}

/** The `connect()` of an entry. */
export function createConnect(entry: Entry): (options?: ConnectOptions) => Promise<Bus> {
  return async (options = {}) => {
    try {
      return await connectBus(entry, options);
    } catch (error) {
      throw tooEarly(error) ?? error;
    }
  };
}

async function connectBus(entry: Entry, options: ConnectOptions): Promise<Bus> {
  const resolved = parseConnectOptions(options, readEnvironment(CONNECT_VARIABLES), entry.kind);
  if (options.streams !== undefined) assertStreamsOptions(options.streams);
  const logger = options.logger === undefined
    ? createLogger()
    : safeLogger(asLogger(options.logger));
  const transport = await open(entry, options, resolved, logger);
  const clock = options.clock ?? createClock();
  const random = createRandom();
  const json = createJsonCodec();
  const metrics = options.metrics ?? createMetrics({ clock });
  const codec = options.codec ?? json;
  return createBus({
    name: resolved.name,
    transport,
    clock,
    random,
    codec,
    // The one that was given goes first: JSON takes every byte that is not MessagePack's for its own.
    codecs: [...(codec === json ? [] : [codec]), json, ...entry.codecs],
    logger,
    metrics,
    spans: options.tracer === undefined ? undefined : new Spans(options.tracer, logger),
    fresh: {
      uuid: () => random.uuid(),
      traceId: () => random.traceId(),
      timestamp: () => clock.timestamp(),
    },
    replicas: resolved.replicas,
    streams: options.streams ?? {},
    request: typeof options.perRequest === "object" ? options.perRequest : undefined,
  }, "snapshot" in metrics ? metrics as ReadableMetrics : createMetrics({ clock }));
}

async function open(
  entry: Entry,
  options: ConnectOptions,
  resolved: ResolvedConnectOptions,
  logger: Logger,
): Promise<Transport> {
  switch (resolved.source) {
    case "transport":
      return options.transport!;
    case "connection": {
      const connection = options.connection as NatsConnection;
      const kind = broughtKind(connection) ?? entry.kind;
      return createNatsTransport(connection, kind, false, logger, resolved.jetstreamDomain);
    }
    case "memory": {
      // A page that talks to a server does not load a broker.
      const { createMemoryTransport, memoryBroker } = await import(
        "./adapters/memory/transport.ts"
      );
      return createMemoryTransport(memoryBroker(resolved.servers[0]!), logger);
    }
    case "nats":
    case "ws": {
      const { kind, dial, readFile } = entry;
      const tools = readFile === undefined ? { dial } : { dial, readFile };
      const connection = await ofOneKind(kind, () => connectNats(resolved, tools));
      return createNatsTransport(connection, kind, true, logger, resolved.jetstreamDomain);
    }
  }
}
