// Headers as a wire makes them.

const encoder = new TextEncoder();

/** The bytes of a header block. */
export function headerLength(headers: Readonly<Record<string, string>> | undefined): number {
  if (headers === undefined) return 0;
  let length = "NATS/1.0\r\n\r\n".length;
  for (const name in headers) length += encoder.encode(`${name}: ${headers[name]}\r\n`).length;
  return length;
}

/** A value as it arrives: space around it is no part of it, and half a surrogate pair has no bytes. */
export function headerValue(value: string): string {
  return value.trim().toWellFormed();
}
