// What the acknowledgements of one consumer are made over.

import type { Delivery } from "../../ports/stream.ts";
import type { Messaging } from "../../ports/messaging.ts";
import type { Requests } from "./requests.ts";

/** What acknowledgements are made over. */
export interface AcksParts {
  readonly messaging: Messaging;
  readonly requests: Requests;
  /** How often the bus has gone away. */
  readonly outages: () => number;
  /**
   * Called when it must be known what has become of the consumer: there is something to say after an outage, or the server
   * says that nobody takes it, since the consumer is gone, or has no leader at the moment.
   */
  readonly onDoubt: () => void;
  /** Called when the user may not send them. */
  readonly onRefused: (error: Error) => void;
  /** Called when there is something that the broker may not have, and when there is nothing any more. */
  readonly onPending: (pending: boolean) => void;
}

/** Which message: a sequence tells it from others, but for those of a stream that was removed and made again. */
export type Stored = Pick<Delivery, "sequence" | "storedAt">;

/** One acknowledgement. */
export interface Word {
  readonly sequence: number;
  subject: string;
  readonly body: string;
}

/** What tells a message from all others of its consumer. */
export function keyOf({ sequence, storedAt }: Stored): string {
  return `${sequence}.${storedAt}`;
}
