// What connect() takes.

import type { StreamsOptions } from "../domain/stream_options.ts";
import type { Clock } from "./clock.ts";
import type { Codec } from "./codec.ts";
import type { LoggerLike } from "./logger.ts";
import type { Metrics } from "./metrics.ts";
import type { Tracer } from "./tracer.ts";
import type { Transport } from "./transport.ts";

/** How TLS is spoken. Given at all, even empty, it makes TLS a must. */
export interface TlsOptions {
  /**
   * A PEM file with the certificates of the authorities to trust, read again at each reconnect.
   * Environment: `AEGIS_TLS_CA_FILE`.
   *
   * @default the runtime's own authorities
   */
  readonly caFile?: string;
  /** A PEM file with this client's certificate; needs `keyFile`. Environment: `AEGIS_TLS_CERT_FILE`. */
  readonly certFile?: string;
  /** A PEM file with the key of `certFile`. Environment: `AEGIS_TLS_KEY_FILE`. */
  readonly keyFile?: string;
  /**
   * Whether TLS begins before the server's first word, as servers with `handshake_first: true` want it.
   * Environment: `AEGIS_TLS_HANDSHAKE_FIRST` (`true` or `false`).
   *
   * @default {false}
   */
  readonly handshakeFirst?: boolean;
}

/** The little by which a connection of nats.js is known, whichever copy of it made the connection. */
export interface NatsConnectionLike {
  /** Publishes to a subject. */
  publish(subject: string, ...rest: never[]): void;
  /** Subscribes to a subject. */
  subscribe(subject: string, ...rest: never[]): unknown;
  /** Waits for a round trip to the server. */
  flush(): Promise<void>;
  /** The changes of its state. */
  status(): AsyncIterable<unknown>;
  /** Resolves when it has been closed. */
  closed(): Promise<unknown>;
}

/** What a runtime hands to the handler of a request, as far as a connection needs it. */
export interface RequestContext {
  /** Keeps the request's work going, beyond its response, until a promise is settled. */
  waitUntil(promise: Promise<unknown>): void;
}

/**
 * What `connect()` takes. An option that is not given is taken from the environment, where it names a variable and the
 * program may read it. Of token, user, creds, credsFile and nkeySeed one is given; as soon as one is, those of the
 * environment are left aside.
 */
export interface ConnectOptions {
  /**
   * Where the servers are: `nats://host:4222`, `tls://host`, `ws://host:8080/path`, `wss://host`, `host` or `host:port`;
   * several of one cluster as an array or divided by commas. `nats://user:pass@host` and `nats://token@host` carry
   * secrets. One `tls://` among them makes TLS a must for all. `memory:` is a broker of its own in this process,
   * `memory:name` one shared by all that name it; they take no secrets and no `tls`. `ws://` and `wss://` are for the entry
   * `@aegis/sdk/edge`, `nats://` and `tls://` for the others.
   * Environment: `AEGIS_SERVERS`, else `NATS_SERVERS`.
   *
   * @default {"nats://localhost:4222"}
   */
  readonly servers?: string | readonly string[];
  /**
   * What the server's monitoring calls this connection. Environment: `AEGIS_NAME`.
   *
   * @default {"aegis"}
   */
  readonly name?: string;
  /** A token that the server knows. Environment: `AEGIS_TOKEN`. */
  readonly token?: string;
  /** A user that the server knows. Environment: `AEGIS_USER`. */
  readonly user?: string;
  /** The password of `user`. Environment: `AEGIS_PASS`. */
  readonly pass?: string;
  /** The text of a .creds file: a user's JWT and its seed. Environment: `AEGIS_CREDS`. */
  readonly creds?: string;
  /** The path of a .creds file, which is read once. Environment: `AEGIS_CREDS_FILE`. */
  readonly credsFile?: string;
  /** The seed of a user's nkey, `SU…`. Environment: `AEGIS_NKEY_SEED`. */
  readonly nkeySeed?: string;
  /** How TLS is spoken; not for WebSocket, where the runtime sees to it. */
  readonly tls?: TlsOptions;
  /** The JetStream domain to use, as of a leaf node. Environment: `AEGIS_JETSTREAM_DOMAIN`. */
  readonly jetstreamDomain?: string;
  /**
   * How bodies are written; those received are read in the encoding that they have.
   *
   * @default JSON
   */
  readonly codec?: Codec;
  /**
   * Where log lines go: `console`, a pino or LogTape logger, or one of one's own.
   *
   * @default one JSON object a line, on standard output and error
   */
  readonly logger?: LoggerLike;
  /**
   * Where measurements go. What it throws is logged, and breaks no call.
   *
   * @default in memory, to be read by `bus.metrics`
   */
  readonly metrics?: Metrics;
  /**
   * What makes spans around calls. What it throws is logged, and breaks no call.
   *
   * @default none: trace identifiers are carried on, spans are not made
   */
  readonly tracer?: Tracer;
  /**
   * The clock that deadlines, waits between attempts, time stamps and measurements go by, for tests: with a
   * `ManualClock` of `@aegis/sdk/testing` a call times out when the test says so. Buses that talk to each other in a
   * test are given one and the same. Connecting, and what a server is given to answer, go by the system's clock.
   *
   * @default the system's clock
   */
  readonly clock?: Clock;
  /**
   * How many servers keep each stream and bucket that the SDK creates, from 1 to 5. Environment: `AEGIS_REPLICAS`.
   *
   * @default {1}
   */
  readonly replicas?: number;
  /**
   * How the streams are set up that hold events and dead letters. What is given here is what they are changed to where they
   * are there already, unless a newer version of the same service has set them up; the rest is left as it is.
   *
   * @default {kept in files; events for seven days, dead letters for ever; nothing is dropped before}
   */
  readonly streams?: StreamsOptions;
  /**
   * How long connecting may take in all, whatever the number of servers, in milliseconds. Calls have a time of their own.
   * Environment: `AEGIS_TIMEOUT_MS`.
   *
   * @default {5000}
   */
  readonly timeoutMs?: number;
  /**
   * For edge workers, where no request can use the connection of another: one for this request alone. It is not made again
   * when it breaks, and what is under way then ends with a `ClosedError`.
   *
   * Given the `ctx` of the handler, and not `true`, closing does not keep the response waiting: `close()` and
   * `await using` go on at once, and `ctx.waitUntil()` waits for the end. With `true` that is for the program to do, since
   * a connection that is not closed stays on the server: `ctx.waitUntil(bus.close())`.
   *
   * @default {false}
   */
  readonly perRequest?: boolean | RequestContext;
  /** A connection of nats.js to use; instead of `servers` and secrets. */
  readonly connection?: NatsConnectionLike;
  /** A transport to use; instead of `servers` and secrets. */
  readonly transport?: Transport;
}
