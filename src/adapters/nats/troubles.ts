// Troubles of a connection: what the server says is wrong, and why it is not reached again. Each is logged once an outage.

import type { Logger } from "../../ports/logger.ts";

/** How many different troubles are logged before the connection is back: an error may name one of many subjects. */
const MAX_SAID = 100;

/** What went wrong with one connection. */
export class Troubles {
  readonly #logger: Pick<Logger, "warn">;
  readonly #address: () => string;
  readonly #said = new Set<string>();
  #last: string | undefined;

  /** Makes the troubles of the connection to whatever server `address` gives at the moment. */
  constructor(logger: Pick<Logger, "warn">, address: () => string) {
    this.#logger = logger;
    this.#address = address;
  }

  /** What went wrong last with the connection itself; what one user may not do is none of it. */
  get last(): string | undefined {
    return this.#last;
  }

  /** The server said that something is wrong. */
  serverSaid(error: Error): void {
    const reason = reasonOf(error);
    if (error.name !== "PermissionViolationError") this.#last = reason;
    this.#say(reason, `The server said "${reason}"`, { error });
  }

  /** An attempt to reach it again failed. */
  notReached(error: unknown): void {
    const reason = reasonOf(error);
    this.#last = reason;
    this.#say(reason, `The server was not reached: ${reason}`, { error });
  }

  /** It broke, and is not made again. */
  notMadeAgain(): void {
    const reason = "the connection broke, and is not made again";
    this.#last ??= reason;
    this.#say(reason, "The connection broke, and is not made again", {});
  }

  /** Messages for `subject` wait since whoever listens is slow. */
  slow(subject: string, pending: number): void {
    this.#say(`slow ${subject}`, `What listens to ${subject} is slow`, { pending });
  }

  /** The connection is back: what is wrong from now on is said anew. */
  over(): void {
    this.#said.clear();
  }

  #say(key: string, message: string, fields: Readonly<Record<string, unknown>>): void {
    if (this.#said.has(key) || this.#said.size >= MAX_SAID) return;
    this.#said.add(key);
    try {
      this.#logger.warn(message, { server: this.#address(), ...fields });
    } catch {
      // The logger throws, and there is nobody left to tell.
    }
  }
}

/** Several addresses of one host that all failed make an error without a message. */
function reasonOf(error: unknown): string {
  const { message, code, name } = (error ?? {}) as {
    readonly message?: string;
    readonly code?: string;
    readonly name?: string;
  };
  return message || code || name || String(error);
}
