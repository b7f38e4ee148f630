// The NATS service protocol: answers what the tools of NATS, and any client that speaks it, ask of an instance.

import {
  srvAnswer,
  type SrvEndpoint,
  type SrvIdentity,
  srvSubjects,
  srvVerb,
} from "../domain/srv.ts";
import type { Message, Subscription } from "../ports/messaging.ts";
import type { Runtime } from "./runtime.ts";

/** How one instance answers. */
export interface SrvOptions {
  readonly runtime: Runtime;
  readonly identity: SrvIdentity;
  /** Its methods, with their calls so far. */
  readonly endpoints: () => readonly SrvEndpoint[];
}

/** Answers for one instance of a service. */
export class Srv {
  readonly #options: SrvOptions;
  readonly #subscriptions: Subscription[] = [];
  #started = "";

  /** Makes what answers; it does nothing before `open()`. */
  constructor(options: SrvOptions) {
    this.#options = options;
  }

  /** Begins to answer. It stands on the server once the transport was flushed. */
  open(): void {
    const { runtime: { clock, logger, transport }, identity } = this.#options;
    this.#started = clock.timestamp();
    let isRefused = false;
    for (const subject of srvSubjects(identity.name, identity.id)) {
      this.#subscriptions.push(transport.messaging.subscribe(subject, {
        onMessage: (message) => this.#answer(message),
        onError: (error) => {
          // It serves without; of its three subjects the first that is refused says enough.
          if (!isRefused) {
            logger.warn(`${identity.name} cannot be seen by the tools of NATS`, { error });
          }
          isRefused = true;
        },
      }));
    }
  }

  /** Answers no more; resolves when the server has heard of it, after `withinMs` at the latest. */
  async drain(withinMs: number): Promise<void> {
    await Promise.all(this.#subscriptions.splice(0).map((each) => each.drain(withinMs)));
  }

  #answer({ subject, reply }: Message): void {
    const { runtime: { logger, transport: { messaging } }, identity, endpoints } = this.#options;
    const verb = srvVerb(subject);
    if (verb === undefined || reply === undefined || reply === "") return;
    try {
      const { maxPayload } = messaging;
      messaging.publish(reply, srvAnswer(verb, identity, this.#started, endpoints(), maxPayload));
    } catch (error) {
      // Whoever asked asks again.
      logger.debug(`${identity.name} could not answer ${subject}`, { error });
    }
  }
}
