// A term: one leadership of an instance, with the events and commands that the leader alone handles.

import type { LeaseEnd } from "../domain/lease_state.ts";
import type { CommandServing } from "./command_serving.ts";
import { leadershipLost, type Leading } from "./leading.ts";
import { pause } from "./pause.ts";
import type { Runtime } from "./runtime.ts";
import type { Subscribers } from "./subscribers.ts";
import { together, type Work } from "./work.ts";

/** What the leader alone handles, beside calls. */
export interface ExclusiveHandlers {
  readonly events: Subscribers;
  readonly commands: CommandServing;
}

/** What a term is made of. */
export interface TermParts {
  readonly runtime: Runtime;
  readonly service: string;
  /** Who knows whether this instance leads now. */
  readonly election: Leading;
  /** Makes the handlers of one term; `leading` is what they ask. */
  readonly handlersOf: (leading: Leading) => ExclusiveHandlers;
  /** Called when a term has ended and nothing of it is left. */
  readonly onLeft: (term: Term) => void;
}

/** How soon it is tried again to begin what could not be, in milliseconds. */
const AGAIN_MS = 1_000;
const CLOSE_MS = 2_000;

/** One leadership, before, while and after it is. What began in it is over with it, even if the next one is this instance's too. */
export class Term implements Leading {
  readonly handlers: ExclusiveHandlers;
  readonly work: Work;
  readonly #parts: TermParts;
  #token: number | undefined;
  #isPrepared = false;
  #end: LeaseEnd | undefined;
  #error: Error | undefined;

  constructor(parts: TermParts) {
    this.#parts = parts;
    this.handlers = parts.handlersOf(this);
    this.work = together([this.handlers.events.work, this.handlers.commands.work]);
  }

  get token(): number | undefined {
    // Who asks has the election look at the clock, which ends this if it is over.
    const { token } = this.#parts.election;
    return this.#end !== undefined || token !== this.#token ? undefined : token;
  }

  get stoodStill(): boolean {
    return this.#end === "standstill";
  }

  /** Why its events and commands do not come, if they do not. */
  get error(): Error | undefined {
    return this.#error;
  }

  /** Makes what it needs, ahead of time. */
  async prepare(): Promise<void> {
    await this.handlers.events.prepare();
    await this.handlers.commands.prepare();
    this.#isPrepared = true;
  }

  /** Begins, with this fencing token. */
  async begin(token: number): Promise<void> {
    this.#token = token;
    const { runtime, service } = this.#parts;
    while (!this.#isPrepared && this.#end === undefined) {
      try {
        await this.prepare();
        this.#error = undefined;
      } catch (error) {
        if (this.#end !== undefined) return;
        if (this.#error === undefined) {
          runtime.logger.error(
            `${service} leads, and cannot take the events and commands of the leader yet`,
            { error },
          );
        }
        this.#error = error instanceof Error ? error : new Error(String(error));
        await pause(runtime, AGAIN_MS);
      }
    }
    if (this.#end !== undefined) return;
    this.handlers.events.open();
    this.handlers.commands.open();
  }

  /** Ends: nothing more begins, what runs is told, and is waited for by nobody but `onLeft`. */
  end(end: LeaseEnd): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    const { work } = this;
    const drained = work.drain(0);
    work.handBack();
    work.abort(leadershipLost(this.#parts.service, "What the leader alone handles"));
    void this.#leave(drained);
  }

  async #leave(drained: Promise<void>): Promise<void> {
    const { runtime: { logger }, service, onLeft } = this.#parts;
    try {
      await drained;
      await this.work.whenIdle();
      await this.work.whenSettled();
      await this.work.close(CLOSE_MS);
    } catch (error) {
      logger.warn(`${service} did not end its leadership in order`, { error });
    }
    onLeft(this);
  }
}
