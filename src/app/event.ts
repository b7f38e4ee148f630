// Event definitions: a type, a version and a schema, and with them the function that makes such events.

import { assertKeys, show } from "../domain/check.ts";
import { assertEventVersion } from "../domain/event.ts";
import { assertEventType } from "../domain/event_type.ts";
import { assertSchema, type InputOf, type OutputOf, type Schema } from "../domain/schema.ts";

/** Options of {@linkcode event}. */
export interface EventOptions<Payload extends Schema<object, unknown> | undefined = undefined> {
  /** What the payload must be, an object. It is checked where an event is published and again where it is handled. */
  readonly payload?: Payload;
  /**
   * The version of the payload's shape: two or three numbers with dots between. Handlers of this definition get events with
   * the same first number.
   *
   * @default {"1.0"}
   */
  readonly version?: string;
}

/** An event that is to be published: what a definition makes. */
export interface NewEvent<Payload = unknown> {
  /** What happened, such as `"order.created"`. */
  readonly type: string;
  /** The version of the payload's shape. */
  readonly version: string;
  /** What there is to know of it. */
  readonly payload: Payload;
  /** What the payload must be, if that is known. */
  readonly schema: Schema | undefined;
}

/**
 * The definition of an event, which is also the function that makes such events. `Input` is what a publisher gives,
 * `Output` what a handler gets.
 */
export interface EventDefinition<Type extends string = string, Input = unknown, Output = unknown> {
  /** An event with this payload; `publish()` checks it and sends it. */
  (payload: Input): NewEvent<Input>;
  /** What kind of definition it is. */
  readonly kind: "event";
  /** What happened. */
  readonly type: Type;
  /** The version of the payload's shape. */
  readonly version: string;
  /** What the payload must be, if that is said. */
  readonly schema: Schema | undefined;
  /** Carries the types; it has no value. */
  readonly "~types"?: { readonly input: Input; readonly output: Output };
}

/**
 * Defines an event. Making a definition does nothing; publishers call it to make events, handlers name it.
 *
 * @throws {TypeError} for a type, a version or an option that cannot be.
 *
 * @example
 * ```ts
 * import { connect, createClient, createService, event, on } from "@aegis/sdk";
 * import * as v from "valibot";
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * const OrderCreated = event("order.created", {
 *   version: "1.0",
 *   payload: v.object({ orderId: v.string(), amount: v.number() }),
 * });
 *
 * await using bus = await connect({ servers: "memory:" });
 * const { promise, resolve } = Promise.withResolvers<string>();
 * const handler = on(OrderCreated, ({ payload }) => resolve(payload.orderId));
 * await using service = createService("billing", { bus, handlers: [handler] });
 * await service.start();
 *
 * await createClient({ bus }).publish(OrderCreated({ orderId: "A-1", amount: 9 }));
 * deepStrictEqual(await promise, "A-1");
 * ```
 */
export function event<
  const Type extends string,
  Payload extends Schema<object, unknown> | undefined = undefined,
>(
  type: Type,
  options: EventOptions<Payload> = {},
): EventDefinition<Type, Payload extends Schema ? InputOf<Payload> : object, OutputOf<Payload>> {
  assertEventType(type);
  const where = `of event "${type}"`;
  if (typeof options !== "object" || options === null) {
    throw new TypeError(
      `Cannot define event "${type}": its options must be an object, not ${show(options)}`,
    );
  }
  assertKeys(options, ["payload", "version"], where);
  const { payload: schema, version = "1.0" } = options;
  assertEventVersion(version);
  if (schema !== undefined) assertSchema(schema, `option "payload" ${where}`);
  const make = (payload: unknown): NewEvent => Object.freeze({ type, version, payload, schema });
  return Object.freeze(
    Object.assign(make, { kind: "event" as const, type, version, schema }),
  ) as never;
}

/** Whether a value is what {@linkcode event} gave, of any copy of the package. */
export function isEventDefinition(value: unknown): value is EventDefinition {
  return typeof value === "function" && (value as { kind?: unknown }).kind === "event";
}
