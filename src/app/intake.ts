// The intake: what an instance of a service subscribes to, and how it asks for no more.

import {
  rpcAgainSubject,
  rpcCancelSubject,
  rpcInstanceSubject,
  rpcLeaderSubject,
  rpcLedSubject,
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
  /** A caller asks who leads; with the methods of the leader. */
  readonly onAsked: (message: Message, methods: readonly string[]) => void;
  /** A request for this instance, for a method that there is not. */
  readonly onUnknown: (message: Message, method: string) => void;
  /** A caller takes a call back. */
  readonly onCancel: (message: Message) => void;
  /** A caller that was away asks for its answers again. */
  readonly onAgain: (message: Message) => void;
  /** The server refuses requests. */
  readonly onError: (error: Error) => void;
}

/** A leadership: of which group, and its fencing token. */
interface Led {
  readonly group: string;
  readonly token: number;
}

/** The subscriptions of one instance of a service. */
export class Intake {
  readonly #runtime: Runtime;
  readonly #service: string;
  readonly #instanceId: string;
  readonly #requests: Subscription[] = [];
  /** Those of the leader alone. */
  #exclusive: Subscription[] = [];
  #lead: (led: Led) => Subscription[] = () => [];
  /** What callers say of calls that have arrived: heard until the last has ended. */
  readonly #signals: Subscription[] = [];
  #draining: Promise<void> | undefined;

  constructor(runtime: Runtime, service: string, instanceId: string) {
    this.#runtime = runtime;
    this.#service = service;
    this.#instanceId = instanceId;
  }

  /** Subscribes `methods` and what belongs to them. They stand on the server once the transport was flushed. */
  open(methods: ReadonlyMap<string, Method>, on: Listener): void {
    const { onRequest, onAsked, onUnknown, onCancel, onAgain, onError } = on;
    const { logger, transport: { messaging } } = this.#runtime;
    const service = this.#service;
    const queue = rpcQueue(service);
    const subscribe = (method: Method): Subscription =>
      messaging.subscribe(rpcSubject(service, method.name), {
        queue,
        onMessage: (message) => onRequest(method, message),
        onError: method.builtIn
          // It serves without: that nobody can ask how it is does no harm to its callers.
          ? (error) => logger.warn(`${service} cannot be asked for its ${method.name}`, { error })
          : onError,
      });
    const exclusive: Method[] = [];
    for (const method of methods.values()) {
      if (method.exclusive) exclusive.push(method);
      else this.#requests.push(subscribe(method));
    }
    const onNamed = (message: Message): void => {
      const name = message.subject.split(".")[2] ?? "";
      const method = methods.get(name);
      if (method === undefined) onUnknown(message, name);
      else onRequest(method, message);
    };
    this.#lead = (led) => [
      messaging.subscribe(rpcLedSubject(service, "*", led), { onMessage: onNamed, onError }),
      ...exclusive.map(subscribe),
    ];
    if (exclusive.length > 0) {
      const names = exclusive.map(({ name }) => name);
      // All hear it: of a queue group one would that may stand still.
      const onMessage = (message: Message): void => onAsked(message, names);
      this.#requests.push(messaging.subscribe(rpcLeaderSubject(service), { onMessage, onError }));
    }
    this.#requests.push(
      messaging.subscribe(rpcInstanceSubject(service, "*", this.#instanceId), {
        // Two processes may have been given one name: a call runs once all the same.
        queue,
        onMessage: onNamed,
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

  /** Asks for the calls too that the leader alone serves. */
  lead(led: Led): void {
    if (this.#requests.length > 0) this.#exclusive = this.#lead(led);
  }

  /** Asks no longer for those. */
  yield(): void {
    for (const requests of this.#exclusive.splice(0)) {
      // What comes all the same is refused.
      void requests.drain().catch(() => undefined);
    }
  }

  /** Asks for no more calls; resolves when all that had been routed here have arrived, after `withinMs` at the latest. */
  drain(withinMs: number): Promise<void> {
    return this.#draining ??= this.#drain(withinMs);
  }

  async #drain(withinMs: number): Promise<void> {
    const all = [...this.#requests.splice(0), ...this.#exclusive.splice(0)];
    await Promise.all(all.map((requests) => requests.drain(withinMs)));
  }

  /** Listens to nothing any more; resolves when the server has heard of it, after `withinMs` at the latest. */
  async close(withinMs: number): Promise<void> {
    await Promise.all(this.#signals.splice(0).map((signals) => signals.drain(withinMs)));
  }
}
