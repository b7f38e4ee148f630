// Event handlers: plain frozen values that a service serves.

import {
  assertBoolean,
  assertConcurrency,
  assertKeys,
  assertTimeout,
  isPlainObject,
  show,
} from "../domain/check.ts";
import { assertDurableName, assertEventPattern } from "../domain/event_type.ts";
import { type ResolvedRetryPolicy, resolveRetry, type RetryPolicy } from "../domain/retry.ts";
import { assertSchema, type OutputOf, type Schema } from "../domain/schema.ts";
import { type DeliverFrom, readFrom } from "../domain/deliver_from.ts";
import type { Context } from "./context.ts";
import { type EventDefinition, isEventDefinition } from "./event.ts";

/** Where a handler begins when its durable is made: at what is published from then on, at the oldest, or at a place. */
export type EventsFrom =
  | "new"
  | "all"
  | { readonly sequence: number }
  | { readonly time: Date | number | string };

/** Options of {@linkcode on}. */
export interface OnOptions<Payload extends Schema | undefined = undefined> {
  /**
   * Who handles an event: `"compete"`, one of the instances of the service, over one durable that they share;
   * `"broadcast"`, every instance that is there.
   *
   * @default {"compete"}
   */
  readonly mode?: "compete" | "broadcast";
  /**
   * The name of the durable, of letters, digits, `_`, `-`, `=` and `+`, one for all services of the stream: that of another
   * service is refused at start. With `"broadcast"` each instance has a durable of
   * its own, named after this and its `instanceId`, which goes on where it was when that instance comes back; without a
   * name the server removes it soon after the instance has gone.
   *
   * @default {derived from the service and the pattern}
   */
  readonly name?: string;
  /** Where it begins when its durable is made, not at a time to come. It cannot be changed later. @default {"new"} */
  readonly from?: EventsFrom;
  /** What the payload must be; the handler gets what the schema makes of it. @default {that of the definition} */
  readonly payload?: Payload;
  /** How many events one instance handles at once. @default {16} */
  readonly concurrency?: number;
  /**
   * What becomes of an event whose handler throws: it is delivered again after a while, to any instance, and after the
   * last attempt it becomes a dead letter. `false` is one attempt.
   *
   * @default {{ attempts: 5, initialDelayMs: 500, maxDelayMs: 30000, factor: 4, jitter: 0.5 }}
   */
  readonly retry?: RetryPolicy | false;
  /**
   * How soon an event is delivered to another instance after the one that had it is gone, in milliseconds, a whole
   * number from 100 to a day.
   * While an instance is there it keeps its events, however slow a handler is.
   *
   * @default {30000}
   */
  readonly ackWaitMs?: number;
  /**
   * Whether events are handled one at a time and in the order of the stream, over all instances; an event that fails
   * holds up those behind it until it is handled or has become a dead letter.
   *
   * @default {false}
   */
  readonly ordered?: boolean;
  /**
   * Whether the leader alone handles them, of a service with `singleActive`; not with `"broadcast"`.
   *
   * @default {false}
   */
  readonly exclusive?: boolean;
  /** What it is for, for people. */
  readonly description?: string;
}

/** An event as its handler gets it. */
export interface ReceivedEvent<Payload = unknown> {
  /** Its id: the same for every delivery, and for everything that was published with it. */
  readonly id: string;
  /** What happened, such as `"order.created"`. */
  readonly type: string;
  /** The version of the payload's shape. */
  readonly version: string;
  /** What there is to know of it, as the schema has it. */
  readonly payload: Payload;
  /** When it was made, ISO 8601, on the publisher's clock. */
  readonly timestamp: string;
  /** Who published it. */
  readonly source: string | null;
  /** The trace that it belongs to. */
  readonly traceId: string;
  /** The message that it follows from, if its publisher said so. */
  readonly correlationId: string | null;
  /** Its place in the stream. */
  readonly sequence: number;
  /** When it was stored, in milliseconds since the epoch on the server's clock. */
  readonly storedAt: number;
}

/** What is done with an event. What it returns is ignored; it is waited for, and the event is acknowledged after it. */
export type OnHandler<Payload> = (event: ReceivedEvent<Payload>, context: Context) => unknown;

/** A handler of events. */
export interface EventHandler<Pattern extends string = string> {
  /** What kind of handler it is. */
  readonly kind: "event";
  /** Which types of events it handles. */
  readonly pattern: Pattern;
  /** How it handles them, every default filled in. */
  readonly settings: EventSettings;
  /** The handler itself. */
  readonly run: OnHandler<never>;
}

/** The options of a handler, complete. */
export interface EventSettings {
  /** Who handles an event. */
  readonly mode: "compete" | "broadcast";
  /** The name of the durable, if one was given. */
  readonly name: string | undefined;
  /** Where it begins. */
  readonly from: DeliverFrom;
  /** The version of the definition, if it is one that is handled. */
  readonly version: string | undefined;
  /** What the payload must be. */
  readonly payload: Schema | undefined;
  /** How many at once. */
  readonly concurrency: number;
  /** What becomes of failures. */
  readonly retry: ResolvedRetryPolicy;
  /** The ack wait, in milliseconds. */
  readonly ackWaitMs: number;
  /** Whether they come one by one, in order. */
  readonly ordered: boolean;
  /** Whether the leader alone handles them. */
  readonly exclusive: boolean;
  /** What it is for. */
  readonly description: string | undefined;
}

const OPTIONS = [
  "mode",
  "name",
  "from",
  "payload",
  "concurrency",
  "retry",
  "ackWaitMs",
  "ordered",
  "exclusive",
  "description",
];
const DEFAULT_RETRY = { attempts: 5, initialDelayMs: 500, maxDelayMs: 30_000, factor: 4 };
const ONCE: RetryPolicy = { attempts: 1 };
const [MIN_ACK_WAIT_MS, MAX_ACK_WAIT_MS] = [100, 86_400_000];

/**
 * A handler of the events of a definition, or of all whose types match a pattern: `domain.type`, where `*` stands for
 * any one token and a last `>` for all the rest. Making one does nothing; a service serves it from `start()` to `stop()`.
 *
 * Of a definition those of its major version are handled; what has another one is for others, and passes by unseen. So does
 * an event of version `1.0`, which is written where none is named, when its payload does not fit. A pattern takes all.
 *
 * Events are delivered at least once: a handler may see one again whose process ended before it was acknowledged.
 *
 * @throws {TypeError} for a pattern, an option or a schema that is none.
 * @throws {RangeError} for a number out of range.
 *
 * @example
 * ```ts
 * import { connect, createClient, createService, on } from "@aegis/sdk";
 * import { strictEqual } from "node:assert/strict";
 *
 * await using bus = await connect({ servers: "memory:" });
 * const { promise, resolve } = Promise.withResolvers<string>();
 * const audit = on("payment.*", { concurrency: 4 }, (event, ctx) => {
 *   ctx.log.debug("seen", { id: event.id });
 *   resolve(event.type);
 * });
 * await using service = createService("audit", { bus, handlers: [audit] });
 * await service.start();
 *
 * await createClient({ bus }).publish("payment.received", { amount: 9 });
 * strictEqual(await promise, "payment.received");
 * ```
 */
export function on<const Type extends string, Input, Output>(
  definition: EventDefinition<Type, Input, Output>,
  handler: OnHandler<Output>,
): EventHandler<Type>;
/** A handler of the events of a definition, with options. */
export function on<
  const Type extends string,
  Input,
  Output,
  Payload extends Schema | undefined = undefined,
>(
  definition: EventDefinition<Type, Input, Output>,
  options: OnOptions<Payload>,
  handler: OnHandler<Payload extends Schema ? OutputOf<Payload> : Output>,
): EventHandler<Type>;
/** A handler of the events that match a pattern. */
export function on<const Pattern extends string>(
  pattern: Pattern,
  handler: OnHandler<unknown>,
): EventHandler<Pattern>;
/** A handler of the events that match a pattern, with options. */
export function on<
  const Pattern extends string,
  Payload extends Schema | undefined = undefined,
>(
  pattern: Pattern,
  options: OnOptions<Payload>,
  handler: OnHandler<OutputOf<Payload>>,
): EventHandler<Pattern>;
export function on(what: unknown, optionsOrHandler: unknown, handler?: unknown): EventHandler {
  const definition = isEventDefinition(what) ? what : undefined;
  const pattern = definition?.type ?? what;
  assertEventPattern(pattern);
  const run = handler ?? optionsOrHandler;
  const options = (handler === undefined ? {} : optionsOrHandler) as OnOptions<Schema | undefined>;
  if (typeof run !== "function") {
    throw new TypeError(
      `Cannot handle "${pattern}": its handler must be a function, not ${show(run)}`,
    );
  }
  return Object.freeze({
    kind: "event",
    pattern,
    settings: Object.freeze(settingsOf(pattern, options, definition)),
    run: run as OnHandler<never>,
  });
}

function settingsOf(
  pattern: string,
  options: OnOptions<Schema | undefined>,
  definition: EventDefinition | undefined,
): EventSettings {
  if (!isPlainObject(options as unknown)) {
    throw new TypeError(
      `Cannot handle "${pattern}": its options must be an object, not ${show(options)}`,
    );
  }
  const where = `of the handler of "${pattern}"`;
  assertKeys(options, OPTIONS, where);
  const { mode = "compete", name, from = "new", payload = definition?.schema, ordered = false } =
    options;
  const { concurrency = ordered ? 1 : 16, retry = {}, ackWaitMs = 30_000 } = options;
  const { exclusive = false, description } = options;
  if (mode !== "compete" && mode !== "broadcast") {
    throw new TypeError(
      `Cannot use ${show(mode)} as option "mode" ${where}: it must be "compete" or "broadcast"`,
    );
  }
  if (name !== undefined) assertDurableName(name, `option "name" ${where}`);
  if (payload !== undefined) assertSchema(payload, `option "payload" ${where}`);
  assertConcurrency(concurrency, `option "concurrency" ${where}`);
  assertBoolean(ordered, `option "ordered" ${where}`);
  assertBoolean(exclusive, `option "exclusive" ${where}`);
  if (exclusive && mode === "broadcast") {
    throw new TypeError(
      `Cannot use option "exclusive" with mode "broadcast" ${where}: one handles them alone, or all do`,
    );
  }
  if (ordered && concurrency !== 1) {
    throw new RangeError(
      `Cannot use ${concurrency} as option "concurrency" ${where}: ordered events come one at a time`,
    );
  }
  assertTimeout(ackWaitMs, `option "ackWaitMs" ${where}`);
  if (!Number.isInteger(ackWaitMs) || ackWaitMs < MIN_ACK_WAIT_MS || ackWaitMs > MAX_ACK_WAIT_MS) {
    throw new RangeError(
      `Cannot use ${ackWaitMs} as option "ackWaitMs" ${where}: it must be a whole number of milliseconds, at least ${MIN_ACK_WAIT_MS} and at most ${MAX_ACK_WAIT_MS}`,
    );
  }
  if (description !== undefined && typeof description !== "string") {
    throw new TypeError(
      `Cannot use ${show(description)} as option "description" ${where}: it must be a string`,
    );
  }
  return {
    mode,
    name,
    from: readFrom(from, `option "from" ${where}`),
    version: definition?.version,
    payload,
    concurrency,
    retry: resolveRetry(retry === false ? ONCE : retry, DEFAULT_RETRY),
    ackWaitMs,
    ordered,
    exclusive,
    description,
  };
}
