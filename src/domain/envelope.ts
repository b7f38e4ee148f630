// The envelope: what every message of the wire carries, read strictly and written to the byte.

import { show } from "./check.ts";
import { type Issue, ValidationError } from "./error.ts";

/** What every message carries. */
export interface Envelope {
  /** The message's own id. */
  readonly messageId: string;
  /** The trace that it belongs to, the same in all that follows from one first call. */
  readonly traceId: string;
  /** The message that this one answers. */
  readonly correlationId: string | null;
  /** When it was made, ISO 8601, on the sender's clock. */
  readonly timestamp: string;
  /** Who sent it. */
  readonly source: string | null;
  /** Whom it is for. */
  readonly target: string | null;
}

const TIMESTAMP =
  /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])(?:[T ](?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:[.,]\d{1,9})?)?(?:Z|z|[+-]\d\d(?::?\d\d)?)?)?$/;

/** What fills in for fields that a sender may leave out. */
export interface FreshFields {
  /** A new message id. */
  uuid(): string;
  /** A new trace id. */
  traceId(): string;
  /** The time now, ISO 8601. */
  timestamp(): string;
}

/** Whether a value is an object with keys: no array, no null. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Reads the fields that all messages share, and gathers what is wrong. */
export class EnvelopeReader {
  readonly body: Record<string, unknown>;
  readonly #what: string;
  messageId: string | undefined = undefined;
  traceId: string | undefined = undefined;
  correlationId: string | null = null;
  timestamp: string | undefined = undefined;
  source: string | null = null;
  target: string | null = null;
  issues: Issue[] | undefined = undefined;

  constructor(body: unknown, what: string) {
    this.#what = what;
    if (!isRecord(body)) {
      throw new ValidationError(
        `Cannot read ${what}: the body must be an object, not ${show(body)}`,
      );
    }
    this.body = body;
  }

  /** Takes a field of the envelope; false when `key` is none. */
  envelope(key: string, value: unknown): boolean {
    switch (key) {
      case "message_id":
        if (typeof value === "string") this.messageId = value;
        else this.wrong(key, "a string", value);
        return true;
      case "trace_id":
        if (typeof value === "string") this.traceId = value;
        else this.wrong(key, "a string", value);
        return true;
      case "correlation_id":
        if (value === null || typeof value === "string") this.correlationId = value;
        else this.wrong(key, "a string or null", value);
        return true;
      case "timestamp":
        if (typeof value === "string" && TIMESTAMP.test(value)) this.timestamp = value;
        else this.wrong(key, "a time in ISO 8601", value);
        return true;
      case "source":
        if (value === null || typeof value === "string") this.source = value;
        else this.wrong(key, "a string or null", value);
        return true;
      case "target":
        if (value === null || typeof value === "string") this.target = value;
        else this.wrong(key, "a string or null", value);
        return true;
      default:
        return false;
    }
  }

  wrong(key: string, allowed: string, value: unknown): void {
    (this.issues ??= []).push({ path: [key], message: `must be ${allowed}, not ${show(value)}` });
  }

  unknown(key: string): void {
    (this.issues ??= []).push({ path: [key], message: "is no field of the protocol" });
  }

  check(): void {
    if (this.issues === undefined) return;
    const list = this.issues.map((issue) => `${issue.path?.join(".")} ${issue.message}`).join("; ");
    throw new ValidationError(`Cannot read ${this.#what}: ${list}`, this.issues);
  }
}

/** The fields of the envelope as an object that a codec encodes. */
export function envelopeValue(message: Envelope): Record<string, unknown> {
  return {
    message_id: message.messageId,
    trace_id: message.traceId,
    correlation_id: message.correlationId,
    timestamp: message.timestamp,
    source: message.source,
    target: message.target,
  };
}

/** Text as JSON. */
export function quote(text: string): string {
  return JSON.stringify(text);
}

/** Names of services and clients, quoted once: each message holds two of them. */
const QUOTED = new Map<string, string>();
const MAX_QUOTED = 1_000;

/** A name as JSON. */
export function quoteOrNull(text: string | null): string {
  if (text === null) return "null";
  let quoted = QUOTED.get(text);
  if (quoted === undefined) {
    quoted = JSON.stringify(text);
    if (text.length < 100 && QUOTED.size < MAX_QUOTED) QUOTED.set(text, quoted);
  }
  return quoted;
}

/** A number as Python writes a float, so that whole seconds stay floats. */
export function float(value: number): string {
  return Number.isInteger(value) && Math.abs(value) < 1e21 ? `${value}.0` : String(value);
}
