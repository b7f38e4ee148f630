// How an instance stands in its group, as it tells callers: with each answer of an exclusive method, and to all when it begins to lead.

import { HEADER } from "../domain/header.ts";
import { leaderWord } from "../domain/leader_word.ts";
import { rpcElectedSubject } from "../domain/subject.ts";
import type { Runtime } from "./runtime.ts";

/** Whose it is. */
export interface StandingOptions {
  readonly service: string;
  readonly instanceId: string;
  /** Undefined for a service that has no leader, whose methods are nobody's alone. */
  readonly group: string | undefined;
}

/** Says whether it leads. */
export class Standing {
  /** What goes with every answer of an exclusive method. */
  headers: Readonly<Record<string, string>>;
  readonly #runtime: Runtime;
  readonly #service: string;
  readonly #instanceId: string;
  readonly #group: string;
  #unsubscribe: (() => void) | undefined;

  /** Of an instance that stands by, in this group. */
  constructor(runtime: Runtime, { service, instanceId, group = "" }: StandingOptions) {
    this.#runtime = runtime;
    this.#service = service;
    this.#instanceId = instanceId;
    this.#group = group;
    this.headers = headersOf(leaderWord(group));
  }

  /** It leads. Called when the server has been told to give it the calls of the leader. */
  lead(token: number): void {
    const leader = { token, instanceId: this.#instanceId };
    this.headers = headersOf(leaderWord(this.#group, leader));
    // Those who went on without an answer in an outage hear of it again.
    this.#unsubscribe ??= this.#runtime.transport.onStatus((status) => {
      if (status === "connected") this.#announce();
    });
    this.#announce();
  }

  /** It leads no longer. */
  yield(): void {
    this.headers = headersOf(leaderWord(this.#group));
    this.#unsubscribe?.();
    this.#unsubscribe = undefined;
  }

  #announce(): void {
    try {
      const { messaging } = this.#runtime.transport;
      const subject = rpcElectedSubject(this.#service);
      messaging.publish(subject, this.#instanceId, undefined, this.headers);
    } catch {
      // The bus is away: it is said when it is back.
    }
  }
}

function headersOf(word: string): Readonly<Record<string, string>> {
  return Object.freeze({ [HEADER.exclusive]: word });
}
