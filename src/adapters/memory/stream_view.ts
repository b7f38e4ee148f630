// Streams of the embedded broker as a whole: followed and purged.

import type { StreamView } from "../../ports/stream.ts";
import { bankOf } from "./broker.ts";
import { MemoryFollow } from "./follow.ts";
import { matcher } from "./pattern.ts";
import { noStream } from "./stream.ts";
import { ask, type StreamLink } from "./stream_link.ts";

/** The view of streams over a connection; what is followed is in `follows` as long as it is. */
export function createView(link: StreamLink, follows: Set<MemoryFollow>): StreamView {
  const { broker } = link;
  const bank = bankOf(broker);
  return {
    hasMessageTtl: true,
    follow(stream, options) {
      const follow = new MemoryFollow(
        {
          isHere: link.isHere,
          isOver: link.isOver,
          find: () => bank.stream(stream),
          now: () => bank.clock.now(),
          post: (task) => broker.post(task),
          onEnd: (ended) => void follows.delete(ended),
          failed: (error) => link.failed(`What follows the stream ${stream}`, error),
        },
        stream,
        options,
      );
      follows.add(follow);
      return follow;
    },
    purge(stream, { filter, before = Infinity }) {
      const what = `purge the stream ${stream}`;
      return ask(link, what, () => {
        const found = bank.stream(stream);
        if (found === undefined) throw noStream(`${what}: there is no such stream`, { stream });
        return found.purge(matcher(filter), before);
      });
    },
  };
}
