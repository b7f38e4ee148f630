// What a message of a bucket means: its operation, and when it expires. And the headers with which it is written.

/** What the tools of NATS write on deletions. */
const OPERATION = "KV-Operation";
const MARKER = "Nats-Marker-Reason";
const SERVER_TTL = "Nats-TTL";
const ROLLUP = "Nats-Rollup";
/** For how long a value lives after it was stored, in milliseconds. */
const TTL = "aegis-ttl-ms";
/** On the purge of a value that had come to its end. */
const EXPIRED = "aegis-expired";
/** The id of a write on condition, by which it is known again. */
const ID = "aegis-id";
/** The same for a write without one, which the server knows again. */
const MESSAGE_ID = "Nats-Msg-Id";
const EXPECTED = "Nats-Expected-Last-Subject-Sequence";

/** For how long a server keeps the note of a deletion, where it ends messages by a time of their own. */
const NOTE_TTL = "3600s";
const UNITS_MS: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1_000, ms: 1 };

/** Headers, by their exact names. */
export type KvHeaders = Readonly<Record<string, string>>;

/** How a bucket keeps what is written, as far as messages depend on it. */
export interface KvKeeping {
  /** For how long everything is kept, in milliseconds; 0 is for ever. */
  readonly ttlMs: number;
  /** How many changes of a key are kept. */
  readonly history: number;
  /** Whether the server ends messages by a time of their own. */
  readonly messageTtl: boolean;
}

/** What a message means. */
export interface KvMeaning {
  /** A value, or that a key has none any more: it was deleted, purged, or has expired. */
  readonly kind: "put" | "delete" | "purge" | "expired";
  /** When the value expires, in milliseconds since the epoch on the broker's clock. */
  readonly expiresAt: number | undefined;
  /** Whether that is by a time of its own, and not by the bucket's. */
  readonly ownTime: boolean;
}

/** What a message of a bucket means. */
export function meaningOf(
  { headers, storedAt }: { readonly headers: KvHeaders; readonly storedAt: number },
  { ttlMs }: KvKeeping,
): KvMeaning {
  const operation = headers[OPERATION];
  if (headers[MARKER] !== undefined || headers[EXPIRED] !== undefined) return gone("expired");
  if (operation === "DEL") return gone("delete");
  if (operation === "PURGE") return gone("purge");
  const bucketMs = ttlMs > 0 ? ttlMs : Infinity;
  const own = headers[TTL];
  const ownMs = own === undefined ? serverTtlMs(headers[SERVER_TTL]) : wholeMs(own);
  const leastMs = ownMs === NEVER ? Infinity : Math.min(bucketMs, ownMs ?? Infinity);
  return {
    kind: "put",
    expiresAt: leastMs < Infinity ? storedAt + leastMs : undefined,
    ownTime: ownMs !== undefined && ownMs <= bucketMs,
  };
}

/** How a value is written. */
export interface PutHeaders {
  /** What it is known by when it is written again. */
  readonly id: string;
  /** The revision that the key must have, 0 where nothing may be there; undefined where it may have any. */
  readonly expected: number | undefined;
  /** For how long it lives, in milliseconds; 0 is for as long as the bucket keeps it. */
  readonly ttlMs: number;
}

/** The headers of a value. */
export function putHeaders({ id, expected, ttlMs }: PutHeaders, keeping: KvKeeping): KvHeaders {
  const headers = writeHeaders(id, expected);
  if (ttlMs > 0) {
    headers[TTL] = String(ttlMs);
    // It must not end before its time; who reads knows that to the millisecond.
    if (isEndedByServer(keeping)) headers[SERVER_TTL] = `${Math.ceil(ttlMs / 1_000)}s`;
  }
  return headers;
}

/** The headers of a deletion. */
export function removalHeaders(
  kind: "delete" | "purge" | "expired",
  id: string,
  expected: number,
  keeping: KvKeeping,
): KvHeaders {
  const headers = writeHeaders(id, expected);
  headers[OPERATION] = kind === "delete" ? "DEL" : "PURGE";
  // Where one message of a key is kept it takes the place of the one before by itself. Told to do so, servers before 2.9.12
  // skip what they have still to deliver of other keys.
  if (kind !== "delete" && keeping.history !== 1) headers[ROLLUP] = "sub";
  if (kind === "expired") headers[EXPIRED] = "1";
  // The end of a note must not bring back what is kept from before it.
  if (keeping.messageTtl && (kind !== "delete" || keeping.history === 1)) {
    headers[SERVER_TTL] = NOTE_TTL;
  }
  return headers;
}

/**
 * Whether the server ends values by a time of their own. Where older values of a key are kept, it would show the one
 * before as the last again.
 */
export function isEndedByServer({ messageTtl, history }: KvKeeping): boolean {
  return messageTtl && history === 1;
}

/** Whether a message is the one that was written with `id`. */
export function isWrittenAs(headers: KvHeaders, id: string): boolean {
  return headers[ID] === id || headers[MESSAGE_ID] === id;
}

/** Whether a message was written right after the one with that revision, so that nothing was between them. */
export function isWrittenAfter(headers: KvHeaders, revision: number): boolean {
  return headers[EXPECTED] === String(revision);
}

function writeHeaders(id: string, expected: number | undefined): Record<string, string> {
  // On condition it is written once at most: there is no use in having the server remember it.
  return expected === undefined ? { [MESSAGE_ID]: id } : { [ID]: id, [EXPECTED]: String(expected) };
}

const NEVER = Infinity;

function gone(kind: KvMeaning["kind"]): KvMeaning {
  return { kind, expiresAt: undefined, ownTime: false };
}

/** Milliseconds as we write them; undefined where it is none. */
function wholeMs(text: string): number | undefined {
  return /^[1-9]\d{0,14}$/.test(text) ? Number(text) : undefined;
}

/** A time of somebody else's, such as `5s`, `1h30m`, `90` or `never`, in milliseconds; undefined where there is none. */
function serverTtlMs(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (text.toLowerCase() === "never") return NEVER;
  if (/^\d+$/.test(text)) return Number(text) * 1_000 || undefined;
  if (!/^(?:\d+(?:\.\d+)?(?:h|ms|m|s))+$/.test(text)) return undefined;
  let sum = 0;
  for (const [, value, unit] of text.matchAll(/([\d.]+)(h|ms|m|s)/g)) {
    sum += Number(value) * UNITS_MS[unit!]!;
  }
  return sum || undefined;
}
