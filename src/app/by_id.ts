// By id: finding the calls that callers take back, many at once too, at no cost for those that nobody takes back.

import type { Invocation } from "./invocation.ts";

/** Finds calls by the ids of their requests. */
export class ById {
  readonly #entries: () => readonly Invocation[];
  /** The calls of this turn, from the second look on; what is looked for one by one is not worth a table. */
  #table: Map<string, Invocation> | undefined;
  #looks = 0;

  /** `entries` gives every call that is under way. */
  constructor(entries: () => readonly Invocation[]) {
    this.#entries = entries;
  }

  /** Takes note of a call that has arrived. */
  add(invocation: Invocation): void {
    this.#table?.set(invocation.request.messageId, invocation);
  }

  /** The call whose request has this id, unless it has ended. */
  find(id: string): Invocation | undefined {
    if (this.#looks++ === 0) {
      // All that one read of the socket brought is handled in one turn.
      void Promise.resolve().then(() => {
        this.#looks = 0;
        this.#table = undefined;
      });
      return this.#entries().find(({ request }) => request.messageId === id);
    }
    this.#table ??= new Map(this.#entries().map((entry) => [entry.request.messageId, entry]));
    const found = this.#table.get(id);
    return found?.ended === true ? undefined : found;
  }
}
