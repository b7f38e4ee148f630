// Parking: calls that are made while the bus is away wait here until it is back.

import { Failure } from "./answer.ts";
import type { Runtime } from "./runtime.ts";

/** How many calls may wait for the bus to come back before further ones are refused. */
const MAX_PARKED = 10_000;

/** Calls that wait for the bus. */
export class Parking {
  readonly #runtime: Runtime;
  readonly #parked = new Set<() => void>();

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  /** Waits until the bus is there, or a failure. */
  whenConnected(expiresAt: number, signal: AbortSignal | undefined): Promise<Failure | undefined> {
    const { transport, clock } = this.#runtime;
    if (transport.status === "connected") return Promise.resolve(undefined);
    if (transport.status === "closed") return Promise.resolve(new Failure("closed"));
    if (this.#parked.size >= MAX_PARKED) return Promise.resolve(new Failure("away"));
    return new Promise((resolve) => {
      const finish = (failure?: Failure): void => {
        timer.cancel();
        this.#parked.delete(wake);
        signal?.removeEventListener("abort", abort);
        resolve(failure);
      };
      const wake = (): void =>
        finish(transport.status === "closed" ? new Failure("closed") : undefined);
      const abort = (): void => finish(new Failure("aborted", signal?.reason));
      const timer = clock.setTimer(
        Math.max(0, expiresAt - clock.monotonic()),
        () => finish(new Failure("away")),
      );
      this.#parked.add(wake);
      signal?.addEventListener("abort", abort);
    });
  }

  /** Lets all of them go on: the bus is back, or closed. */
  wake(): void {
    for (const wake of [...this.#parked]) wake();
  }
}
