// The size of an instance's record: what it can do without is left out until it fits.

import { isReadable, type ServedBy } from "./instance.ts";

/** How large the record of an instance may be, in bytes. It is written anew with each heartbeat. */
export const MAX_RECORD_BYTES = 65_536;
/** How much of that `metadata` may take, which is never left out. */
export const MAX_METADATA_BYTES = 32_768;
/** What the rest of a record takes at most: names, times and load. */
const REST_BYTES = 2_048;
/** How many levels deep in a record what is served stands: in its `metadata.aegis`. */
const SERVED_DEPTH = 2;

/** What an instance serves. */
export interface Served {
  /** Its methods. */
  readonly methods: readonly ServedBy[];
  /** The patterns of events that it handles. */
  readonly events: readonly ServedBy[];
  /** The commands that it runs. */
  readonly commands: readonly ServedBy[];
}

/** How many bytes a value takes as JSON. @throws {TypeError} when it has no JSON form. */
export function jsonBytes(value: unknown): number {
  return new TextEncoder().encode(JSON.stringify(value)).length;
}

/**
 * Of what is served, as much as fits in a record beside `metadata`: without schemas where those are too much, or too deep for
 * readers, then without descriptions, then none of it.
 */
export function fitServed(served: Served, metadata: Readonly<Record<string, unknown>>): Served {
  const room = MAX_RECORD_BYTES - REST_BYTES - jsonBytes(metadata);
  const steps: readonly ((entry: ServedBy) => ServedBy)[] = [
    (entry) => entry,
    ({ name, description }) => description === undefined ? { name } : { name, description },
    ({ name }) => ({ name }),
  ];
  for (const step of steps) {
    const { methods, events, commands } = served;
    const fitting = {
      methods: methods.map(step),
      events: events.map(step),
      commands: commands.map(step),
    };
    if (jsonBytes(fitting) <= room && isReadable(fitting, SERVED_DEPTH)) return fitting;
  }
  return { methods: [], events: [], commands: [] };
}
