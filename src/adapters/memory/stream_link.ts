// What streams need of their connection to the embedded broker.

import type { MemoryBroker, MemoryMessage } from "./broker.ts";

/** A connection, as streams see it. */
export interface StreamLink {
  readonly broker: MemoryBroker;
  /** Whether it is there. */
  readonly isHere: () => boolean;
  /** Whether it is over. */
  readonly isOver: () => boolean;
  /** How often it was cut. */
  readonly cuts: () => number;
  /** Throws unless it is there. */
  readonly assertHere: (what: string) => void;
  /** Throws when it was closed. */
  readonly assertOpen: (what: string) => void;
  /** A message to be published, which was checked. */
  readonly message: (
    subject: string,
    body: string | Uint8Array,
    headers: Readonly<Record<string, string>>,
  ) => MemoryMessage;
  /** Logs what a listener threw. */
  readonly failed: (what: string, error: unknown) => void;
}

/** Asks the broker, which answers in its turn. */
export async function ask<T>(
  { broker, assertHere }: StreamLink,
  what: string,
  work: () => T,
): Promise<T> {
  assertHere(what);
  await broker.flush();
  assertHere(what);
  return work();
}
