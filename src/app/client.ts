// The client: calls of services by name, or typed from them.

import { assertKeys, show } from "../domain/check.ts";
import { assertServiceName } from "../domain/subject.ts";
import { type Bus, isBus, partsOf } from "./bus.ts";
import type { Call, CallOptions, Origin, ServiceClient, Typed } from "./context.ts";
import { invoke, type Invoker } from "./invoke.ts";
import { assertMiddleware, type ClientMiddleware } from "./middleware.ts";

/** Options of {@linkcode createClient}. */
export interface ClientOptions {
  /** The bus that calls go over. */
  readonly bus: Bus;
  /** What runs around each call, the first outermost. @default {[]} */
  readonly middleware?: readonly ClientMiddleware[];
}

/** Calls services. */
export interface Client {
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
  assertKeys(options, ["bus", "middleware"], "of a client");
  const { runtime, caller } = partsOf(options.bus, "a client");
  const { middleware = [] } = options;
  assertMiddleware(middleware, "of a client");
  return clientOf(
    { runtime, caller, middleware, source: runtime.name, origin: undefined },
    options.bus,
  );
}

/** A client whose calls have something in common. */
export function clientOf(invoker: Invoker, bus: Bus): Client {
  const { routes } = partsOf(bus, "a client");
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
  return Object.freeze({
    call: call as Call,
    service: <S extends Typed>(name: string): ServiceClient<S> => {
      assertServiceName(name);
      const typed = (method: string, params?: unknown, options?: CallOptions) =>
        call(name, method, params, options);
      return Object.freeze({ name, call: typed as ServiceClient<S>["call"] });
    },
  });
}

/** The `call` of a handler's context: it goes on in the trace and the time of the call that is handled. */
export function callFrom(invoker: Invoker, bus: Bus): (origin: Origin) => Call {
  return (origin) => clientOf({ ...invoker, origin }, bus).call;
}
