// What commands in hand are made of, and by which ack wait they are kept.

import type { CommandHandler } from "./command.ts";
import { ackWaitAt } from "./command_lease.ts";
import type { Origin, Outbound } from "./context.ts";
import type { Leading } from "./leading.ts";
import type { Runtime } from "./runtime.ts";

/** What all commands of one instance have in common. */
export interface RunParts {
  readonly runtime: Runtime;
  readonly service: string;
  readonly instanceId: string;
  readonly outboundFrom: (origin: Origin) => Outbound;
  /** Who knows whether this instance leads, of a service with one active instance. */
  readonly leading: Leading | undefined;
}

/** Where a command comes from, as a lease needs to know it. */
export interface RunSource {
  readonly stream: string;
  /** The ack wait that the server goes by, in milliseconds. */
  readonly ackWaitMs: number;
}

/** The ack wait that leases of a handler's commands are kept by, in milliseconds. */
export function keptBy({ settings }: CommandHandler, { ackWaitMs }: RunSource): number {
  return Math.min(settings.ackWaitMs, ackWaitAt(ackWaitMs));
}
