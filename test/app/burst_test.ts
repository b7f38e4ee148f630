// Bursts: whether one begins at all.

import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { connect, createClient, event, type Transport } from "../../mod.ts";
import { createMemoryTransport } from "../../testing.ts";
import { recordingLogger } from "./buses.ts";

const Made = event("many.made");
const WINDOW_MS = 120_000;

/** How many bursts are asked for, for many events, of a stream whose leader has led for that long. */
async function bursts(ledForMs: number | undefined): Promise<number> {
  const memory = createMemoryTransport();
  const { admin, store, view } = memory.streams!;
  let count = 0;
  const streams: NonNullable<Transport["streams"]> = {
    view,
    admin: {
      ...admin,
      async stream(name) {
        const state = await admin.stream(name);
        return state && { ...state, ledForMs };
      },
    },
    store: {
      ...store,
      ingest() {
        count++;
        return undefined;
      },
    },
  };
  const transport = { ...memory, streams };
  await using bus = await connect({ transport, logger: recordingLogger([]) });
  const events = Array.from({ length: 3_000 }, (_, n) => Made({ n }));
  const { stored } = await createClient({ bus }).publishMany(events);
  strictEqual(stored, 3_000);
  return count;
}

test("no burst goes to a leader that may take for duplicates what was lost with the one before", async () => {
  const counts = [];
  for (const ledForMs of [undefined, WINDOW_MS + 1, WINDOW_MS, 0]) {
    counts.push(await bursts(ledForMs));
  }
  deepStrictEqual(counts, [1, 1, 0, 0]);
});
