// What all pulls of one connection have in common.

import type { Messaging } from "../../ports/messaging.ts";
import type { Requests } from "./requests.ts";
import type { StreamApi } from "./stream_api.ts";

/** Whoever is told what becomes of the bus. */
export interface Enlisted {
  /** The bus is there again. */
  returned(): void;
  /** The bus went away, or is closed for good. */
  ended(why: "broken" | "closed"): void;
  /** This user may not publish to a subject. */
  refused(subject: string, error: Error): void;
}

/** What pulls are made over. */
export interface PullParts {
  readonly messaging: Messaging;
  readonly api: StreamApi;
  readonly requests: Requests;
  /** Those who are told when the bus goes and comes. */
  readonly enlisted: Set<Enlisted>;
  /** How often the bus has gone away: who is not enlisted is not told. */
  readonly outages: () => number;
  /** Whether the server is one of a cluster. */
  readonly clustered: () => boolean;
  /**
   * Has the server forget who waited for messages of a consumer and has ended; resolves when it has, or may have. Undefined
   * where it does so in time by itself.
   */
  readonly forgetEnded: (stream: string, consumer: string) => Promise<unknown> | undefined;
  /** A subject of this connection's own that was never used. */
  readonly inbox: () => string;
  /** Logs what somebody who was told something threw. */
  readonly failed: (what: string, error: unknown) => void;
}
