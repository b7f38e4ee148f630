// Commands that are followed: what a process knows of one, and whom it tells.

import type { CommandRecord, ProgressStep } from "../domain/command_record.ts";
import type { Subscription } from "../ports/messaging.ts";

/** How a command ended: with a result that came by itself, or as its record says. */
export type Ending =
  | { readonly result: unknown }
  | { readonly record: CommandRecord }
  | { readonly error: unknown };

/** Whom to tell. */
export interface Observer {
  /** There is a new step. */
  step?(step: ProgressStep): void;
  /** It has ended. */
  end(ending: Ending): void;
}

/** A command that is followed. */
export interface Tracked {
  readonly id: string;
  readonly token: string;
  readonly service: string;
  readonly command: string;
  /** Whether the process hears of it without a subscription of its own. */
  own: boolean;
  /** The last step that is known. */
  last: ProgressStep | undefined;
  /** How it ended, once that is known. */
  ending: Ending | undefined;
  readonly observers: Set<Observer>;
  subscriptions: readonly Subscription[];
  /** Whether its record is being read. */
  looking: boolean;
  /** Whether something was heard since that began, so that it is to be read once more. */
  again: boolean;
  /** In which connection all of it was heard, or its record read. */
  epoch: number;
}
