// The embedded broker: subjects, wildcards, queue groups and answers, inside this process.

import type { Message } from "../../ports/messaging.ts";
import { Turn } from "./turn.ts";

/** A message with its headers. */
export interface MemoryMessage extends Message {
  /** Its headers by name; undefined where it has none. */
  readonly headers: Readonly<Record<string, string>> | undefined;
  /** `503` where it says that nobody listens. */
  readonly status: number | undefined;
}

/** A subscription as the broker keeps it. */
export interface Interest {
  /** The subject that it listens to, with wildcards or without. */
  readonly pattern: string;
  /** Its queue group, if it is of one. */
  readonly queue: string | undefined;
  /** Takes a message, whenever the broker's turn comes. */
  deliver(message: MemoryMessage): void;
}

/** The default of a NATS server, so that what is too large there is too large here. */
export const MAX_PAYLOAD: number = 1024 * 1024;

/** Routes messages as a NATS server does. Delivery is never part of the publisher's own call. */
export class MemoryBroker {
  readonly #exact = new Map<string, Set<Interest>>();
  readonly #wild = new Set<Interest>();
  readonly #turn = new Turn(() => this.#drain());
  #queue: (() => void)[] = [];

  /** Adds a subscription; what is published from now on reaches it. */
  add(interest: Interest): void {
    if (isWild(interest.pattern)) this.#wild.add(interest);
    else {
      const set = this.#exact.get(interest.pattern) ?? new Set();
      this.#exact.set(interest.pattern, set.add(interest));
    }
  }

  /** Takes a subscription away. What was routed to it is still delivered, unless it refuses. */
  remove(interest: Interest): void {
    this.#wild.delete(interest);
    const set = this.#exact.get(interest.pattern);
    if (set?.delete(interest) && set.size === 0) this.#exact.delete(interest.pattern);
  }

  /** Routes a message to everyone who listens, and to one of each queue group. */
  publish(message: MemoryMessage): void {
    const groups = new Map<string, Interest[]>();
    let reached = false;
    for (const interest of this.#matches(message.subject)) {
      reached = true;
      if (interest.queue === undefined) this.#post(() => interest.deliver(message));
      else {
        const group = groups.get(interest.queue);
        if (group === undefined) groups.set(interest.queue, [interest]);
        else group.push(interest);
      }
    }
    for (const group of groups.values()) {
      const chosen = group[Math.floor(Math.random() * group.length)]!;
      this.#post(() => chosen.deliver(message));
    }
    if (!reached && message.reply !== undefined && message.reply !== "") {
      this.publish({
        subject: message.reply,
        reply: undefined,
        data: new Uint8Array(0),
        headers: undefined,
        status: 503,
      });
    }
  }

  /** Resolves when everything that was routed before has been delivered. */
  flush(): Promise<void> {
    return new Promise((resolve) => this.#post(resolve));
  }

  *#matches(subject: string): Iterable<Interest> {
    yield* this.#exact.get(subject) ?? [];
    if (this.#wild.size === 0) return;
    const tokens = subject.split(".");
    for (const interest of this.#wild) if (matches(interest.pattern, tokens)) yield interest;
  }

  #post(task: () => void): void {
    this.#queue.push(task);
    if (this.#queue.length === 1) this.#turn.request();
  }

  /** Delivers in order. What deliveries cause is delivered later, and after a while not before timers have had their turn. */
  #drain(): void {
    const tasks = this.#queue;
    this.#queue = [];
    for (const task of tasks) task();
  }
}

/** Whether a pattern has a wildcard. */
function isWild(pattern: string): boolean {
  return /(?:^|\.)(?:\*(?:\.|$)|>$)/.test(pattern);
}

/** Whether a pattern fits a subject: `*` stands for one token, a last `>` for one or more. */
function matches(pattern: string, subject: readonly string[]): boolean {
  const tokens = pattern.split(".");
  for (let i = 0; i < tokens.length; i++) {
    if (tokens[i] === ">") return subject.length > i;
    if (i >= subject.length || (tokens[i] !== "*" && tokens[i] !== subject[i])) return false;
  }
  return tokens.length === subject.length;
}
