// Why no connection was made: each server's reason, and from them the one error.

import { AegisError, type ErrorOptions, UnavailableError } from "../../domain/error.ts";
import type { Credentials, ResolvedConnectOptions } from "../../domain/options.ts";
import { webSocketReason } from "./websocket_error.ts";

/** What went wrong with one server. */
export interface Failure {
  /** Its address, without secrets. */
  readonly url: string;
  /** What kind of thing went wrong. */
  readonly kind: "unavailable" | "unauthorized" | "tls";
  /** What went wrong, and what to do where that is known. */
  readonly reason: string;
  /** The error behind it. */
  readonly error: unknown;
}

/** What errors may have, depending on the runtime. */
interface Thrown {
  readonly name?: string;
  readonly code?: string;
  readonly message?: string;
  readonly cause?: Thrown;
}

/** What errors of TLS come from, and what to do about it. */
interface TlsReason {
  /** Codes and messages, of Node (OpenSSL), Bun (BoringSSL) and Deno (rustls). */
  readonly pattern: RegExp;
  /** What it is. */
  readonly reason: string;
  /** What to do about it. */
  readonly advice?: string;
  /** The same over WebSocket, where the runtime sees to TLS. @default `advice` */
  readonly wsAdvice?: string;
}

const TLS_REASONS: readonly TlsReason[] = [
  {
    pattern: /does not support 'tls'/,
    reason: "the server has no TLS",
    advice: "leave out tls, or turn it on at the server",
  },
  {
    pattern: /WRONG_VERSION_NUMBER|InvalidContentType/i,
    reason: "the server did not begin with TLS",
    advice: "leave out tls.handshakeFirst, or set handshake_first at the server",
    wsAdvice: "use ws://, or turn TLS on in its websocket { }; and is it the port of that?",
  },
  {
    pattern:
      /CERT_HAS_EXPIRED|CERT_NOT_YET_VALID|certificate.*(expired|not valid yet|NotValidYet)/i,
    reason: "the server's certificate is not valid now",
    advice: "renew it, or set the clock",
  },
  {
    pattern: /ALTNAME_INVALID|not ?valid ?for ?name|Hostname\/IP does not match|HOSTNAME_MISMATCH/i,
    reason: "the server's certificate is for another host",
    advice: "use in servers a name that it is for",
  },
  {
    pattern: /NO_CLIENT_CERTIFICATES/,
    reason: "the server wants a client certificate, and @aegis/sdk/deno has none",
    advice: "import connect from @aegis/sdk, which has them",
  },
  {
    pattern: /CLIENT_CERTIFICATE|ALERT_|fatal alert|alert (certificate|handshake|unknown|bad)/i,
    reason: "the server refused the client certificate, or wants one",
    advice: "give tls.certFile and tls.keyFile, signed by an authority that it trusts",
    wsAdvice: "only browsers have one for WebSockets; leave verify out of its websocket { }",
  },
  {
    pattern:
      /UNABLE_TO|SELF_SIGNED|ISSUER|UnknownIssuer|unable to verify|CERT_UNTRUSTED|self.signed|BadSignature/i,
    reason: "the server's certificate is signed by an authority that is not trusted here",
    advice: "give its certificate as tls.caFile",
    wsAdvice:
      "have the runtime trust it: NODE_EXTRA_CA_CERTS for Node and Bun, DENO_CERT for Deno, the system's store for browsers",
  },
  {
    pattern: /KEY_VALUES_MISMATCH|KEY_TYPE_MISMATCH|UNSUPPORTED_PROTOCOL/i,
    reason: "the client certificate cannot be used",
    advice: "does tls.keyFile belong to tls.certFile?",
  },
  { pattern: /ERR_SSL|ERR_TLS|OSSL|BORINGSSL|\bSSL\b|\bTLS\b|CERT_/i, reason: "TLS failed" },
];

/** What an error of nats.js, or of the runtime below it, says of one server. */
export function failureOf(
  error: unknown,
  url: string,
  options: Pick<ResolvedConnectOptions, "source" | "tls">,
): Failure {
  const { name, code, message = String(error), cause } = (error ?? {}) as Thrown;
  if (name === "AuthorizationError" || name === "UserAuthenticationExpiredError") {
    return { url, kind: "unauthorized", reason: `the server said "${message}"`, error };
  }
  const known = `${code} ${message} ${cause?.code ?? ""} ${cause?.message ?? ""}`;
  const overWeb = options.source === "ws";
  const tls = TLS_REASONS.find(({ pattern }) => pattern.test(known));
  if (tls !== undefined) {
    const { advice, wsAdvice = advice } = tls;
    const todo = overWeb ? wsAdvice : advice;
    const reason = todo === undefined ? tls.reason : `${tls.reason}; ${todo}`;
    return { url, kind: "tls", reason: `${reason} (${shorten(code, message)})`, error };
  }
  const reason = (overWeb ? webSocketReason(known) : undefined) ??
    plainReason(known, message, options);
  return { url, kind: "unavailable", reason, error };
}

/** OpenSSL's messages begin with the number of a thread and end with a line of its own source. */
function shorten(code: string | undefined, message: string): string {
  const [first = ""] = message.trim().split("\n");
  return /:error:|SSL routines/.test(first) && code !== undefined ? code : first;
}

function plainReason(
  known: string,
  message: string,
  { tls }: Pick<ResolvedConnectOptions, "tls">,
): string {
  // Deno's own sockets tell in words, which their transport makes lower case, and by the numbers of Windows.
  if (/ECONNREFUSED|connection refused|os error 10061/.test(known)) return "connection refused";
  if (/getaddrinfo EPERM/.test(known)) {
    return "this program may not look the name up; under Deno that takes --allow-net=NAME, without a port";
  }
  if (/ENOTFOUND|EAI_AGAIN|getaddrinfo|failed to lookup|os error 11001/.test(known)) {
    return "the name is not known";
  }
  if (/TimeoutError|\btimeout\b|no answer|ETIMEDOUT|timed out|os error 10060/.test(known)) {
    return tls?.handshakeFirst
      ? "no answer in time; has the server handshake_first on?"
      : "no answer in time";
  }
  if (/unexpected response/.test(known)) return "it is no NATS server";
  if (
    /hung up|ECONNRESET|EPIPE|connection reset|os error 10054|while expecting info/.test(known)
  ) {
    return "it hung up without a word; a server with handshake_first wants tls.handshakeFirst";
  }
  return message === "" ? "the connection failed" : message;
}

const CREDENTIALS: Record<Credentials["kind"], string> = {
  none: "no secrets were given; give token, user and pass, creds, credsFile or nkeySeed",
  token: "token was given",
  user: "user and pass were given",
  creds: "creds was given",
  credsFile: "credsFile was given",
  nkeySeed: "nkeySeed was given",
};

const HOW_TO_START = {
  nats: "Start one with: nats-server -js",
  ws: "A server takes WebSockets with websocket { port: 8080, no_tls: true } in its configuration",
};

/**
 * The one error of several failures. That somebody is there and refuses says more than that somebody else is not.
 */
export function connectError(options: ResolvedConnectOptions, failures: readonly Failure[]): Error {
  const tried = failures.map(({ url, reason }) => `${url}: ${reason}`).join("; ");
  const failed = (kind: Failure["kind"]) => failures.find((failure) => failure.kind === kind);
  const details = { servers: failures.map(({ url, reason }) => ({ url, reason })) };
  const because = (failure: Failure | undefined): ErrorOptions => ({
    details,
    cause: failure?.error,
  });
  const refused = failed("unauthorized");
  if (refused !== undefined) {
    const message = `connect(): the server refused the secrets (${
      CREDENTIALS[options.credentials.kind]
    }): ${tried}`;
    return new AegisError("UNAUTHORIZED", message, because(refused));
  }
  const tls = failed("tls");
  if (tls !== undefined) return new AegisError("TLS", `connect(): ${tried}`, because(tls));
  return new UnavailableError(
    `connect(): no NATS server was reached within ${options.timeoutMs} ms; tried ${tried}` +
      `${tried.endsWith("?") ? "" : "."} ` + HOW_TO_START[options.source === "ws" ? "ws" : "nats"],
    because(failures[0]),
  );
}
