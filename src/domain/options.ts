// The options of connect(): checked, completed from the environment, and without contradictions.

import { allowedAt, type EntryKind, wrongEntry, wrongTls } from "./entry.ts";
import { conflict, lacks } from "./option_error.ts";
import { checkOptions, type PlainOptions } from "./option_schema.ts";
import { parseServers, type ServerList, SERVERS_ALLOWED } from "./server_url.ts";

/** The secrets with which a connection is made: of one kind. */
export type Credentials =
  | { readonly kind: "none" }
  | { readonly kind: "token"; readonly token: string }
  | { readonly kind: "user"; readonly user: string; readonly pass: string }
  | { readonly kind: "creds"; readonly creds: string }
  | { readonly kind: "credsFile"; readonly credsFile: string }
  | { readonly kind: "nkeySeed"; readonly nkeySeed: string };

/** How TLS is spoken, as the user wants it. */
export interface TlsSettings {
  /** A PEM file with the authorities to trust. */
  readonly caFile?: string | undefined;
  /** A PEM file with this client's certificate. */
  readonly certFile?: string | undefined;
  /** A PEM file with the key of the certificate. */
  readonly keyFile?: string | undefined;
  /** Whether TLS begins before the server's first word. */
  readonly handshakeFirst: boolean;
}

/** The plain options of `connect()`, complete. Codec, logger and the like have no place in the environment. */
export interface ResolvedConnectOptions {
  /** What to connect to: servers by TCP or WebSocket, a broker in memory, or what the caller brought along. */
  readonly source: "nats" | "ws" | "memory" | "connection" | "transport";
  /** The addresses, without secrets; empty where the caller brought a connection or transport. */
  readonly servers: readonly string[];
  /** The connection's name. */
  readonly name: string;
  /** The secrets. */
  readonly credentials: Credentials;
  /** How TLS is spoken; undefined where the server is to say. */
  readonly tls: TlsSettings | undefined;
  /** The JetStream domain, if any. */
  readonly jetstreamDomain: string | undefined;
  /** How many servers keep a stream or bucket. */
  readonly replicas: number;
  /** How long connecting may take in all, in milliseconds. */
  readonly timeoutMs: number;
  /** Whether the connection is for one request alone, and not made again when it breaks. */
  readonly perRequest: boolean;
}

/** Each option that has a variable, by its path. `NATS_SERVERS` is looked at after `AEGIS_SERVERS`. */
const VARIABLES = {
  servers: "AEGIS_SERVERS",
  name: "AEGIS_NAME",
  token: "AEGIS_TOKEN",
  user: "AEGIS_USER",
  pass: "AEGIS_PASS",
  creds: "AEGIS_CREDS",
  credsFile: "AEGIS_CREDS_FILE",
  nkeySeed: "AEGIS_NKEY_SEED",
  "tls.caFile": "AEGIS_TLS_CA_FILE",
  "tls.certFile": "AEGIS_TLS_CERT_FILE",
  "tls.keyFile": "AEGIS_TLS_KEY_FILE",
  "tls.handshakeFirst": "AEGIS_TLS_HANDSHAKE_FIRST",
  jetstreamDomain: "AEGIS_JETSTREAM_DOMAIN",
  replicas: "AEGIS_REPLICAS",
  timeoutMs: "AEGIS_TIMEOUT_MS",
} as const;

/** The environment variables that {@linkcode parseConnectOptions} wants to see. */
export const CONNECT_VARIABLES: readonly string[] = [...Object.values(VARIABLES), "NATS_SERVERS"];

/** The options that each are a kind of secret. */
const SECRETS = ["token", "user", "creds", "credsFile", "nkeySeed"] as const;

/**
 * Checks the options of `connect()` and completes them from the environment.
 *
 * @param options what the caller gave
 * @param environment the variables of {@linkcode CONNECT_VARIABLES} that are set; an empty one counts as not set
 * @param entry the entry that is to connect; without one every kind of address will do
 * @throws {TypeError} when an option is unknown, of the wrong kind, contradicts another, or is for another entry.
 * @throws {RangeError} when a number is out of its range.
 */
export function parseConnectOptions(
  options: object,
  environment: Readonly<Record<string, string | undefined>>,
  entry?: EntryKind,
): ResolvedConnectOptions {
  const given = checkOptions(options, (path) => path);
  const brought = (["connection", "transport"] as const).filter((key) => given[key] !== undefined);
  if (brought.length === 2) throw conflict("connection", "transport");
  // What the caller brought is connected already: where to and with which secrets is no longer the question.
  const [source] = brought;
  if (source !== undefined) {
    for (const key of ["servers", "tls", ...SECRETS, "pass"] as const) {
      if (given[key] !== undefined) throw conflict(source, key);
    }
  }
  const env = checkOptions(
    fromEnvironment(environment),
    (path) => `the environment variable ${variableOf(path, environment)}`,
  );
  const rest = {
    name: given.name ?? env.name ?? "aegis",
    jetstreamDomain: given.jetstreamDomain ?? env.jetstreamDomain,
    replicas: given.replicas ?? env.replicas ?? 1,
    timeoutMs: given.timeoutMs ?? env.timeoutMs ?? 5_000,
    perRequest: (given.perRequest ?? false) !== false,
  };
  if (source !== undefined) {
    return { source, servers: [], credentials: { kind: "none" }, tls: undefined, ...rest };
  }
  return { ...rest, ...where(given, env, variableOf("servers", environment), entry) };
}

/** The variable that an option was taken from. */
function variableOf(
  path: string,
  environment: Readonly<Record<string, string | undefined>>,
): string {
  const variable = VARIABLES[path as keyof typeof VARIABLES];
  return path === "servers" && !environment[variable] ? "NATS_SERVERS" : variable;
}

/** Where to connect to and with which secrets. */
function where(
  given: PlainOptions,
  env: PlainOptions,
  variable: string,
  entry: EntryKind | undefined,
): Pick<ResolvedConnectOptions, "source" | "servers" | "credentials" | "tls"> {
  const servers = given.servers ?? env.servers;
  const texts = typeof servers === "string" ? servers.split(",") : servers;
  const list = parseServers(texts ?? ["nats://localhost:4222"]);
  const name = given.servers === undefined ? `the environment variable ${variable}` : "servers";
  if (typeof list === "string") {
    const allowed = entry === undefined ? SERVERS_ALLOWED : allowedAt(entry);
    throw new TypeError(`connect(): ${name} must be ${allowed}, not ${list}`);
  }
  const wrong = entry && wrongEntry(entry, list, texts, name);
  if (wrong !== undefined) throw new TypeError(`connect(): ${wrong}`);
  if (list.scheme === "memory") {
    // A program with its secrets in it may be run on memory: by the environment; one that says both itself is mistaken.
    const key = given.servers === undefined
      ? undefined
      : (["tls", ...SECRETS, "pass"] as const).find((key) => given[key] !== undefined);
    if (key !== undefined) {
      throw new TypeError(
        `connect(): ${key} cannot be used with servers "${
          list.urls[0]
        }", which is in this process and asks nobody for secrets; leave it out, or name a server`,
      );
    }
    return { source: "memory", servers: list.urls, credentials: { kind: "none" }, tls: undefined };
  }
  const source = list.scheme;
  // The caller's secrets go before those of the environment, of whatever kind either are; the caller's include those
  // in the addresses that the caller gave.
  const ours = given.servers === undefined ? undefined : list.secrets;
  const theirs = given.servers === undefined ? list.secrets : undefined;
  // A user in the program and the password in the environment is how most programs do it.
  const pass = env.user === undefined || env.user === given.user ? env.pass : undefined;
  const credentials = secretsOf(given, ours, pass) ??
    secretsOf(env, theirs, undefined, (key) => VARIABLES[key as keyof typeof VARIABLES] ?? key) ??
    { kind: "none" };
  const tls = { ...env.tls, ...given.tls };
  if (tls.certFile !== undefined && tls.keyFile === undefined) {
    throw lacks("tls.certFile", "tls.keyFile");
  }
  if (tls.keyFile !== undefined && tls.certFile === undefined) {
    throw lacks("tls.keyFile", "tls.certFile");
  }
  const wrongFile = entry && wrongTls(
    entry,
    tls.certFile,
    given.tls?.certFile === undefined
      ? `the environment variable ${VARIABLES["tls.certFile"]}`
      : "tls.certFile",
  );
  if (wrongFile !== undefined) throw new TypeError(`connect(): ${wrongFile}`);
  const wanted = list.tls || given.tls !== undefined || tls.caFile !== undefined ||
    tls.certFile !== undefined || tls.handshakeFirst === true;
  if (source === "ws" && given.tls !== undefined) {
    throw new TypeError(
      "connect(): tls is not for WebSocket, where the runtime sees to it; use wss:// in servers",
    );
  }
  return {
    source,
    servers: list.urls,
    credentials,
    tls: wanted && source === "nats"
      ? { ...tls, handshakeFirst: tls.handshakeFirst ?? false }
      : undefined,
  };
}

function secretsOf(
  options: PlainOptions,
  url: ServerList["secrets"],
  pass: string | undefined,
  nameOf: (key: string) => string = (key) => key,
): Credentials | undefined {
  const [kind, other] = SECRETS.filter((key) => options[key] !== undefined);
  if (kind !== undefined && other !== undefined) throw conflict(nameOf(kind), nameOf(other));
  if (options.pass !== undefined && kind !== "user") throw lacks(nameOf("pass"), nameOf("user"));
  if (kind !== undefined && url !== undefined) {
    throw conflict(nameOf(kind), `secrets in ${nameOf("servers")}`);
  }
  if (url !== undefined) {
    return "token" in url ? { kind: "token", ...url } : { kind: "user", ...url };
  }
  if (kind === undefined) return undefined;
  if (kind === "user") return { kind, user: options.user!, pass: options.pass ?? pass ?? "" };
  return { kind, [kind]: options[kind] } as unknown as Credentials;
}

/** The options that the environment has, by kind as the schema wants them. */
function fromEnvironment(environment: Readonly<Record<string, string | undefined>>): object {
  const found: Record<string, unknown> = {};
  const tls: Record<string, unknown> = {};
  for (const [path, variable] of Object.entries(VARIABLES)) {
    const value = environment[variable] || (path === "servers" && environment["NATS_SERVERS"]);
    if (!value) continue;
    if (path === "tls.handshakeFirst") tls["handshakeFirst"] = BOOLEANS.get(value) ?? value;
    else if (path.startsWith("tls.")) tls[path.slice(4)] = value;
    else if (path === "replicas" || path === "timeoutMs") {
      found[path] = /^\s*[-+\d.e]+\s*$/i.test(value) ? Number(value) : value;
    } else found[path] = value;
  }
  return Object.keys(tls).length === 0 ? found : { ...found, tls };
}

const BOOLEANS = new Map<unknown, boolean>([
  ["true", true],
  ["1", true],
  ["false", false],
  ["0", false],
]);
