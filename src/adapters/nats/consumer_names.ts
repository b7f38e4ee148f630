// The names of a stream's consumers. `@nats-io/jetstream` lists them with all that there is to say of each, and in a cluster
// without those whose servers do not answer.

import type { NatsConnection } from "@nats-io/nats-core";
import { AegisError } from "../../domain/error.ts";
import type { ApiError } from "./pub_ack.ts";
import { NO_NAME, type StreamApi } from "./stream_api.ts";
import { translateApiError } from "./stream_error.ts";

/** How long one page may take, in milliseconds. */
const PAGE_MS = 5_000;

/** A page of names. */
interface Page {
  readonly error?: ApiError;
  readonly total?: number;
  readonly consumers?: readonly string[] | null;
}

/** The names of all consumers of a stream; none when it is not there. */
export async function consumerNames(
  connection: NatsConnection,
  api: StreamApi,
  stream: string,
): Promise<readonly string[]> {
  const what = `list the consumers of the stream ${stream}`;
  if (NO_NAME.test(stream)) {
    throw new TypeError(`Cannot ${what}: it has a character that no name has`);
  }
  const subject = `${api.prefix}.CONSUMER.NAMES.${stream}`;
  // Who makes or removes one in between may have another come twice.
  const names = new Set<string>();
  try {
    for (let offset = 0;;) {
      const page = await api.run(what, async () => {
        const answer = await connection.request(subject, JSON.stringify({ offset }), {
          timeout: PAGE_MS,
        });
        return answer.json<Page>();
      });
      if (page.error !== undefined) throw translateApiError(page.error, what, true);
      const found = page.consumers ?? [];
      for (const name of found) names.add(name);
      offset += found.length;
      if (found.length === 0 || offset >= (page.total ?? 0)) return [...names];
    }
  } catch (error) {
    if (AegisError.is(error, "STREAM_NOT_FOUND")) return [];
    throw error;
  }
}
