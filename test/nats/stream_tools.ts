// What tests of streams on a server share: connections that come back, settings, and what was taken from a consumer.

import { connect as dial, type Socket } from "node:net";
import { type JetStreamManager, jetstreamManager } from "@nats-io/jetstream";
import { connect, type ConnectionOptions, type NatsConnection } from "@nats-io/transport-node";
import { createNatsTransport } from "../../src/adapters/nats/transport.ts";
import type {
  ConsumerConfig,
  Delivery,
  Pull,
  StreamConfig,
  Streams,
} from "../../src/ports/stream.ts";
import type { Transport } from "../../src/ports/transport.ts";
import { freePorts, type NatsServer } from "../../tools/nats_server.ts";
import { TimeoutError, UnavailableError } from "../../mod.ts";
import { listening, pause, until } from "./outage_tools.ts";

/** A connection with streams. */
export interface Opened extends AsyncDisposable {
  readonly transport: Transport;
  readonly streams: Streams;
  /** The connection as nats.js sees it. */
  readonly connection: NatsConnection;
  /** What was logged. */
  readonly logged: readonly string[];
}

/** Opens a connection that comes back soon after each outage. */
export async function open(
  url: string | readonly string[],
  options: ConnectionOptions = {},
  domain?: string,
): Promise<Opened> {
  const connection = await connect({
    servers: [...[url].flat()],
    maxReconnectAttempts: -1,
    reconnectTimeWait: 100,
    reconnectJitter: 0,
    ignoreAuthErrorAbort: true,
    pingInterval: 1_000,
    ...options,
  });
  const logged: string[] = [];
  const log = (line: string): void => void logged.push(line);
  const transport = createNatsTransport(
    connection,
    "tcp",
    true,
    { warn: log, error: log },
    domain,
  );
  return {
    transport,
    streams: transport.streams!,
    connection,
    logged,
    [Symbol.asyncDispose]: () => transport.close(),
  };
}

/** Opens a connection with nats.js alone, for what the port has no word for. */
export async function manager(
  url: string,
): Promise<{ readonly jsm: JetStreamManager } & AsyncDisposable> {
  const connection = await connect({ servers: url, maxReconnectAttempts: -1 });
  return {
    jsm: await jetstreamManager(connection, { checkAPI: false }),
    [Symbol.asyncDispose]: () => connection.close(),
  };
}

/** Settings of a stream S on `s.>`. */
export function streamConfig(settings: Partial<StreamConfig> = {}): StreamConfig {
  return {
    name: "S",
    description: "of a test",
    subjects: ["s.>"],
    retention: "limits",
    storage: "file",
    replicas: 1,
    discard: "old",
    maxAgeMs: 0,
    maxMessages: 0,
    maxMessagesPerSubject: 0,
    maxBytes: 0,
    maxMessageBytes: 0,
    duplicateWindowMs: 120_000,
    bucket: false,
    schedules: false,
    messageTtl: false,
    direct: true,
    ...settings,
  };
}

/** Settings of a consumer C of all of S. */
export function consumerConfig(settings: Partial<ConsumerConfig> = {}): ConsumerConfig {
  return {
    name: "C",
    description: "of a test",
    filter: "s.>",
    from: "all",
    ackWaitMs: 2_000,
    maxAckPending: 1_000,
    inactiveThresholdMs: 0,
    ...settings,
  };
}

/** Makes S, also in a cluster that has just been started, whose servers do not yet know how they are. */
export async function makeStream(
  { admin }: Pick<Streams, "admin">,
  stream: Partial<StreamConfig> = {},
): Promise<void> {
  for (let attempt = 1;; attempt++) {
    try {
      return await admin.createStream(streamConfig(stream));
    } catch (error) {
      const mayCome = UnavailableError.is(error) || TimeoutError.is(error);
      if (!mayCome || attempt === 50) throw error;
      await pause(100);
    }
  }
}

/** Makes S and C. */
export async function make(
  { admin }: Streams,
  stream: Partial<StreamConfig> = {},
  consumer: Partial<ConsumerConfig> = {},
): Promise<void> {
  await makeStream({ admin }, stream);
  await admin.putConsumer("S", consumerConfig(consumer));
}

/** Stores `count` messages, whose bodies are numbers from `first` on. */
export async function put({ store }: Streams, count: number, first = 0): Promise<void> {
  await Promise.all(
    Array.from({ length: count }, (_, i) => store.publish("s.n", String(first + i), {}, 10_000)),
  );
}

/** What was taken from C. */
export interface Taken {
  readonly pull: Pull;
  readonly got: Delivery[];
  /** How often each body was delivered. */
  readonly counts: Map<string, number>;
  readonly health: (Error | undefined)[];
  readonly gone: () => number;
}

/** Takes from C, and asks for `ask` deliveries. */
export function take(
  { store }: Streams,
  ask: number,
  onDelivery: (delivery: Delivery, pull: Pull) => void = (delivery, pull) => {
    delivery.ack();
    pull.ask(1);
  },
  onGone: (pull: Pull) => void = () => {},
): Taken {
  const got: Delivery[] = [];
  const counts = new Map<string, number>();
  const health: (Error | undefined)[] = [];
  const decoder = new TextDecoder();
  let gone = 0;
  const pull = store.pull("S", "C", {
    onDelivery(delivery) {
      const body = decoder.decode(delivery.message.data);
      got.push(delivery);
      counts.set(body, (counts.get(body) ?? 0) + 1);
      onDelivery(delivery, pull);
    },
    onGone() {
      gone++;
      onGone(pull);
    },
    onHealth: (error) => void health.push(error),
  });
  if (ask > 0) pull.ask(ask);
  return { pull, got, counts, health, gone: () => gone };
}

/** Waits until `count` different messages were delivered. */
export function delivered({ counts, got }: Taken, count: number, ms = 20_000): Promise<void> {
  return until(
    `${count} messages, there are ${counts.size} of ${got.length} deliveries`,
    () => counts.size >= count,
    ms,
  );
}

/** Which messages were delivered more than once, and how often. */
export function twice({ counts }: Taken): readonly string[] {
  return [...counts].filter(([, count]) => count > 1).map(([body, count]) => `${body}: ${count}`);
}

/** A way to a server that can swallow what goes to it, as a connection does that is about to break. */
export interface Sink extends AsyncDisposable {
  readonly url: string;
  /** From now on nothing arrives at the server, and whoever writes does not notice. */
  swallow(): void;
  /** Breaks all connections; those that are made from now on are good. */
  cut(): void;
}

/** Makes such a way. */
export async function sinkTo(server: NatsServer): Promise<Sink> {
  const [port] = await freePorts(1);
  const open = new Set<Socket>();
  const farSides = new Map<Socket, Socket>();
  const listener = await listening(port!, (near) => {
    const far = dial({ port: server.port, host: "127.0.0.1" });
    for (const [socket, other] of [[near, far], [far, near]] as const) {
      open.add(socket);
      socket.on("error", () => {}).on("close", () => {
        open.delete(socket);
        farSides.delete(socket);
        other.destroy();
      });
    }
    farSides.set(near, far);
    near.pipe(far).pipe(near);
  });
  const cut = (): void => {
    for (const socket of open) socket.destroy();
  };
  return {
    url: `nats://127.0.0.1:${port}`,
    swallow() {
      for (const [near, far] of farSides) near.unpipe(far).resume();
    },
    cut,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => listener.close(resolve));
      cut();
      await closed;
    },
  };
}
