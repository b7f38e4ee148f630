// Serving: everything that one instance of a service serves, made and opened together.

import { AGEING_MS } from "../domain/command_queues.ts";
import { builtInHandlers, type Reporter } from "./built_in.ts";
import { partsOf } from "./bus.ts";
import { circuitSettings } from "./circuit_options.ts";
import { circuitsOf } from "./circuits.ts";
import { type Client, clientOf, outboundFrom } from "./client.ts";
import type { CommandHandler } from "./command.ts";
import { type CommandHealth, CommandServing } from "./command_serving.ts";
import type { Handler } from "./context.ts";
import { singleActiveSettings } from "./election_options.ts";
import { ElectionServing } from "./election_serving.ts";
import type { Leading } from "./leading.ts";
import type { EventHandler } from "./on.ts";
import { Presence } from "./presence.ts";
import { Responder } from "./responder.ts";
import type { RpcHandler } from "./rpc.ts";
import type { Runtime } from "./runtime.ts";
import type { ServiceOptions } from "./service_options.ts";
import { type EventHealth, Subscribers } from "./subscribers.ts";
import { together, type Work } from "./work.ts";

/** What an instance serves. */
export class Serving {
  readonly runtime: Runtime;
  readonly instanceId: string;
  /** What the service itself sends. */
  readonly client: Client;
  /** What stop() waits for. */
  readonly work: Work;
  /** How others see it. */
  readonly presence: Presence;
  /** The election, of a service of which one instance is active. */
  readonly election: ElectionServing | undefined;
  readonly #responder: Responder;
  readonly #subscribers: Subscribers;
  readonly #commands: CommandServing;
  readonly #handlers: readonly Handler[];
  #isRefused = false;

  /** `reporter` gives the service, as it answers how it is. */
  constructor(
    service: string,
    options: ServiceOptions<readonly Handler[]>,
    reporter: () => Reporter,
  ) {
    const { bus, version = "0.0.0", middleware = [], concurrency = Infinity } = options;
    const parts = partsOf(bus, `service "${service}"`);
    const { runtime, caller, listening, busStreams, records, directory: peers } = parts;
    this.runtime = runtime;
    this.#handlers = options.handlers;
    this.instanceId = options.instanceId ?? `${service}-${runtime.random.spanId()}`;
    const { instanceId } = this;
    const stamp = { by: service, version };
    const invoker = {
      runtime,
      caller,
      middleware: [],
      source: service,
      origin: undefined,
      peers,
      circuits: circuitsOf(
        runtime,
        circuitSettings(options.circuit, `of service "${service}"`),
        peers,
      ),
    };
    this.client = clientOf(invoker, stamp, bus);
    const outbound = outboundFrom(invoker, stamp, bus);
    const eventsOf = (exclusive: boolean, leading: Leading | undefined): Subscribers =>
      new Subscribers({
        runtime,
        service,
        version,
        instanceId,
        hasOwnId: options.instanceId !== undefined,
        outboundFrom: outbound,
        leading,
        streams: busStreams,
        handlers: eventHandlersOf(options.handlers).filter(isExclusive(exclusive)),
      });
    const commandsOf = (exclusive: boolean, leading: Leading | undefined): CommandServing =>
      new CommandServing({
        runtime,
        service,
        version,
        instanceId,
        outboundFrom: outbound,
        leading,
        streams: busStreams,
        records,
        handlers: commandHandlersOf(options.handlers).filter(isExclusive(exclusive)),
        concurrency,
        ageingMs: options.ageingMs ?? AGEING_MS,
      });
    const settings = singleActiveSettings(options.singleActive, service);
    this.election = settings && new ElectionServing({
      bus: parts,
      service,
      instanceId,
      settings,
      responder: () => this.#responder,
      handlersOf: (leading) => ({
        events: eventsOf(true, leading),
        commands: commandsOf(true, leading),
      }),
      setStatus: (status, group) => this.presence.setStatus(status, group),
      onLeadership: options.hooks?.onLeadership,
    });
    const leading = this.election;
    this.#responder = new Responder(runtime, {
      service,
      instanceId,
      handlers: options.handlers.filter((handler): handler is RpcHandler => handler.kind === "rpc"),
      builtIn: builtInHandlers(options.handlers, reporter, bus.metrics),
      middleware,
      concurrency,
      listening,
      outboundFrom: outbound,
      leading,
      group: settings?.group,
    });
    this.#subscribers = eventsOf(false, leading);
    this.#commands = commandsOf(false, leading);
    const works = [this.#responder, this.#subscribers.work, this.#commands.work];
    this.work = together(leading === undefined ? works : [...works, leading]);
    this.presence = new Presence({
      bus: parts,
      service,
      instanceId,
      options,
      statsOf: (method) => this.#responder.statsOf(method),
      inFlight: () => this.work.inFlight,
      isReady: () =>
        !this.#isRefused && this.election?.health().ok !== false &&
        [...this.eventHealth(), ...this.commandHealth()].every(({ ok }) => ok),
    });
  }

  /** Resolves when every handler is live on the server. `onError` is told what the server refuses, then or later. */
  async open(onError: (error: Error) => void): Promise<void> {
    // First what may not be as it must be: nothing has been taken yet.
    await this.#subscribers.prepare();
    await this.#commands.prepare();
    await this.election?.prepare();
    this.#responder.open((error) => {
      this.#isRefused = true;
      onError(error);
    });
    this.presence.answer();
    await this.runtime.transport.messaging.flush();
    this.#subscribers.open();
    this.#commands.open();
    await this.election?.open();
  }

  /** How the handlers of events are doing. */
  eventHealth(): EventHealth[] {
    return inOrder(
      eventHandlersOf(this.#handlers),
      this.#subscribers.health(),
      this.election?.handlers.events.health(),
    );
  }

  /** How the handlers of commands are doing. */
  commandHealth(): CommandHealth[] {
    return inOrder(
      commandHandlersOf(this.#handlers),
      this.#commands.health(),
      this.election?.handlers.commands.health(),
    );
  }
}

/** What is known of handlers, in the order in which they were given. */
function inOrder<T>(
  handlers: readonly (EventHandler | CommandHandler)[],
  shared: T[],
  exclusive: T[] = [],
): T[] {
  return handlers.map(({ settings }) => (settings.exclusive ? exclusive : shared).shift()!);
}

function isExclusive(exclusive: boolean) {
  return ({ settings }: EventHandler | CommandHandler) => settings.exclusive === exclusive;
}

/** Those of the handlers that run commands. */
export function commandHandlersOf(handlers: readonly Handler[]): CommandHandler[] {
  return handlers.filter((handler) => handler.kind === "command");
}

/** Those of the handlers that handle events. */
export function eventHandlersOf(handlers: readonly Handler[]): EventHandler[] {
  return handlers.filter((handler) => handler.kind === "event");
}
