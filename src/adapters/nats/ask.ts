// Questions to the API of JetStream over the requests of one connection: what is asked often, and has to be fast.

import { UnavailableError } from "../../domain/error.ts";
import type { Expiring } from "../../domain/timer_wheel.ts";
import { translateNatsError } from "./error.ts";
import type { NatsMessage } from "./message.ts";
import type { Link } from "./messaging.ts";
import type { Requests, Unanswered, Waiter } from "./requests.ts";
import { away, closed, late } from "./stream_api.ts";

/** Asks the API. */
export class Ask {
  readonly #requests: Requests;
  readonly #link: Link;

  /** Makes it over the requests of a connection. */
  constructor(requests: Requests, link: Link) {
    this.#requests = requests;
    this.#link = link;
  }

  /**
   * Asks, and gives what `read` makes of the answer, which may be the server's word that nobody listens.
   *
   * @param what what is to be done: "read the stream EVENTS"
   * @throws what went wrong, as an error of the SDK's, and what `read` throws
   */
  ask<T>(
    what: string,
    subject: string,
    body: string,
    timeoutMs: number,
    read: (message: NatsMessage) => T,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      const { isClosed, isConnected } = this.#link;
      if (isClosed()) return reject(closed(what));
      if (!isConnected()) return reject(away(what, false));
      const expiresAt = performance.now() + timeoutMs;
      this.#requests.send(new Question(what, subject, expiresAt, read, resolve, reject), body);
    });
  }
}

/** One question that waits for its answer. */
class Question<T> implements Waiter {
  readonly subject: string;
  readonly expiresAt: number;
  slot = 0;
  wheelPrevious: Expiring | undefined = undefined;
  wheelNext: Expiring | undefined = undefined;
  readonly #what: string;
  readonly #read: (message: NatsMessage) => T;
  readonly #resolve: (value: T) => void;
  readonly #reject: (error: unknown) => void;

  constructor(
    what: string,
    subject: string,
    expiresAt: number,
    read: (message: NatsMessage) => T,
    resolve: (value: T) => void,
    reject: (error: unknown) => void,
  ) {
    this.#what = what;
    this.subject = subject;
    this.expiresAt = expiresAt;
    this.#read = read;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  answered(message: NatsMessage): void {
    try {
      this.#resolve(this.#read(message));
    } catch (error) {
      this.#reject(error);
    }
  }

  failed(why: Unanswered, error: Error | undefined): void {
    switch (why) {
      case "timeout":
        return this.#reject(late(this.#what));
      case "broken":
        return this.#reject(cutOff(this.#what));
      case "closed":
        return this.#reject(closed(this.#what));
      case "refused":
        // It was said of a message that was published, and is of what was asked.
        return this.#reject(translateNatsError(error?.cause ?? error, this.#what));
    }
  }
}

/** The error for an answer that an outage has cut off. What is asked here only reads. */
function cutOff(what: string): UnavailableError {
  return new UnavailableError(`Cannot ${what}: the bus went away before the server answered`, {
    details: { sent: true },
  });
}
