// The context: what a handler gets beside its input.

import type { Envelope } from "../domain/envelope.ts";
import type { Jsonified } from "../domain/jsonified.ts";
import type { RetryPolicy } from "../domain/retry.ts";
import type { SelectStrategy } from "../domain/selection.ts";
import type { Stamp } from "../domain/stamp.ts";
import type { Logger } from "../ports/logger.ts";
import type { Publish } from "./event_types.ts";
import type { CommandHandler } from "./command.ts";
import type { Send, SendArguments, SentBy } from "./command_types.ts";
import type { EventHandler } from "./on.ts";
import type { RpcHandler } from "./rpc.ts";

/** What a service serves: methods, handlers of events and of commands. */
export type Handler = RpcHandler | EventHandler | CommandHandler;

/** Anything that carries the types of a service: a service itself, or a client of one. */
export interface Typed<Handlers extends readonly Handler[] = readonly Handler[]> {
  /** Carries the types; it has no value. */
  readonly "~handlers"?: Handlers;
}

/** The methods of a service, as their handlers. */
export type HandlerOf<S extends Typed> = Extract<
  NonNullable<S["~handlers"]>[number],
  { readonly kind: "rpc" }
>;

/** The types of one method of a service. */
export type TypesOf<S extends Typed, Method extends string> = NonNullable<
  Extract<HandlerOf<S>, { readonly method: Method }>["~types"]
>;

/** The names of the methods of a service. */
export type MethodOf<S extends Typed> = HandlerOf<S>["method"];

/** What a method of a service takes. */
export type ParamsOf<S extends Typed, Method extends string> = TypesOf<S, Method>["params"];

/** What a caller of a method of a service gets: of what the handler gives, what arrives. */
export type ResultOf<S extends Typed, Method extends string> = Jsonified<
  TypesOf<S, Method>["result"]
>;

/** The commands of a service, as their handlers. */
export type CommandHandlerOf<S extends Typed> = Extract<
  NonNullable<S["~handlers"]>[number],
  { readonly kind: "command" }
>;

/** The names of the commands of a service. */
export type CommandOf<S extends Typed> = CommandHandlerOf<S>["command"];

/** The types of one command of a service. */
export type CommandTypesOf<S extends Typed, Name extends string> = NonNullable<
  Extract<CommandHandlerOf<S>, { readonly command: Name }>["~types"]
>;

/** The arguments behind the method's name: the parameters may be left out where an empty object would do. */
export type CallArguments<S extends Typed, Method extends string> = Record<string, never> extends
  ParamsOf<S, Method> ? [params?: ParamsOf<S, Method>, options?: CallOptions]
  : [params: ParamsOf<S, Method>, options?: CallOptions];

/** Options of a call. */
export interface CallOptions {
  /** How long to wait for the answer, in milliseconds, all attempts together. In a handler never longer than its own caller waits. @default {5000} */
  readonly timeoutMs?: number;
  /** Takes the call back: it rejects with the signal's reason, and the handler's `ctx.signal` aborts. */
  readonly signal?: AbortSignal;
  /**
   * How it is tried again. Only what is safe is tried again: a call that was never delivered or was refused before it
   * ran, and any call if it is idempotent. Without a policy a call that a stopping instance refused goes to another one.
   * That a call meets nobody on a server of a cluster, which may not have heard of the service yet, is looked into for
   * 126 ms in any case. In the 5 s after an outage a call that has waited for its end, or is of a method that has
   * answered on this bus before, waits for the service to come back, unless this is `false`.
   */
  readonly retry?: RetryPolicy | false;
  /**
   * Whether it may run twice without harm. Then it is sent again where its connection broke, or its leader was followed by
   * another one, before it was answered.
   *
   * @default {false}
   */
  readonly idempotent?: boolean;
  /**
   * Calls this instance. Where it has gone since it was known (it was discovered on this bus, or has answered, or the
   * registry still has its record) and the call was not delivered, it goes to another one, unless `retry` is `false`.
   */
  readonly instance?: string;
  /**
   * Calls one of the instances that the registry knows as healthy: each in turn, one by chance, the one that `key` belongs
   * to, or the one with least to do. Where that has gone meanwhile and the call was not delivered, it goes to another one,
   * in the same way. Where the registry has none, or cannot be read, any instance may get it, as without `select`.
   */
  readonly select?: SelectStrategy;
  /** What `sticky` goes by: calls with the same key go to the same instance for as long as that is there. */
  readonly key?: string;
  /** Whether the circuits of the client count this call and may refuse it; where it has none, that changes nothing. @default {true} */
  readonly circuit?: boolean;
  /** Message headers to send along, ASCII or UTF-8 without line breaks. */
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * A typed handle of a service, from `client.service<T>(name)`.
 *
 * @example
 * ```ts
 * import { connect, createClient, createService, rpc, type ServiceClient } from "@aegis/sdk";
 * import { strictEqual } from "node:assert/strict";
 *
 * await using bus = await connect({ servers: "memory:" });
 * await using stock = createService("stock", { bus, handlers: [rpc("left", () => ({ left: 3 }))] });
 * await stock.start();
 * type StockService = typeof stock; // another program imports the type, and no code
 *
 * const handle: ServiceClient<StockService> = createClient({ bus }).service("stock");
 * strictEqual((await handle.call("left")).left, 3);
 * ```
 */
export interface ServiceClient<S extends Typed> extends Typed<NonNullable<S["~handlers"]>> {
  /** The service's name. */
  readonly name: string;
  /**
   * Calls a method.
   *
   * @throws {RpcError | TimeoutError | UnavailableError | ValidationError} as `client.call` does.
   */
  call<const Method extends MethodOf<S>>(
    method: Method,
    ...args: CallArguments<S, Method>
  ): Promise<ResultOf<S, Method>>;
  /**
   * Sends a command.
   *
   * @throws {UnavailableError | QueueFullError | ConflictError} as `client.send` does.
   */
  send<const Name extends CommandOf<S>>(
    command: Name,
    ...args: SendArguments<S, Name>
  ): Promise<SentBy<S, Name>>;
}

/** Calls methods of services. */
export interface Call {
  /** Calls a method of a typed service. */
  <S extends Typed, const Method extends MethodOf<S>>(
    service: ServiceClient<S>,
    method: Method,
    ...args: CallArguments<S, Method>
  ): Promise<ResultOf<S, Method>>;
  /** Calls a method by names. */
  <Result = unknown>(
    service: string,
    method: string,
    params?: object,
    options?: CallOptions,
  ): Promise<Result>;
}

/** Where a call stands in a trace and in its caller's time. */
export interface Origin {
  /** The trace that it belongs to. */
  readonly traceId: string;
  /** The `traceparent` of the span that it happens in. */
  readonly traceparent: string | undefined;
  /** When its caller's time is over, in monotonic milliseconds. */
  readonly expiresAt: number;
  /** The id of the message that is handled. */
  readonly messageId: string;
}

/** Who sends something. */
export interface Sender {
  /** What messages give as their source. */
  readonly source: string;
  /** Whose settings a stream has that this makes. */
  readonly stamp: Stamp;
  /** What the sending follows from. */
  readonly origin: Origin | undefined;
}

/** What a handler sends: it goes on in the trace and the time of what is handled. */
export interface Outbound {
  /** Calls services. */
  readonly call: Call;
  /** Publishes events. */
  readonly publish: Publish;
  /** Sends commands. */
  readonly send: Send;
}

/**
 * What a handler gets as its second argument.
 *
 * @example
 * ```ts
 * import { connect, type Context, createClient, createService, rpc } from "@aegis/sdk";
 * import { strictEqual } from "node:assert/strict";
 * import { setTimeout as sleep } from "node:timers/promises";
 *
 * async function hello(_: unknown, ctx: Context): Promise<string> {
 *   ctx.log.info("thinking", { remainingMs: ctx.remainingMs }); // with service, instance, method and trace
 *   await sleep(1, undefined, { signal: ctx.signal }); // no longer than anybody waits for it
 *   return ctx.header("language") === "fr" ? "Bonjour" : "Hello";
 * }
 *
 * await using bus = await connect({ servers: "memory:" });
 * await using greeter = createService("greeter", { bus, handlers: [rpc("hello", hello)] });
 * await greeter.start();
 * const headers = { language: "fr" };
 * strictEqual(await createClient({ bus }).call("greeter", "hello", {}, { headers }), "Bonjour");
 * ```
 */
export interface Context {
  /**
   * Aborts when the time is over, the caller takes the call back, the service stops and will not wait, or, of an
   * `exclusive` handler, when the instance leads no longer.
   */
  readonly signal: AbortSignal;
  /** When the time is over, in milliseconds since the epoch on this machine's clock; `Infinity` for an event. */
  readonly deadline: number;
  /** The time that is left, in milliseconds; 0 when it is over, `Infinity` for an event. */
  readonly remainingMs: number;
  /** The trace that this belongs to. */
  readonly traceId: string;
  /**
   * The W3C `traceparent` of the span that the handler runs in, as the parent of spans that the handler makes: the
   * tracer's where there is one, else the caller's; undefined where the caller sent none.
   */
  readonly traceparent: string | undefined;
  /** The envelope of the message that is handled. */
  readonly message: Envelope;
  /** Which attempt this is, from 1; of an event, how often it was delivered, this time included, also where it was handed back. */
  readonly attempt: number;
  /** A logger whose lines name the service, the instance, the handler and the trace. */
  readonly log: Logger;
  /** The service's name. */
  readonly service: string;
  /** The instance that handles it. */
  readonly instanceId: string;
  /**
   * The fencing token of the leader, in a service with `singleActive`: it grows with each leadership, and what it is
   * written along with can refuse those that come too late with a lower one. An `exclusive` handler has that of the
   * leadership in which it began; undefined on an instance that does not lead.
   */
  readonly fencingToken: number | undefined;
  /** A header of the message, by its exact name. */
  header(name: string): string | undefined;
  /** Calls another service: the trace goes on, and the time is what is left of this call's. */
  readonly call: Call;
  /** Publishes an event: the trace goes on, the time is what is left of this call's, and the event names this message as what it follows from. */
  readonly publish: Publish;
  /** Sends a command: the trace goes on, and the command names this message as what it follows from. It may outlast this. */
  readonly send: Send;
}
