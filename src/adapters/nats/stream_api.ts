// The API of JetStream: requests of `@nats-io/jetstream`, which end when the connection does.

import type { JetStreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { deferred } from "../../domain/deferred.ts";
import { ClosedError, TimeoutError, UnavailableError } from "../../domain/error.ts";
import type { Link } from "./messaging.ts";
import { translateStreamError } from "./stream_error.ts";

/** What no name of a stream or a consumer has. */
export const NO_NAME: RegExp = /^$|[\s.*>/\\]/;
/** How long a request may take, in milliseconds. */
const TIMEOUT_MS = 5_000;

/** Asks the API over one connection. */
export class StreamApi {
  readonly #connection: NatsConnection;
  readonly #link: Link;
  readonly #domain: string | undefined;
  readonly #underWay = new Set<(error: (what: string) => Error) => void>();
  #manager: Promise<JetStreamManager> | undefined;

  /** Makes the API over `connection`, of the JetStream in `domain` if there is one. */
  constructor(connection: NatsConnection, link: Link, domain: string | undefined) {
    this.#connection = connection;
    this.#link = link;
    this.#domain = domain;
  }

  /** What requests to the API begin with. */
  get prefix(): string {
    return this.#domain === undefined ? "$JS.API" : `$JS.${this.#domain}.API`;
  }

  /**
   * Asks, and gives what `ask` resolves with.
   *
   * @param what what is to be done: "make the stream EVENTS"
   * @param timeoutMs how long it may take, 5 s at the most
   * @throws what went wrong, as an error of the SDK's; `translate` may know better than {@linkcode translateStreamError}
   */
  async run<T>(
    what: string,
    ask: (manager: JetStreamManager) => Promise<T>,
    translate?: (error: unknown) => T | undefined | Promise<T | undefined>,
    timeoutMs: number = TIMEOUT_MS,
  ): Promise<T> {
    const { isClosed, isConnected } = this.#link;
    if (isClosed()) throw closed(what);
    if (!isConnected()) throw away(what, false);
    const ended = deferred<never>();
    // When there is an answer, nobody waits for it.
    ended.promise.catch(() => {});
    const end = (error: (what: string) => Error): void => ended.reject(error(what));
    this.#underWay.add(end);
    const timer = setTimeout(() => end(late), timeoutMs);
    try {
      this.#manager ??= this.#open();
      const manager = await this.#manager;
      const asked = ask(manager);
      // When the connection has ended first, nobody is left who waits.
      asked.catch(() => {});
      return await Promise.race([asked, ended.promise]);
    } catch (error) {
      const known = await translate?.(error);
      if (known !== undefined) return known;
      throw translateStreamError(error, what);
    } finally {
      clearTimeout(timer);
      this.#underWay.delete(end);
    }
  }

  /** Programs without streams do not pay for the package. */
  async #open(): Promise<JetStreamManager> {
    const { jetstreamManager } = await import("./jetstream.ts");
    return await jetstreamManager(this.#connection, {
      checkAPI: false,
      timeout: TIMEOUT_MS,
      ...(this.#domain === undefined ? {} : { domain: this.#domain }),
    });
  }

  /** The connection broke, or is closed for good: whatever is under way ends. */
  ended(why: "broken" | "closed"): void {
    for (const end of this.#underWay) {
      end(why === "closed" ? closed : (what) => away(what, true));
    }
  }
}

/** The error for a question without an answer. */
export function late(what: string): TimeoutError {
  return new TimeoutError(`Cannot ${what}: the server gave no answer in time`);
}

/** The error for a bus that is closed. */
export function closed(what: string): ClosedError {
  return new ClosedError(`Cannot ${what}: the bus is closed`);
}

/** The error for a bus that is away; `sent` says whether it was asked before. */
export function away(what: string, sent: boolean): UnavailableError {
  return new UnavailableError(
    sent
      ? `Cannot ${what}: the bus went away before the server answered; it may be done all the same`
      : `Cannot ${what}: the bus is away and reconnecting`,
    { details: { sent } },
  );
}
