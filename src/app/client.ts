// The client: calls of services by name, or typed from them, events published and commands sent.

import { assertKeys, show } from "../domain/check.ts";
import { assertServiceName } from "../domain/subject.ts";
import { type Bus, isBus, partsOf } from "./bus.ts";
import type { Stamp } from "../domain/stamp.ts";
import type { CircuitOptions } from "../domain/circuit.ts";
import { circuitSettings } from "./circuit_options.ts";
import { circuitsOf } from "./circuits.ts";
import { handleOf } from "./command_handle.ts";
import { checkResultOptions } from "./command_input.ts";
import type { CommandHandle, Send, SendOptions, SignalOptions } from "./command_types.ts";
import type { Call, CallOptions, Origin, Outbound, ServiceClient, Typed } from "./context.ts";
import { find, reopen } from "./command_reopen.ts";
import type { DeadLetterBox } from "./dead_letter_types.ts";
import type { Publish } from "./event_types.ts";
import { invoke } from "./invoke.ts";
import type { Invoker } from "./job.ts";
import { assertMiddleware, type ClientMiddleware } from "./middleware.ts";
import { unlessAborted } from "./pause.ts";
import { type PublishMany, publishMany } from "./publish_many.ts";

/** Options of {@linkcode createClient}. */
export interface ClientOptions {
  /** The bus that calls go over. */
  readonly bus: Bus;
  /** What runs around each call, the first outermost. @default {[]} */
  readonly middleware?: readonly ClientMiddleware[];
  /**
   * Keeps calls for a while from what fails: a method of an instance that is called alone, or of a service where any
   * instance may get the call, after too many calls of it have failed or were slow. What it refuses ends at once with an
   * `UnavailableError` of code `CIRCUIT_OPEN`; `details.retryAfterMs` says when it is tried again. `true` is for the
   * defaults.
   *
   * @default {false}
   */
  readonly circuit?: CircuitOptions | boolean;
}

/**
 * Calls services, publishes events and sends commands.
 *
 * @example
 * ```ts
 * import { type Client, connect, createClient } from "@aegis/sdk";
 * import { strictEqual } from "node:assert/strict";
 *
 * // What takes a client knows of no server: a test gives it one of `memory:`.
 * async function register(client: Client, name: string): Promise<number> {
 *   return (await client.publish("user.registered", { name })).sequence;
 * }
 *
 * await using bus = await connect({ servers: "memory:" });
 * strictEqual(await register(createClient({ bus }), "Ada"), 1);
 * ```
 */
export interface Client extends DeadLetterBox {
  /**
   * Calls a method of a service and gives its result.
   *
   * @throws {RpcError} when the handler threw one, or failed (code `INTERNAL_ERROR`).
   * @throws {ValidationError} when the parameters do not fit the method's schema; `issues` say where.
   * @throws {UnavailableError} when nobody serves it, those who do are busy, or the bus is away.
   * @throws {TimeoutError} when no answer came in time; the call may have been run.
   * @throws {TypeError | RangeError} for names and options that cannot be.
   */
  readonly call: Call;
  /**
   * Publishes an event; resolves when the stream has stored it. What is not heard of is published again with the same id,
   * and stored once.
   *
   * @throws {ValidationError} when the payload does not fit the schema of the definition.
   * @throws {UnavailableError} when the bus is away for the whole time (`details.sent` is false).
   * @throws {TimeoutError} when it is not known to be stored in time; `details.id` is the id to publish it again with.
   * @throws {QueueFullError} when the stream is full.
   * @throws {SerializationError} with code `PAYLOAD_TOO_LARGE`, or when the payload has no encoding.
   * @throws {AegisError} with code `JETSTREAM_DISABLED` or `PERMISSION_DENIED`.
   * @throws {ClosedError} when the bus is closed.
   * @throws {TypeError | RangeError} for types and options that cannot be.
   */
  readonly publish: Publish;
  /**
   * Publishes many events, a bounded number at a time, and resolves when all are stored. Arrays, generators and anything
   * else that can be iterated over are taken, and read no faster than they are stored.
   *
   * @throws {AegisError} with code `PUBLISH_INCOMPLETE` when some could not be stored, unless `onOutcome` is told;
   * `details` has `stored`, `failed` and the first of the `failures`.
   */
  readonly publishMany: PublishMany;
  /**
   * Sends a command to a service; resolves when it is stored, whether an instance is there or not.
   *
   * @throws {UnavailableError} when the service serves others and none of that name, or the bus is away for 5 s.
   * @throws {QueueFullError} when its queue is full.
   * @throws {ConflictError} when another command was sent with that id.
   * @throws {TimeoutError} when it is not known to be stored; sent again with the same `id` it runs once.
   * @throws {SerializationError} with code `PAYLOAD_TOO_LARGE`, or when the payload has no encoding.
   * @throws {AegisError} with code `JETSTREAM_DISABLED` or `PERMISSION_DENIED`.
   * @throws {ClosedError} when the bus is closed.
   * @throws {TypeError | RangeError} for names and options that cannot be.
   */
  readonly send: Send;
  /**
   * The command with that id, whoever sent it, as long as its record is kept.
   *
   * @throws {AegisError} with code `COMMAND_NOT_FOUND` when there is no record of it.
   * @throws {UnavailableError} while the bus is away.
   */
  command<Result = unknown>(id: string, options?: SignalOptions): Promise<CommandHandle<Result>>;
  /** A handle of one service, typed from the service: no code of it is imported, only its type. */
  service<S extends Typed>(name: string): ServiceClient<S>;
}

/**
 * A client of services.
 *
 * @throws {TypeError} for an option that is none.
 *
 * @example
 * ```ts
 * import { connect, createClient, createService, rpc } from "@aegis/sdk";
 * import { strictEqual } from "node:assert/strict";
 *
 * await using bus = await connect({ servers: "memory:" });
 * await using service = createService("greeter", { bus, handlers: [rpc("hello", () => "Hello")] });
 * await service.start();
 *
 * const client = createClient({ bus });
 * strictEqual(await client.call("greeter", "hello"), "Hello");
 * ```
 */
export function createClient(options: ClientOptions): Client {
  if (typeof options !== "object" || options === null) {
    throw new TypeError(`Cannot create a client of ${show(options)}: options must be an object`);
  }
  if (isBus(options)) {
    throw new TypeError("Cannot create a client of a bus alone: write createClient({ bus })");
  }
  assertKeys(options, ["bus", "middleware", "circuit"], "of a client");
  const { runtime, caller, directory: peers } = partsOf(options.bus, "a client");
  const { middleware = [] } = options;
  assertMiddleware(middleware, "of a client");
  const circuits = circuitsOf(runtime, circuitSettings(options.circuit, "of a client"), peers);
  return clientOf(
    { runtime, caller, middleware, source: runtime.name, origin: undefined, peers, circuits },
    { by: runtime.name, version: "0.0.0", yields: true },
    options.bus,
  );
}

/** A client of which all that it sends has something in common. */
export function clientOf(invoker: Invoker, stamp: Stamp, bus: Bus): Client {
  const { runtime, routes, publisher, busStreams, records, tracker, commandSender } = partsOf(
    bus,
    "a client",
  );
  // Few clients ask for them: what finds them is loaded by those that do.
  const letters = async (): Promise<DeadLetterBox> => {
    const { DeadLetters } = await import("./dead_letters.ts");
    return new DeadLetters(
      runtime,
      busStreams,
      (letter, body) => reopen(runtime, records, letter, body),
    );
  };
  const { source } = invoker;
  const handles = { runtime, records, tracker, streams: busStreams, stamp, source };
  const sender = { source, stamp, origin: invoker.origin };
  const call = (
    service: string | { readonly name: string },
    method: string,
    params?: unknown,
    options?: CallOptions,
  ): Promise<unknown> => {
    const name = typeof service === "string" ? service : service?.name;
    try {
      return invoke(invoker, routes.get(name, method), params, options);
    } catch (error) {
      return Promise.reject(error);
    }
  };
  const send = async (
    service: string | { readonly name: string },
    command: string,
    payload?: unknown,
    options?: SendOptions,
  ): Promise<CommandHandle> => {
    const name = typeof service === "string" ? service : service?.name;
    return handleOf(handles, await commandSender.send(sender, name, command, payload, options));
  };
  return Object.freeze<Client>({
    call: call as Call,
    publish: ((what: unknown, ...rest: unknown[]) =>
      publisher.publish(sender, what, ...rest)) as Publish,
    publishMany: (events, options) => publishMany(publisher, sender, events, options),
    send: send as Send,
    command: async <Result>(id: string, options: SignalOptions = {}) => {
      checkResultOptions(options, "of command()", ["signal"]);
      const { record, token } = await unlessAborted(options.signal, () => find(records, id));
      const tracked = tracker.track(token, record);
      tracker.known(tracked, record);
      return handleOf(handles, tracked) as CommandHandle<Result>;
    },
    listDeadLetters: async (filter) => await (await letters()).listDeadLetters(filter),
    replayDeadLetter: async (id, options) => await (await letters()).replayDeadLetter(id, options),
    replayDeadLetters: async (filter) => await (await letters()).replayDeadLetters(filter),
    discardDeadLetter: async (id, options) =>
      await (await letters()).discardDeadLetter(id, options),
    discardDeadLetters: async (filter) => await (await letters()).discardDeadLetters(filter),
    service: <S extends Typed>(name: string): ServiceClient<S> => {
      assertServiceName(name);
      const typed = (method: string, params?: unknown, options?: CallOptions) =>
        call(name, method, params, options);
      const typedSend = (command: string, payload?: unknown, options?: SendOptions) =>
        send(name, command, payload, options);
      return Object.freeze({
        name,
        call: typed as ServiceClient<S>["call"],
        send: typedSend as ServiceClient<S>["send"],
      });
    },
  });
}

/** What a handler sends: it goes on in the trace and the time of what is handled. */
export function outboundFrom(
  invoker: Invoker,
  stamp: Stamp,
  bus: Bus,
): (origin: Origin) => Outbound {
  return (origin) => clientOf({ ...invoker, origin }, stamp, bus);
}
