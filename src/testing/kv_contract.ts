// The contract of the KV store: what it does on every broker, as cases that any test runner can run.

import type { Clock } from "../ports/clock.ts";
import { kvEnding } from "./kv_ending.ts";
import { kvKeeping } from "./kv_keeping.ts";
import type { KvCase } from "./kv_tools.ts";
import { kvWatching } from "./kv_watching.ts";
import { kvWriting } from "./kv_writing.ts";

/** The cases, which wait on `clock`: it has to be the system's. `testing.ts` gives it to them. */
export function kvCases(clock: Clock): readonly KvCase[] {
  return [...kvKeeping, ...kvWriting, ...kvEnding, ...kvWatching].map((make) => make(clock));
}
