// Notices of the registry: what instances on one bus say of themselves to whoever listens. Nobody may, and none is repeated.

import type { Runtime } from "./runtime.ts";

/** Sends notices. */
export class RegistryNotices {
  readonly #runtime: Runtime;
  /** What the server did not let this user publish to, since the bus was last away. */
  readonly #refused = new Set<string>();

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
    const { transport } = runtime;
    transport.messaging.onRefused?.((subject) => {
      if (subject.startsWith("internal.")) this.#refused.add(subject);
    });
    transport.onStatus(() => this.#refused.clear());
  }

  /** Sends one; where the bus is away, or the user may not, none. */
  send(subject: string, body: string): void {
    if (this.#refused.has(subject)) return;
    const { messaging } = this.#runtime.transport;
    try {
      if (messaging.connected) messaging.publish(subject, body);
    } catch (error) {
      // The bus went away, or was closed: the next heartbeat says the same.
      this.#runtime.logger.debug("A notice of the registry was not sent", { subject, error });
    }
  }
}
