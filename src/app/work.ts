// Work: what a service serves, calls or events, as stop() sees it.

import type { AegisError } from "../domain/error.ts";

/** Something that takes work, and can be made to take no more. */
export interface Work {
  /** How much has arrived and not ended. */
  readonly inFlight: number;
  /** How much has ended of which the other side is still to be told. */
  readonly unsettled: number;
  /** Asks for no more; resolves when all that had been sent here has arrived, after `withinMs` at the latest. */
  drain(withinMs: number): Promise<void>;
  /** Gives back what has arrived and not begun: others take it. */
  handBack(): void;
  /** Resolves when nothing is in flight. */
  whenIdle(): Promise<void>;
  /** Tells what is still in flight that nobody waits for it: that the instance stops, unless there is another reason. */
  abort(reason?: AegisError): void;
  /** Resolves when the other side has been told of all that has ended. */
  whenSettled(): Promise<void>;
  /** Lets go of everything; resolves when the server has heard of it, after `withinMs` at the latest. */
  close(withinMs: number): Promise<void>;
}

/** Several kinds of work as one. */
export function together(works: readonly Work[]): Work {
  const all = async (step: (work: Work) => Promise<void>): Promise<void> => {
    await Promise.all(works.map(step));
  };
  return {
    get inFlight() {
      return works.reduce((sum, work) => sum + work.inFlight, 0);
    },
    get unsettled() {
      return works.reduce((sum, work) => sum + work.unsettled, 0);
    },
    drain: (withinMs) => all((work) => work.drain(withinMs)),
    handBack: () => works.forEach((work) => work.handBack()),
    whenIdle: () => all((work) => work.whenIdle()),
    abort: (reason) => works.forEach((work) => work.abort(reason)),
    whenSettled: () => all((work) => work.whenSettled()),
    close: (withinMs) => all((work) => work.close(withinMs)),
  };
}
