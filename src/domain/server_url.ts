// Addresses of servers, and the secrets that they may carry.

/** How to connect, as the addresses have it. */
export type Scheme = "nats" | "ws" | "memory";

/** A list of addresses, read. */
export interface ServerList {
  /** What they have in common. */
  readonly scheme: Scheme;
  /** `nats://host:port`, `ws://host:port/path`, `wss://…` or `memory:name`, without secrets. */
  readonly urls: readonly string[];
  /** Whether one of them was `tls://`. */
  readonly tls: boolean;
  /** The secrets they carried, if any did. */
  readonly secrets?: { readonly token: string } | { readonly user: string; readonly pass: string };
}

/** What an address may be, to complete "must be …". */
export const SERVERS_ALLOWED: string = allowed(
  "nats://host:port, tls://host:port, ws://host:port, wss://host:port or host:port",
);
/** The same where only some schemes are spoken. */
export const ALLOWED_OF: Readonly<Record<"nats" | "ws", string>> = {
  nats: allowed("nats://host:port, tls://host:port or host:port"),
  ws: allowed("wss://host or ws://host:port"),
};

function allowed(servers: string): string {
  return `one or more of ${servers}, or else "memory:" or "memory:name"`;
}

/** An address with what stands before its last `@` hidden, for messages. */
export function redactUrl(url: string): string {
  return url.replace(/^([a-z]+:\/\/)?.*@/is, "$1(hidden)@");
}

/**
 * Reads addresses.
 *
 * @returns the list, or a sentence's end that says what is wrong with it
 */
export function parseServers(given: readonly string[]): ServerList | string {
  if (given.length === 0) return "an empty list";
  const servers: Server[] = [];
  for (const text of given) {
    const server = parseServer(text.trim());
    if (server === undefined) return JSON.stringify(redactUrl(text));
    servers.push(server);
  }
  const first = servers[0]!;
  const other = servers.find((server) => server.scheme !== first.scheme);
  if (other !== undefined) return `${first.url} together with ${other.url}`;
  if (first.scheme === "memory" && servers.length > 1) return "several brokers in memory";
  const secrets = [...new Set(servers.flatMap((server) => server.secrets ?? []))];
  if (secrets.length > 1) return "addresses with different secrets";
  return {
    scheme: first.scheme,
    urls: [...new Set(servers.map((server) => server.url))],
    tls: servers.some((server) => server.tls),
    ...(secrets.length === 1 ? { secrets: JSON.parse(secrets[0]!) } : {}),
  };
}

interface Server {
  readonly scheme: Scheme;
  readonly url: string;
  readonly tls: boolean;
  /** The secrets as JSON, so that they compare. */
  readonly secrets?: string;
}

function parseServer(text: string): Server | undefined {
  if (/^memory:/i.test(text)) {
    const name = text.slice("memory:".length);
    return /^[\w.-]*$/.test(name)
      ? { scheme: "memory", url: `memory:${name}`, tls: false }
      : undefined;
  }
  const [, protocol, rest] = /^(?:([a-z][a-z0-9+.-]*):\/\/)?(.*)$/is.exec(text)!;
  const kind = (protocol ?? "nats").toLowerCase();
  // What a URL would forgive in silence, a stray blank or slash, is more likely a mistake.
  if (!["nats", "tls", "ws", "wss"].includes(kind) || /^[/\\]|\s/.test(rest!)) return undefined;
  const web = kind.startsWith("ws");
  // A URL drops its scheme's own port, so that :80 and :443 are seen under the other scheme alone.
  const url = parseUrl(`http://${rest}`);
  const port = url?.port || parseUrl(`https://${rest}`)?.port;
  // No host begins with a dash, but an option that a program has taken for its first argument does.
  if (url === undefined || port === "0" || url.hostname.startsWith("-")) return undefined;
  if (!web && (url.pathname !== "/" || url.search !== "" || url.hash !== "")) return undefined;
  const secrets = urlSecrets(url);
  if (secrets === null) return undefined;
  const host = `${url.hostname}:${port || { nats: 4222, tls: 4222, ws: 80, wss: 443 }[kind]}`;
  return {
    scheme: web ? "ws" : "nats",
    url: web ? `${kind}://${host}${url.pathname}${url.search}` : `nats://${host}`,
    tls: kind === "tls",
    ...(secrets === undefined ? {} : { secrets }),
  };
}

function parseUrl(text: string): URL | undefined {
  try {
    return new URL(text);
  } catch {
    return undefined; // The caller names the address, and what is allowed.
  }
}

/** The secrets of an address as JSON; null when they are badly encoded. */
function urlSecrets(url: URL): string | undefined | null {
  if (url.username === "" && url.password === "") return undefined;
  try {
    const user = decodeURIComponent(url.username);
    return JSON.stringify(
      url.password === "" ? { token: user } : { user, pass: decodeURIComponent(url.password) },
    );
  } catch {
    return null;
  }
}
