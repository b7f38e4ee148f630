// What all that follows streams over one connection has in common.

import type { Messaging } from "../../ports/messaging.ts";
import type { Ask } from "./ask.ts";
import type { Gate } from "./gate.ts";
import type { Enlisted } from "./pull_parts.ts";
import type { StreamApi } from "./stream_api.ts";
import type { StreamReader } from "./stream_read.ts";
import type { Vigil } from "./vigil.ts";

/** What streams are followed over. */
export interface FollowParts {
  readonly messaging: Messaging;
  readonly api: StreamApi;
  readonly ask: Ask;
  readonly reader: StreamReader;
  /** Whether consumers may skip what they have still to deliver, for what is purged after it. */
  readonly skips: () => boolean;
  /** Those who are told when the bus goes. */
  readonly enlisted: Set<Enlisted>;
  readonly vigil: Vigil;
  /**
   * Through which goes who begins. A server sends each as much as there is up to 32 MB, and ends the connection that has 64 MB
   * to read.
   */
  readonly gate: Gate;
  /** A name and a subject of this connection's own that were never used. */
  readonly place: () => { readonly name: string; readonly inbox: string };
  /** Logs what somebody who was told something threw. */
  readonly failed: (what: string, error: unknown) => void;
}
