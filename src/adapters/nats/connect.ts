// A connection to a NATS server: in bounded time, or with the reason why not.

import {
  type ConnectionOptions,
  credsAuthenticator,
  type NatsConnection,
  nkeyAuthenticator,
  nkeys,
} from "@nats-io/nats-core";
import { deferred } from "../../domain/deferred.ts";
import type { ResolvedConnectOptions } from "../../domain/options.ts";
import { connectError, type Failure, failureOf } from "./connect_error.ts";

/**
 * Makes a connection with nats.js, by WebSocket or over one of its transports.
 *
 * @param signal tells that the time for it is over; a connection that is made all the same is closed
 */
export type Dial = (options: ConnectionOptions, signal: AbortSignal) => Promise<NatsConnection>;

/** What a `Dial` throws where no server is to blame, and no other one would be reached either. */
export class UnfitRuntime extends TypeError {
  override readonly name = "TypeError";
}

/** What a runtime brings along for connecting. */
export interface ConnectTools {
  /** How to reach a server. */
  readonly dial: Dial;
  /** How to read a file, where there are files. */
  readonly readFile?: (path: string) => Promise<Uint8Array>;
}

/** Of the time for one server, the part that nats.js may use; the rest is to clean up. */
const DIAL_SHARE = 0.9;

/**
 * Connects to the first server that lets us, in random order, as clients of a cluster spread over it.
 *
 * @throws {UnavailableError} when none was reached within `timeoutMs`; each is named, with the reason.
 * @throws {AegisError} with code `UNAUTHORIZED` when a server refused the secrets, `TLS` when TLS failed.
 * @throws {TypeError} when a file cannot be read or is not what it should be.
 */
export async function connectNats(
  options: ResolvedConnectOptions,
  tools: ConnectTools,
): Promise<NatsConnection> {
  const end = performance.now() + options.timeoutMs;
  if (options.source === "ws" && typeof globalThis.WebSocket !== "function") {
    // Said before each server is tried, none of which is to blame.
    throw new TypeError(
      "connect(): this runtime has no WebSocket, which ws:// and wss:// need; Node has it since version 22",
    );
  }
  const base = await natsOptions(options, tools.readFile);
  const servers = shuffle(options.servers);
  const failures: Failure[] = [];
  for (const [index, url] of servers.entries()) {
    // An equal share of what is left for each, so that one that does not answer leaves time for the others.
    const ms = Math.floor((end - performance.now()) / (servers.length - index));
    const timeout = Math.max(1, Math.floor(ms * DIAL_SHARE));
    try {
      const connection = await within(ms, tools.dial, { ...base, servers: [url], timeout });
      addServers(connection, servers);
      giveTime(connection);
      return connection;
    } catch (error) {
      if (error instanceof UnfitRuntime) throw error;
      const early = tooEarly(error);
      if (early !== undefined) throw early;
      failures.push(failureOf(error, url, options));
    }
  }
  throw connectError(options, failures);
}

/** What to say of an error that edge workers throw at whatever is begun while modules are loaded. */
export function tooEarly(error: unknown): TypeError | undefined {
  return /within global scope/.test((error as Error)?.message)
    ? new TypeError(
      "connect(): it was called while modules are loaded, when workers may not connect yet; call it in a handler",
      { cause: error },
    )
    : undefined;
}

async function natsOptions(
  options: ResolvedConnectOptions,
  readFile: ConnectTools["readFile"],
): Promise<ConnectionOptions> {
  const { tls } = options;
  if (tls !== undefined) {
    // nats.js reads them itself, again at each reconnect; what is wrong with them is said here, once and clearly.
    for (const name of ["caFile", "certFile", "keyFile"] as const) {
      const path = tls[name];
      if (path === undefined) continue;
      const pem = new TextDecoder().decode(await read(`tls.${name}`, path, readFile));
      const kind = name === "keyFile" ? "PRIVATE KEY" : "CERTIFICATE";
      // Node and Deno pass over a file without one, and complain of something else later.
      if (!pem.includes(`${kind}-----`)) {
        throw new TypeError(
          `connect(): tls.${name} must be a PEM file with a ${kind}, which ${path} has not`,
        );
      }
    }
  }
  return {
    name: options.name,
    noAsyncTraces: true,
    maxReconnectAttempts: -1,
    // Secrets are changed while programs run: one that the server refuses today may be good tomorrow.
    ignoreAuthErrorAbort: true,
    waitOnFirstConnect: false,
    reconnect: !options.perRequest,
    reconnectDelayHandler: createBackoff(),
    // A half-open link is found after three of these.
    pingInterval: 5_000,
    maxPingOut: 2,
    ...await secrets(options, readFile),
    ...(tls === undefined ? {} : {
      tls: Object.fromEntries(
        Object.entries(tls).filter(([, value]) => value !== undefined),
      ),
    }),
  };
}

async function secrets(
  { credentials }: ResolvedConnectOptions,
  readFile: ConnectTools["readFile"],
): Promise<ConnectionOptions> {
  switch (credentials.kind) {
    case "none":
      return {};
    case "token":
      return { token: credentials.token };
    case "user":
      return { user: credentials.user, pass: credentials.pass };
    case "nkeySeed":
      return { authenticator: nkeyAuthenticator(seed("nkeySeed", credentials.nkeySeed)) };
    case "creds":
      return { authenticator: jwt("creds", credentials.creds) };
    case "credsFile": {
      const bytes = await read("credsFile", credentials.credsFile, readFile);
      return { authenticator: jwt("credsFile", new TextDecoder().decode(bytes)) };
    }
  }
}

function jwt(option: string, text: string): ReturnType<typeof credsAuthenticator> {
  // nats.js wants bare line feeds, and one after the last line of dashes.
  const creds = `${text.replaceAll("\r\n", "\n").trim()}\n`;
  const [, key] = /-----\s+\S+\s+-{3,}[^]*-----\s+(\S+)\s+-{3,}/.exec(creds) ?? [];
  if (key === undefined) {
    throw new TypeError(`connect(): ${option} has no JWT and seed; is it a .creds file?`);
  }
  seed(option, key);
  return credsAuthenticator(new TextEncoder().encode(creds));
}

/** The bytes of a seed whose check sum is right. */
function seed(option: string, text: string): Uint8Array {
  const bytes = new TextEncoder().encode(text);
  try {
    nkeys.fromSeed(bytes.slice());
  } catch {
    // The error of nkeys says no more, and might show the secret.
    throw new TypeError(
      `connect(): ${option} has a seed whose check sum is wrong; is it complete?`,
    );
  }
  return bytes;
}

async function read(
  option: string,
  path: string,
  readFile: ConnectTools["readFile"],
): Promise<Uint8Array> {
  if (readFile === undefined) {
    throw new TypeError(`connect(): ${option} cannot be used here, where there are no files`);
  }
  try {
    return await readFile(path);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new TypeError(`connect(): ${option} cannot be read: ${reason}`, { cause });
  }
}

/** Dials, and rejects after `ms`; a connection that comes later is closed. */
async function within(
  ms: number,
  dial: Dial,
  options: ConnectionOptions,
): Promise<NatsConnection> {
  const abort = new AbortController();
  const { promise: over, reject } = deferred<never>();
  const timer = setTimeout(() => {
    const error = new DOMException("no answer", "TimeoutError");
    reject(error);
    abort.abort(error);
  }, Math.max(0, ms));
  const connecting = (async () => await dial(options, abort.signal))();
  try {
    return await Promise.race([connecting, over]);
  } catch (error) {
    // Nobody waits for it any more; that closing it fails would be of no interest.
    connecting.then((connection) => connection.close()).catch(() => {});
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** The part of nats-core that knows the servers to reconnect to. */
interface Pool {
  readonly protocol?: { readonly servers?: { addServer?(url: string): void } };
}

/** Makes the other servers known for reconnects, beside those that the cluster told of. */
function addServers(connection: NatsConnection, urls: readonly string[]): void {
  const known = new Set(connection.getServers().map((server) => server.listen));
  const missing = urls.filter((url) => !known.has(url.replace(/^\w+:\/\/|\/.*$/g, "")));
  if (missing.length === 0) return;
  const { servers } = (connection as unknown as Pool).protocol ?? {};
  if (typeof servers?.addServer === "function") {
    for (const url of missing) servers.addServer(url);
  } else {
    // The public way forgets what the cluster told until it tells again.
    connection.setServers([...urls]);
  }
}

/** The time that one attempt to reconnect is given at least, in milliseconds, however short the first was. */
const RECONNECT_TIMEOUT_MS = 5_000;

/** The options that nats-core reads at each attempt. */
interface Attempts {
  readonly options?: { timeout?: number };
}

function giveTime(connection: NatsConnection): void {
  const { options } = connection as unknown as Attempts;
  if (options === undefined) return;
  options.timeout = Math.max(options.timeout ?? 0, RECONNECT_TIMEOUT_MS);
}

const FIRST_DELAY_MS = 250;
const LAST_DELAY_MS = 2_000;
/** How late a timer may be and still count as the one that was set for the wait. */
const SAME_MS = 20;

/**
 * How long to wait before the same server is tried again: twice as long each time, with jitter, so that the clients of a
 * server that comes back do not come all at once.
 */
function createBackoff(): () => number {
  let delay = FIRST_DELAY_MS;
  let wait = 0;
  let chosenAt = -Infinity;
  return () => {
    const now = performance.now();
    // nats.js asks after an attempt, and again when it has waited for the next: the same wait is good for both.
    if (now - chosenAt <= wait + SAME_MS) return wait;
    // Calls that are far apart have a connection between them, or a server that does not answer, which is slow enough.
    const first = now - chosenAt > 2 * LAST_DELAY_MS;
    delay = first ? FIRST_DELAY_MS : Math.min(delay * 2, LAST_DELAY_MS);
    wait = delay * (0.5 + Math.random() / 2);
    chosenAt = now;
    return wait;
  };
}

function shuffle<T>(values: readonly T[]): T[] {
  const shuffled = [...values];
  for (let i = shuffled.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [shuffled[i], shuffled[j]] = [shuffled[j]!, shuffled[i]!];
  }
  return shuffled;
}
