// The intake: what an instance of a service subscribes to, and how it asks for no more.

import {
  rpcAgainSubject,
  rpcCancelSubject,
  rpcInstanceSubject,
  rpcQueue,
  rpcSubject,
} from "../domain/subject.ts";
import type { Message, Subscription } from "../ports/messaging.ts";
import type { Method } from "./method.ts";
import type { Runtime } from "./runtime.ts";

/** What is made of the messages that arrive. */
export interface Listener {
  /** A request for a method. */
  readonly onRequest: (method: Method, message: Message) => void;
  /** A request for this instance; its subject names the method. */
  readonly onDirect: (message: Message) => void;
  /** A caller takes a call back. */
  readonly onCancel: (message: Message) => void;
  /** A caller that was away asks for its answers again. */
  readonly onAgain: (message: Message) => void;
  /** The server refuses requests. */
  readonly onError: (error: Error) => void;
}

/** The subscriptions of one instance of a service. */
export class Intake {
  readonly #runtime: Runtime;
  readonly #service: string;
  readonly #instanceId: string;
  readonly #requests: Subscription[] = [];
  /** What callers say of calls that have arrived: heard until the last has ended. */
  readonly #signals: Subscription[] = [];

  constructor(runtime: Runtime, service: string, instanceId: string) {
    this.#runtime = runtime;
    this.#service = service;
    this.#instanceId = instanceId;
  }

  /** Subscribes `methods` and what belongs to them. They stand on the server once the transport was flushed. */
  open(methods: Iterable<Method>, on: Listener): void {
    const { onRequest, onDirect, onCancel, onAgain, onError } = on;
    const { logger, transport: { messaging } } = this.#runtime;
    const service = this.#service;
    for (const method of methods) {
      this.#requests.push(
        messaging.subscribe(rpcSubject(service, method.name), {
          queue: rpcQueue(service),
          onMessage: (message) => onRequest(method, message),
          onError: method.builtIn
            // It serves without: that nobody can ask how it is does no harm to its callers.
            ? (error) => logger.warn(`${service} cannot be asked for its ${method.name}`, { error })
            : onError,
        }),
      );
    }
    this.#requests.push(
      messaging.subscribe(rpcInstanceSubject(service, "*", this.#instanceId), {
        onMessage: onDirect,
        onError,
      }),
    );
    this.#signals.push(
      messaging.subscribe(rpcCancelSubject(service), {
        onMessage: onCancel,
        // It serves without: a call that is taken back goes on to its deadline.
        onError: (error) => logger.warn(`${service} cannot be told of calls taken back`, { error }),
      }),
      messaging.subscribe(rpcAgainSubject(service), {
        onMessage: onAgain,
        // It serves without: an answer that an outage of its caller swallows stays lost.
        onError: (error) => logger.warn(`${service} cannot be asked for answers again`, { error }),
      }),
    );
  }

  /** Asks for no more calls; resolves when all that had been routed here have arrived, after `withinMs` at the latest. */
  async drain(withinMs: number): Promise<void> {
    await Promise.all(this.#requests.splice(0).map((requests) => requests.drain(withinMs)));
  }

  /** Listens to nothing any more; resolves when the server has heard of it, after `withinMs` at the latest. */
  async close(withinMs: number): Promise<void> {
    await Promise.all(this.#signals.splice(0).map((signals) => signals.drain(withinMs)));
  }
}
