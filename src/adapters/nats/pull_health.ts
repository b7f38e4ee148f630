// How deliveries go, and whom that is told: each trouble once, and that it is over.

import { ClosedError, UnavailableError } from "../../domain/error.ts";
import type { PullOptions } from "../../ports/stream.ts";

/** The health of one pull. */
export class PullHealth {
  readonly #what: string;
  readonly #options: PullOptions;
  readonly #failed: (what: string, error: unknown) => void;
  #trouble: Error | undefined;

  /** Makes it; `what` is what the pull is to do, and `failed` logs what somebody who was told something threw. */
  constructor(
    what: string,
    options: PullOptions,
    failed: (what: string, error: unknown) => void,
  ) {
    this.#what = what;
    this.#options = options;
    this.#failed = failed;
  }

  /** Something is wrong. Only the first of several troubles is told. */
  ill(error: Error): void {
    if (this.#trouble !== undefined) return;
    this.#trouble = error;
    this.#tell(error);
  }

  /** The bus is away. */
  away(): void {
    this.ill(new UnavailableError(`Cannot ${this.#what}: the bus is away`));
  }

  /** The bus is closed for good. */
  closed(): void {
    this.ill(new ClosedError(`Cannot ${this.#what}: the bus is closed`));
  }

  /** The consumer is not served, for a reason where one is known. */
  unserved(cause: Error | undefined): void {
    const reason = cause?.message ?? "no server serves it at the moment";
    this.ill(new UnavailableError(`Cannot ${this.#what}: ${reason}`, { cause }));
  }

  /** Nothing is wrong any more. */
  well(): void {
    if (this.#trouble === undefined) return;
    this.#trouble = undefined;
    this.#tell(undefined);
  }

  /** The consumer is not there. */
  gone(): void {
    try {
      this.#options.onGone();
    } catch (error) {
      this.#failed("What is told that a consumer is gone", error);
    }
  }

  #tell(error: Error | undefined): void {
    try {
      this.#options.onHealth(error);
    } catch (thrown) {
      this.#failed("What is told how deliveries go", thrown);
    }
  }
}
