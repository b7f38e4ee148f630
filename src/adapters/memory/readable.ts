// A stored message as it is read.

import type { StoredMessage } from "../../ports/stream.ts";
import { headerValue } from "./headers.ts";
import type { Stored } from "./stream_log.ts";

/** A copy of a message: what becomes of it changes nothing that is stored. */
export function readable({ message, sequence, storedAt }: Stored): StoredMessage {
  const headers = Object.entries(message.headers ?? {}).map(([name, value]) =>
    [name, headerValue(value)] as const
  );
  return {
    subject: message.subject,
    sequence,
    storedAt,
    data: message.data.slice(),
    headers: Object.fromEntries(headers),
  };
}

/** The same without its body, of which the length is left. */
export function withoutBody(message: StoredMessage): StoredMessage {
  const { data, headers } = message;
  return {
    ...message,
    data: new Uint8Array(),
    headers: { ...headers, "Nats-Msg-Size": String(data.length) },
  };
}
