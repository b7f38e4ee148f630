// Many operations at once: pipelined, and no more under way than one connection is good for.

import type { KvOutcome } from "../ports/kv.ts";

/** How many are under way. */
const IN_FLIGHT = 512;

/** What `work` comes to for each of the items, of which a bounded number is under way. It begins within this tick. */
export async function pipelined<Item, Result>(
  items: readonly Item[],
  work: (item: Item) => Promise<Result>,
  inFlight: number = IN_FLIGHT,
): Promise<Result[]> {
  const results: Result[] = [];
  let next = 0;
  let isOver = false;
  const lane = async (): Promise<void> => {
    while (next < items.length && !isOver) {
      const index = next++;
      results[index] = await work(items[index]!);
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.min(inFlight, items.length) }, lane));
  } finally {
    // When one has failed there is no use in beginning the others.
    isOver = true;
  }
  return results;
}

/** The same where each has an outcome of its own. */
export async function outcomes(
  keys: readonly string[],
  work: (key: string) => Promise<number>,
): Promise<Map<string, KvOutcome>> {
  const all = await pipelined(keys, async (key): Promise<KvOutcome> => {
    try {
      return { ok: true, revision: await work(key) };
    } catch (error) {
      return { ok: false, error: error as Error };
    }
  });
  return new Map(keys.map((key, index) => [key, all[index]!]));
}
