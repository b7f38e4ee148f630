// Why a WebSocket was not opened: what the runtime says of it, and what to check.

/** What a runtime says: Deno and workers put it into words, Bun gives a code, Node and browsers say nothing. */
interface Said {
  readonly message?: string;
  readonly error?: unknown;
}

/** What stands for the reason where there is none. */
const SILENT = "the WebSocket was not opened, and the runtime does not say why";

/** What stands for the reason where a WebSocket was opened and closed, and nothing came. */
export const HUNG_UP = "the WebSocket was closed without a word";

/** What stands for it where the server's first word came, and no more. */
export const HUNG_UP_LATER = "the WebSocket was closed after the first word";

/** The event that nats.js makes an error of. */
export function socketError(event: Event | Said): { readonly message: string } {
  const { message, error } = event as Said;
  const { message: reason, code } = (error ?? {}) as { message?: string; code?: unknown };
  const text = message || reason || SILENT;
  return { message: typeof code === "string" && !text.includes(code) ? `${text} (${code})` : text };
}

/**
 * Nothing that tells one mistake from another: browsers say nothing, Node nothing or all in one, workers log it, and Deno
 * tells what became of its second attempt, by HTTP/2, where the first one failed.
 */
const UNTOLD =
  /the runtime does not say why|network error or non-101|Network connection lost|internal error; reference|h2 alpn/;

/** What runtimes say, what it comes from, and what to do. Node and browsers say none of it. */
const REASONS: readonly (readonly [RegExp, string])[] = [
  [/ENOTFOUND|EAI_AGAIN|dns error/, "the name is not known"],
  [
    /ECONNREFUSED|connection refused|tcp connect error/i,
    "connection refused; does a server listen there, and is it the port of its websocket { }?",
  ],
  [
    /operation was canceled|invalid (HTTP|response)|HPE_|connection (closed|reset)/i,
    "it speaks no WebSocket; is it the port of the server's websocket { }, and not that for nats://?",
  ],
  [
    /(status code:|received) 400/i,
    "it refused the WebSocket; if its websocket { } has tls, use wss://",
  ],
  [
    /(status code:|received) 403/i,
    "it refused the origin; name it in the allowed_origins of its websocket { }",
  ],
  [
    UNTOLD,
    "it was not opened, and this runtime does not say why, though the console of a browser and the log of a worker may; " +
    "check that the name is known and a server listens there, that the port is that of its websocket { } and not that for " +
    "nats://, that it is wss:// if that has tls and else ws://, that its certificate is for this host and trusted here, that " +
    "it wants none in return (verify), and that its allowed_origins, if it has any, name this page's",
  ],
  [
    /status code/i,
    "it answers, and not as a WebSocket of NATS; is it the port of the server's websocket { }, and the path of its proxy?",
  ],
  [
    new RegExp(HUNG_UP),
    "it took the WebSocket and closed it without a word, as no server of NATS does; is it the port of the server's " +
    "websocket { }, and the path of its proxy?",
  ],
  [
    new RegExp(HUNG_UP_LATER),
    "it closed the WebSocket after its first word and did not say why; its log does, which may be that it refused the secrets",
  ],
  [/insecure WebSocket/i, "a page of https:// may use wss:// alone"],
];

/** Why a WebSocket was not opened and what to do about it, where `said` is known. */
export function webSocketReason(said: string): string | undefined {
  const reason = REASONS.find(([pattern]) => pattern.test(said))?.[1];
  const status = /(?:status code:|received) (\d{3})/i.exec(said)?.[1];
  return reason !== undefined && status !== undefined ? `${reason} (HTTP ${status})` : reason;
}
