// The entries of the package: which addresses each speaks to, and what is said to who took another.

import { ALLOWED_OF, redactUrl, type ServerList } from "./server_url.ts";

/** An entry, by what carries its connections. */
export type EntryKind = "tcp" | "ws" | "deno";

const NAMES: Readonly<Record<EntryKind, string>> = {
  tcp: "@aegis/sdk",
  ws: "@aegis/sdk/edge",
  deno: "@aegis/sdk/deno",
};

/** What an entry is imported as. */
export function entryName(entry: EntryKind): string {
  return NAMES[entry];
}

/** What an address may be for an entry, to complete "must be …". */
export function allowedAt(entry: EntryKind): string {
  return ALLOWED_OF[entry === "ws" ? "ws" : "nats"];
}

/**
 * What is wrong with the addresses for an entry, to complete "connect(): "; undefined when it speaks to them.
 *
 * @param given the addresses as they were given; undefined where nobody gave any
 * @param name how the option is called where it was given
 */
export function wrongEntry(
  entry: EntryKind,
  list: ServerList,
  given: readonly string[] | undefined,
  name: string,
): string | undefined {
  if (list.scheme === "memory" || (list.scheme === "ws") === (entry === "ws")) return undefined;
  if (list.scheme === "ws") {
    return `${name} has ${list.urls[0]}, and ${NAMES[entry]} speaks TCP alone; ` +
      `import connect from ${NAMES.ws}, which speaks WebSocket, or give nats://host:4222`;
  }
  const alone = `${NAMES.ws} speaks WebSocket alone`;
  if (given === undefined) {
    return `servers must be given, since ${alone}: ws://localhost:8080, or wss://host`;
  }
  const bare = given.find((text) => !text.includes("://"))?.trim();
  if (bare !== undefined) {
    const host = redactUrl(bare);
    return `${name} has "${host}" without a scheme, which stands for nats://, and ${alone}; ` +
      `give wss://${host}, or ws://${host} where there is no TLS`;
  }
  // As it was written: tls:// is read as nats:// with TLS.
  const url = /^\s*tls:/i.test(given[0]!) ? list.urls[0]!.replace("nats:", "tls:") : list.urls[0];
  return `${name} has ${url}, and ${alone}; give the WebSocket of the server, ` +
    `ws://host:8080 or wss://host, or import connect from ${NAMES.tcp}, which speaks nats://`;
}

/** What is wrong with the files of TLS for an entry, to complete "connect(): ". */
export function wrongTls(
  entry: EntryKind,
  certFile: string | undefined,
  name: string,
): string | undefined {
  return entry !== "deno" || certFile === undefined
    ? undefined
    : `${name} cannot be used with ${NAMES.deno}, whose sockets have no client certificates; ` +
      `import connect from ${NAMES.tcp}, which has them`;
}
