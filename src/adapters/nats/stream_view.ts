// What a stream holds, seen as a whole: followed and purged.

import type { NatsConnection } from "@nats-io/nats-core";
import type { StreamView } from "../../ports/stream.ts";
import { hasMessageTtl } from "./capabilities.ts";
import { NatsFollow } from "./follow.ts";
import type { FollowParts } from "./follow_parts.ts";

/** The view of streams over `connection`. */
export function createStreamView(connection: NatsConnection, parts: FollowParts): StreamView {
  const { api } = parts;
  return {
    get hasMessageTtl() {
      return hasMessageTtl(connection);
    },
    follow: (stream, options) => new NatsFollow(parts, stream, options),
    purge(stream, { filter, before }) {
      const what = `purge ${filter} in the stream ${stream}`;
      return api.run(what, async (manager) => {
        // Nothing has a lower sequence, and a server takes 0 for no limit.
        if (before !== undefined && before <= 1) {
          await manager.streams.info(stream);
          return 0;
        }
        const { purged } = await manager.streams.purge(stream, {
          filter,
          ...(before === undefined ? {} : { seq: before }),
        });
        return purged;
      });
    },
  };
}
