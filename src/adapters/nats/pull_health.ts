// How deliveries go, and whom that is told: each trouble once, and that it is over.

import type { PullOptions } from "../../ports/stream.ts";

/** The health of one pull. */
export class PullHealth {
  readonly #options: PullOptions;
  readonly #failed: (what: string, error: unknown) => void;
  #trouble: Error | undefined;

  /** Makes it; `failed` logs what somebody who was told something threw. */
  constructor(options: PullOptions, failed: (what: string, error: unknown) => void) {
    this.#options = options;
    this.#failed = failed;
  }

  /** Something is wrong. Only the first of several troubles is told. */
  ill(error: Error): void {
    if (this.#trouble !== undefined) return;
    this.#trouble = error;
    this.#tell(error);
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
