// Parking: what is asked for while the bus is away waits here until it is back.

import { assertHere, type Runtime } from "./runtime.ts";

/** How many may wait for the bus to come back before further ones are refused. */
const MAX_PARKED = 10_000;

/** What a wait came to: the bus is there, or closed, or still away; or whoever waited gave up. */
export type Parked = "connected" | "closed" | "away" | "aborted";

/** Those who wait for the bus. */
export class Parking {
  readonly #runtime: Runtime;
  readonly #parked = new Set<() => void>();

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  /**
   * Waits until the bus is there, or `expiresAt`, in monotonic milliseconds.
   *
   * @throws {TypeError} in another request than that of the bus, where it would not come back.
   */
  whenConnected(expiresAt: number, signal: AbortSignal | undefined): Promise<Parked> {
    assertHere(this.#runtime);
    const { transport, clock } = this.#runtime;
    const { status } = transport;
    if (status !== "reconnecting") return Promise.resolve(status);
    if (this.#parked.size >= MAX_PARKED) return Promise.resolve("away");
    return new Promise((resolve) => {
      const finish = (outcome: Parked): void => {
        timer.cancel();
        this.#parked.delete(wake);
        signal?.removeEventListener("abort", abort);
        resolve(outcome);
      };
      const wake = (): void => finish(transport.status === "closed" ? "closed" : "connected");
      const abort = (): void => finish("aborted");
      const timer = clock.setTimer(
        Math.max(0, expiresAt - clock.monotonic()),
        () => finish("away"),
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
