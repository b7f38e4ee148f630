// Headers: our extras, which travel beside the bodies of the protocol.

import { show } from "./check.ts";

/** Headers of our own, beside the protocol's envelope. */
export const HEADER = {
  /** W3C Trace Context of the caller's span. */
  traceparent: "traceparent",
  /** When the caller's time is over, in milliseconds since the epoch on the caller's clock. */
  deadline: "aegis-deadline",
  /** The code of the error that the body describes. */
  errorCode: "aegis-error-code",
  /** Its data or issues, as JSON in ASCII. */
  errorData: "aegis-error-data",
  /** On an error: it had data that could not go along. */
  errorDataDropped: "aegis-error-data-dropped",
  /** On an error: the handler was not run, so that the call may go elsewhere. */
  refused: "aegis-refused",
  /** On an answer: the leader alone serves the method; and who leads, see {@linkcode LeaderWord}. On the word of a new leader too. */
  exclusive: "aegis-exclusive",
  /** On an error: the method may be called again, whatever became of this call. */
  idempotent: "aegis-idempotent",
} as const;

const PLAIN_CODE = /^[!#-~](?:[ -~]{0,254}[!-~])?$/;
const MAX_CODE = 1_024;
const LINE_BREAK = /[\r\n\0]/;
const HEADER_NAME = /^[!-9;-~]+$/;
const TRACEPARENT = /^00-([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;
const TRACE_ID = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/;

/** Checks headers that a program wants to send along. @throws {TypeError} naming the header. */
export function assertHeaders(
  headers: unknown,
): asserts headers is Readonly<Record<string, string>> {
  if (typeof headers !== "object" || headers === null || Array.isArray(headers)) {
    throw new TypeError(
      `Cannot use ${show(headers)} as "headers": it must be an object of strings`,
    );
  }
  for (const [name, value] of Object.entries(headers)) {
    if (!HEADER_NAME.test(name) || /^(?:nats-|aegis-)/i.test(name)) {
      throw new TypeError(
        `Cannot use ${
          show(name)
        } as the name of a header: it must be visible ASCII without ":", and not begin with "nats-" or "aegis-"`,
      );
    }
    if (name === HEADER.traceparent && traceIdOf(String(value)) === undefined) {
      throw new TypeError(
        `Cannot use ${
          show(value)
        } as header "traceparent": it must be a W3C traceparent of version 00`,
      );
    }
    if (typeof value !== "string" || LINE_BREAK.test(value)) {
      throw new TypeError(
        `Cannot use ${show(value)} as header "${name}": it must be a string without line breaks`,
      );
    }
  }
}

/** An error's code as it fits a header: as it is where it does, else as JSON. */
export function headerCode(code: string): string {
  return PLAIN_CODE.test(code) ? code : headerJson(code, MAX_CODE) ?? "INTERNAL_ERROR";
}

/** The code that {@linkcode headerCode} wrote. */
export function readHeaderCode(text: string | undefined): string {
  if (text === undefined || text === "") return "INTERNAL_ERROR";
  if (!text.startsWith('"')) return text;
  try {
    return String(JSON.parse(text));
  } catch {
    // Somebody else's code, which happens to begin like a string.
    return text;
  }
}

/** A value as JSON that fits a header: ASCII, on one line. Undefined when it has no JSON or is over `maxLength`. */
export function headerJson(value: unknown, maxLength: number): string | undefined {
  let text: string | undefined;
  try {
    // It gives undefined for undefined, functions and symbols.
    text = JSON.stringify(value);
  } catch {
    // A cycle or a bigint: the error goes without its data, and says so, rather than not at all.
    return undefined;
  }
  if (text === undefined) return undefined;
  text = text.replace(
    /[^\x20-\x7e]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return text.length > maxLength ? undefined : text;
}

/** The W3C trace id of a `traceparent`, as the UUID that an envelope carries; undefined when it is none. */
export function traceIdOf(traceparent: string): string | undefined {
  const id = TRACEPARENT.exec(traceparent)?.[1];
  return id?.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/**
 * The `traceparent` of span `spanId` in trace `traceId`, with the flags of `parent` if that is one; undefined when the
 * trace's id is no UUID and so has no W3C form.
 */
export function traceparentOf(
  traceId: string,
  spanId: string,
  parent: string | undefined,
): string | undefined {
  if (!TRACE_ID.test(traceId)) return undefined;
  const flags = parent !== undefined && TRACEPARENT.test(parent) ? parent.slice(53) : "00";
  return `00-${digits(traceId)}-${spanId}-${flags}`;
}

/** The `traceparent` of the first span of a new trace, whose id is a UUID. */
export function newTraceparent(traceId: string, spanId: string): string {
  return `00-${digits(traceId)}-${spanId}-00`;
}

function digits(id: string): string {
  return id.length === 32
    ? id
    : id.slice(0, 8) + id.slice(9, 13) + id.slice(14, 18) + id.slice(19, 23) + id.slice(24);
}
