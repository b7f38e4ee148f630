// Two connections to one broker, a client's and a service's: once embedded, once to a real server.

import process from "node:process";
import { after, test } from "node:test";
import { connect as connectNats } from "@nats-io/transport-node";
import {
  type Bus,
  connect,
  type ConnectOptions,
  type Context,
  createService,
  type Handler,
  type LogFields,
  type Logger,
  type Message,
  type Messaging,
  type Service,
  type ServiceOptions,
  type Transport,
} from "../../mod.ts";
import { createMemoryTransport, memoryBroker } from "../../src/adapters/memory/transport.ts";
import { createNatsTransport } from "../../src/adapters/nats/transport.ts";
import type { StreamConfig, Streams } from "../../src/ports/stream.ts";
import { type NatsServer, startNatsServer } from "../../tools/nats_server.ts";

/** One line of a log. */
export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly fields: LogFields;
}

type Options = Omit<ConnectOptions, "servers">;

/** What a test runs on; everything that it opens is closed after it. */
export interface Buses {
  readonly backend: "memory" | "NATS";
  /** The bus of the client. */
  readonly client: Bus;
  /** The bus of services. */
  readonly server: Bus;
  /** What was logged on any of them. */
  readonly logs: LogLine[];
  /** One more connection. */
  open(options?: Options): Promise<Bus>;
  /** A bare connection, for looking at bytes. */
  wire(): Promise<Messaging>;
  /** The streams of a bare connection, for looking at them. */
  streams(): Promise<Streams>;
  /** A started service, on the bus of services unless another is given. */
  serve<const Handlers extends readonly Handler[]>(
    name: string,
    handlers: Handlers,
    options?: Partial<ServiceOptions<Handlers>>,
  ): Promise<Service<Handlers>>;
}

interface Broker {
  connect(options: Options): Promise<Bus>;
  transport(): Promise<Transport>;
}

let server: Promise<NatsServer> | undefined;
let brokers = 0;
let accounts = 0;
const MAX_ACCOUNTS = 128;

/**
 * An account for each test that has streams. To remove a stream is no way to a clean one: a server is not done with its
 * files when it says that it is gone, and a stream of that name that is made meanwhile finds its messages (2.15.1).
 */
const ACCOUNTS = [
  "accounts {",
  ...["plain", ...Array.from({ length: MAX_ACCOUNTS }, (_, index) => `test${index + 1}`)].map((
    user,
  ) => `  ${user} { jetstream: enabled, users: [{ user: ${user}, password: secret }] }`),
  "}",
].join("\n");

// Where files share their modules, as in Bun, the next file starts a server of its own, which ends with the process.
after(endServer);

async function endServer(): Promise<void> {
  const started = server;
  server = undefined;
  accounts = 0;
  await (await started)?.stop();
}

async function broker(backend: Buses["backend"], streams: boolean): Promise<Broker> {
  if (backend === "memory") {
    const servers = `memory:test-${++brokers}`;
    return {
      connect: (options) => connect({ ...options, servers }),
      transport: () => Promise.resolve(createMemoryTransport(memoryBroker(servers))),
    };
  }
  // Files that share their modules run one test at a time: nobody is on the server any more.
  if (accounts === MAX_ACCOUNTS) await endServer();
  const { url: servers } = await (server ??= startNatsServer({ config: ACCOUNTS }));
  const user = streams ? `test${++accounts}` : "plain";
  const secrets = { user, pass: "secret" };
  return {
    connect: (options) => connect({ ...secrets, ...options, servers }),
    transport: async () => createNatsTransport(await connectNats({ ...secrets, servers }), "tcp"),
  };
}

/** A test that runs on both. */
export function both(name: string, run: (buses: Buses) => void | Promise<void>): void {
  on("memory", name, run);
  on("NATS", name, run);
}

/** A test that runs on both, and has streams of its own. */
export function bothStreams(name: string, run: (buses: Buses) => void | Promise<void>): void {
  on("memory", name, run);
  on("NATS", name, run, true);
}

/**
 * A test that runs on one of them. With `TEST_BACKEND=NATS` in the environment what is embedded is left out: it is the same
 * beside whichever server.
 */
export function on(
  backend: Buses["backend"],
  name: string,
  run: (buses: Buses) => void | Promise<void>,
  streams = false,
): void {
  if ((process.env.TEST_BACKEND ?? backend) !== backend) return;
  test(`${backend}: ${name}`, async () => {
    const open: { close(): Promise<void> }[] = [];
    const services: Service[] = [];
    const logs: LogLine[] = [];
    const { connect, transport } = await broker(backend, streams);
    const track = <T extends { close(): Promise<void> }>(opened: T): T => {
      open.push(opened);
      return opened;
    };
    const openBus = async (options: Options = {}): Promise<Bus> =>
      track(await connect({ logger: recordingLogger(logs), ...options }));
    try {
      const client = await openBus({ name: "client" });
      const server = await openBus({ name: "server" });
      await run({
        backend,
        client,
        server,
        logs,
        open: openBus,
        wire: async () => track(await transport()).messaging,
        streams: async () => track(await transport()).streams!,
        async serve(name, handlers, options) {
          const service = createService(name, { bus: server, handlers, ...options });
          services.push(service as unknown as Service);
          await service.start();
          return service;
        },
      });
    } finally {
      await Promise.all(services.map((service) => service.stop({ graceMs: 0 })));
      await Promise.all(open.map((opened) => opened.close()));
    }
  });
}

/** A logger that keeps its lines. */
export function recordingLogger(lines: LogLine[], base: LogFields = {}): Logger {
  const at = (level: string) => (message: string, fields?: LogFields) =>
    void lines.push({ level, message, fields: { ...base, ...fields } });
  return {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    with: (fields) => recordingLogger(lines, { ...base, ...fields }),
  };
}

/** Resolves when `met`; rejects when it is not within twenty seconds, of which a busy machine may take some. */
export async function until(met: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = performance.now() + 20_000; !await met();) {
    if (performance.now() > end) throw new Error(`not within 20 s: ${met}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** Resolves when what was sent on the bus of the client has arrived on that of the services, and the other way round. */
export async function arrived({ client, server }: Pick<Buses, "client" | "server">): Promise<void> {
  // What is sent in one tick goes out at its end.
  await new Promise((resolve) => setTimeout(resolve));
  await client.health();
  await server.health();
  await client.health();
}

/** The error that a promise rejects with. */
export async function errorOf(promise: Promise<unknown>): Promise<unknown> {
  let result: unknown;
  try {
    result = await promise;
  } catch (error) {
    return error;
  }
  throw new Error(`It did not reject, but gave ${JSON.stringify(result)}`);
}

/** A handler that ends when it is told to, and not before. */
export function hang(_params: unknown, { signal }: Context): Promise<never> {
  return new Promise((_resolve, reject) =>
    signal.addEventListener("abort", () => reject(signal.reason))
  );
}

let questions = 0;

/** Sends bytes as a request and gives the first answer, as it came. */
export async function ask(
  wire: Messaging,
  subject: string,
  body: string | Uint8Array,
  headers?: Readonly<Record<string, string>>,
): Promise<Message & { readonly text: string }> {
  const reply = `${wire.inbox}.q${++questions}`;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const answered = new Promise<Message>((resolve, reject) => {
    wire.subscribe(reply, { onMessage: resolve });
    timer = setTimeout(() => reject(new Error(`no answer from ${subject}`)), 3_000);
  });
  try {
    wire.publish(subject, body, reply, headers);
    const message = await answered;
    return Object.assign(message, { text: new TextDecoder().decode(message.data) });
  } finally {
    clearTimeout(timer);
  }
}

/** The JSON of a request as any client may write it. */
export function requestText(method: string, params: unknown = {}, more: object = {}): string {
  return JSON.stringify({ method, params, timeout: 2, ...more });
}

/** The settings of a stream that somebody else has made. */
export function foreignStream(name: string, ...subjects: readonly string[]): StreamConfig {
  return {
    name,
    description: "",
    subjects,
    retention: "limits",
    storage: "file",
    replicas: 1,
    discard: "old",
    maxMessagesPerSubject: 0,
    bucket: false,
    schedules: false,
    messageTtl: false,
    direct: true,
    maxAgeMs: 0,
    maxMessages: 0,
    maxBytes: 0,
    maxMessageBytes: 0,
    duplicateWindowMs: 120_000,
  };
}
