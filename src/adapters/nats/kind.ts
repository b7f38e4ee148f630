// One kind of connection in a process: nats-core keeps its transport in one variable, which every reconnect reads again.

import type { NatsConnection } from "@nats-io/nats-core";
import { NatsConnectionImpl } from "@nats-io/nats-core/internal";
import { type EntryKind, entryName } from "../../domain/entry.ts";

/** The kind in use since a connection was made. */
let used: EntryKind | undefined;
/** The kind of the connections that are just being made, which read that variable too, and their number. */
let making: EntryKind | undefined;
let makes = 0;

/**
 * Makes a connection of this kind.
 *
 * @throws {TypeError} when the process has one of another kind, which could not reconnect any more.
 */
export async function ofOneKind<T>(kind: EntryKind, make: () => Promise<T>): Promise<T> {
  assertOneKind(kind);
  making = kind;
  makes++;
  try {
    const made = await make();
    used = kind;
    return made;
  } finally {
    if (--makes === 0) making = undefined;
  }
}

/**
 * The kind of a connection that somebody else has made, as far as it says, and the kind of this process from now on.
 *
 * @throws {TypeError} when the process has a connection of another kind.
 */
export function broughtKind(connection: NatsConnection): EntryKind | undefined {
  const { protocol } = connection as unknown as Internals;
  const kind = KINDS[protocol?.transport?.lang ?? ""];
  // One of another copy of nats-core has a variable of its own.
  if (kind !== undefined && connection instanceof NatsConnectionImpl) {
    assertOneKind(kind);
    used = kind;
  }
  return kind;
}

function assertOneKind(kind: EntryKind): void {
  const inUse = used ?? making;
  if (inUse === undefined || inUse === kind) return;
  throw new TypeError(
    `connect(): this process ${
      used === undefined ? "is about to speak" : "already speaks"
    } to NATS by ${inUse}, and one process uses one kind of connection, not ${kind} as well; ` +
      `use that one here too, as connect() of ${entryName(inUse)} does`,
  );
}

/** What of a connection's insides tells what carries it. */
interface Internals {
  readonly protocol?: { readonly transport?: { readonly lang?: string } };
}

/** As the transports of nats.js call themselves to the server. */
const KINDS: Readonly<Record<string, EntryKind>> = {
  "nats.js": "tcp",
  "nats.ws": "ws",
  "nats.deno": "deno",
};
