// What the acknowledgements of one consumer are made over.

import type { Messaging } from "../../ports/messaging.ts";
import type { Requests } from "./requests.ts";

/** What acknowledgements are made over. */
export interface AcksParts {
  readonly messaging: Messaging;
  readonly requests: Requests;
  /** Called when the server says that nobody takes them: the consumer is gone, or has no leader at the moment. */
  readonly onNobody: () => void;
  /** Called when the user may not send them. */
  readonly onRefused: (error: Error) => void;
  /** Called when there is something that the broker may not have, and when there is nothing any more. */
  readonly onPending: (pending: boolean) => void;
}
