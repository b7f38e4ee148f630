// Where a consumer of the embedded broker begins.

import type { ConsumerConfig } from "../../ports/stream.ts";
import type { MemoryStream } from "./stream.ts";

/** The sequence at which a consumer begins. */
export function beginning({ from }: ConsumerConfig, stream: MemoryStream): number {
  const { firstSequence, lastSequence } = stream.state;
  if (from === "new") return lastSequence + 1;
  if (from === "all") return firstSequence;
  if ("sequence" in from) return Math.max(1, from.sequence);
  let stored = stream.next(firstSequence);
  while (stored !== undefined && stored.storedAt < from.time) {
    stored = stream.next(stored.sequence + 1);
  }
  return stored?.sequence ?? lastSequence + 1;
}
