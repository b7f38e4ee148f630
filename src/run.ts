// Running: services from their start to the signal that ends the program.

import { onShutdown } from "./adapters/system/signals.ts";
import { show } from "./domain/check.ts";

/** What {@linkcode run} starts and stops. A service is one. */
export interface Runnable {
  /** Where it stands; `"stopped"` and `"failed"` are final. */
  readonly status: string;
  /** Resolves when it has stopped, for whatever reason; without it, only a signal ends {@linkcode run}. */
  readonly stopped?: Promise<void>;
  /** Starts it. */
  start(): Promise<void>;
  /** Stops it. */
  stop(options?: { readonly graceMs?: number }): Promise<void>;
}

/**
 * Starts services, in the order given, and stops them, the last first, when the program gets SIGINT (Ctrl-C) or
 * SIGTERM. Resolves when all have stopped, also when they did so by themselves, as when their bus was closed. A second
 * signal aborts the handlers that the first one left to finish.
 *
 * It does not close the bus, which others may still use: `await using bus = await connect()` does.
 *
 * @throws what the start of a service threw; the services that had started are stopped before.
 * @throws {TypeError} when an argument is no service.
 *
 * @example
 * ```ts
 * import { connect, createService, rpc, run } from "@aegis/sdk";
 *
 * await using bus = await connect({ servers: "memory:" });
 * const greeter = createService("greeter", { bus, handlers: [rpc("hello", () => "Hello")] });
 * const running = run(greeter); // a program says `await run(greeter)`, and a signal ends it
 * await greeter.stop(); // as here its own stop does
 * await running;
 * ```
 */
export async function run(...services: readonly Runnable[]): Promise<void> {
  for (const service of services) {
    if (typeof service?.start !== "function" || typeof service.stop !== "function") {
      throw new TypeError(
        `Cannot run ${show(service)}: it must be a service, one of each argument`,
      );
    }
  }
  let signalled = false;
  let wake = (): void => {};
  const woken = new Promise<void>((resolve) => wake = resolve);
  const unsubscribe = onShutdown(() => {
    // What fails here fails again where it is awaited below.
    if (signalled) { for (const service of services) service.stop({ graceMs: 0 }).catch(() => {}); }
    signalled = true;
    wake();
  });
  const started: Runnable[] = [];
  const stop = async (): Promise<void> => {
    // One by one: the handlers of a later service may call an earlier one until they have finished.
    const errors: unknown[] = [];
    for (const service of started.reverse()) {
      await service.stop().catch((error) => errors.push(error));
    }
    unsubscribe();
    if (errors.length > 0) throw errors[0];
  };
  try {
    for (const service of services) {
      if (signalled) break;
      await service.start();
      started.push(service);
    }
  } catch (error) {
    // What went wrong first says why; that a service then does not stop in order either may follow from it.
    await stop().catch(() => undefined);
    throw error;
  }
  await Promise.race([woken, Promise.all(started.map(whenStopped))]);
  await stop();
}

function whenStopped({ status, stopped }: Runnable): Promise<void> {
  if (status === "stopped" || status === "failed") return Promise.resolve();
  return stopped ?? new Promise(() => {});
}
