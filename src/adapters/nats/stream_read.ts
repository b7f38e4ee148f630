// What a stream holds: reading and removing single messages.

import type { MsgRequest, StoredMsg } from "@nats-io/jetstream";
import type { StoredMessage } from "../../ports/stream.ts";
import type { StreamApi } from "./stream_api.ts";
import { API_ERROR, isApiError } from "./stream_error.ts";

/**
 * The first message at `sequence` or after it that `filter` fits. It is asked of the stream's leader: what other servers
 * hold may be old.
 */
export function readMessage(
  api: StreamApi,
  stream: string,
  sequence: number,
  filter: string,
): Promise<StoredMessage | undefined> {
  // The two go together, which the types of the package do not say.
  return read(api, stream, { seq: sequence, next_by_subj: filter } as MsgRequest);
}

/** The last message of a subject. The stream's leader is asked as well. */
export function lastMessage(
  api: StreamApi,
  stream: string,
  subject: string,
): Promise<StoredMessage | undefined> {
  return read(api, stream, { last_by_subj: subject });
}

async function read(
  api: StreamApi,
  stream: string,
  query: MsgRequest,
): Promise<StoredMessage | undefined> {
  const found: StoredMsg | null = await api.run(
    `read the stream ${stream}`,
    (manager) => manager.streams.getMessage(stream, query),
    // Another copy of the package does not know its own error.
    (error) => isApiError(error, API_ERROR.noMessageFound) ? null : undefined,
  );
  if (found === null) return undefined;
  const headers: Record<string, string> = {};
  for (const name of found.header.keys()) headers[name] = found.header.get(name);
  return {
    subject: found.subject,
    sequence: found.seq,
    storedAt: toMs(found.timestamp),
    data: found.data,
    headers,
  };
}

/** Removes a message; false when it was not there. */
export function removeMessage(api: StreamApi, stream: string, sequence: number): Promise<boolean> {
  return api.run(
    `remove message ${sequence} of the stream ${stream}`,
    (manager) => manager.streams.deleteMessage(stream, sequence, false),
    (error) =>
      isApiError(
          error,
          API_ERROR.noMessageFound,
          API_ERROR.sequenceNotFound,
          API_ERROR.streamMessageDeleteFailed,
        )
        ? false
        : undefined,
  );
}

/** A time such as `2026-01-01T00:00:00.123456789Z`: its milliseconds are cut, as in what is delivered, and not rounded. */
function toMs(timestamp: string): number {
  const [seconds = "", fraction = ""] = timestamp.replace("Z", "").split(".");
  return Date.parse(`${seconds}Z`) + Number(fraction.slice(0, 3).padEnd(3, "0"));
}
