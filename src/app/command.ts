// Command handlers: plain frozen values that a service serves.

import {
  assertBoolean,
  assertConcurrency,
  assertKeys,
  assertTimeout,
  isPlainObject,
  show,
} from "../domain/check.ts";
import type { Priority } from "../domain/command.ts";
import { assertCommandName } from "../domain/command_subject.ts";
import type { ProgressStep } from "../domain/command_record.ts";
import type { Frozen } from "../domain/frozen.ts";
import { type ResolvedRetryPolicy, resolveRetry, type RetryPolicy } from "../domain/retry.ts";
import { assertSchema, type InputOf, type OutputOf, type Schema } from "../domain/schema.ts";
import type { Context } from "./context.ts";

/** Options of {@linkcode command}. */
export interface CommandOptions<
  Payload extends Schema<object, unknown> | undefined = undefined,
  Result extends Schema | undefined = undefined,
> {
  /** What the payload must be, an object; the handler gets what the schema makes of it. Without it it is `unknown`. */
  readonly payload?: Payload;
  /** What the result must be; whoever sent it gets what the schema makes of it, as it arrives ({@linkcode Jsonified}). */
  readonly result?: Result;
  /**
   * How many commands of this name one instance runs at once. A handler that goes on after its time is over, or after a
   * cancel, no longer counts.
   *
   * @default {16}
   */
  readonly concurrency?: number;
  /**
   * When a command whose handler throws is tried again, on any instance. It has as many attempts as its sender allows with
   * `maxRetries`, and with `attempts` given no more than that. `false` is one attempt.
   *
   * @default {{ initialDelayMs: 1000, maxDelayMs: 60000, factor: 4, jitter: 0.5 }}
   */
  readonly retry?: RetryPolicy | false;
  /** The longest that an attempt may take, in milliseconds, whatever the sender allows. @default {Infinity} */
  readonly timeoutMs?: number;
  /**
   * How soon a command is run by another instance after the one that had it is gone, in milliseconds, a whole number from
   * 100 to a day; below 11 s up to a second more, which a server that was restarted may be wrong by. An instance that cannot
   * reach the server for so long lets go of its commands a little before.
   *
   * @default {30000}
   */
  readonly ackWaitMs?: number;
  /** Whether the leader alone runs them, of a service with `singleActive`. @default {false} */
  readonly exclusive?: boolean;
  /** What it is for, for people. */
  readonly description?: string;
}

/** A command as its handler gets it. */
export interface ReceivedCommand<Payload = unknown> {
  /** Its id: the same for every attempt, and for everything that was sent with it. */
  readonly id: string;
  /** What is asked for. */
  readonly command: string;
  /** What there is to know, as the schema has it. */
  readonly payload: Payload;
  /** Its priority. */
  readonly priority: Priority;
  /** How many further attempts the first one may have. */
  readonly maxRetries: number;
  /** How long an attempt may take, in milliseconds. */
  readonly timeoutMs: number;
  /** When it was sent, ISO 8601, on the sender's clock. */
  readonly timestamp: string;
  /** Who sent it. */
  readonly source: string | null;
  /** The trace that it belongs to. */
  readonly traceId: string;
  /** The message that it follows from, if its sender said so. */
  readonly correlationId: string | null;
}

/**
 * What a handler of commands gets as its second argument.
 *
 * @example
 * ```ts
 * import { command } from "@aegis/sdk";
 *
 * command("copy", async (_, ctx) => {
 *   const { file: done } = (ctx.lastProgress?.data ?? { file: 0 }) as { file: number };
 *   for (let file = done + 1; file <= 4; file++) {
 *     ctx.signal.throwIfAborted();
 *     await ctx.progress(file * 25, `file ${file}`, { file }); // the next attempt goes on from here
 *   }
 * });
 * ```
 */
export interface CommandContext extends Context {
  /** How far an earlier attempt came, with the data that it gave; undefined in the first one, or where it said nothing. */
  readonly lastProgress: ProgressStep | undefined;
  /**
   * Says how far the command is. It never waits for the network: after a few steps at once, ten a second go out at most,
   * which is what a person can see; what comes faster is put together, and the last step is told within a tenth of a
   * second. `data` is kept for the next attempt, should there be one, four times a second at most.
   *
   * @param percent 0 to 100; one that is lower than before counts as before
   * @param status what is being done, for people; 1,024 characters of it are told
   * @param data anything that has an encoding, for the next attempt and for whoever follows the command
   * @throws {RangeError} for a percentage that is none.
   * @throws what `signal` aborted with, once nobody waits for this attempt.
   */
  progress(percent: number, status?: string, data?: unknown): Promise<void>;
}

/** A handler of one kind of command. `Payload` is what senders pass, `Result` what it gives, which they get as JSON has it. */
export interface CommandHandler<
  Name extends string = string,
  Payload = unknown,
  Result = unknown,
> {
  /** What kind of handler it is. */
  readonly kind: "command";
  /** Its name. */
  readonly command: Name;
  /** How it handles them, every default filled in. */
  readonly settings: CommandSettings;
  /** The handler itself. */
  readonly run: (command: ReceivedCommand<never>, context: CommandContext) => unknown;
  /** Carries the types; it has no value. */
  readonly "~types"?: { readonly payload: Payload; readonly result: Result };
}

/** The options of a handler, complete. */
export interface CommandSettings {
  /** What the payload must be. */
  readonly payload: Schema | undefined;
  /** What the result must be. */
  readonly result: Schema | undefined;
  /** How many at once. */
  readonly concurrency: number;
  /** What becomes of failures; `attempts` bounds what the sender allows. */
  readonly retry: ResolvedRetryPolicy;
  /** The longest that an attempt may take, in milliseconds. */
  readonly timeoutMs: number;
  /** The ack wait, in milliseconds. */
  readonly ackWaitMs: number;
  /** Whether the leader alone runs them. */
  readonly exclusive: boolean;
  /** What it is for. */
  readonly description: string | undefined;
}

const OPTIONS = [
  "payload",
  "result",
  "concurrency",
  "retry",
  "timeoutMs",
  "ackWaitMs",
  "exclusive",
  "description",
];
const DEFAULT_RETRY = {
  attempts: 1_000_000,
  initialDelayMs: 1_000,
  maxDelayMs: 60_000,
  factor: 4,
};
const ONCE: RetryPolicy = { attempts: 1 };
const MIN_ACK_WAIT_MS = 100;
const MAX_ACK_WAIT_MS = 86_400_000;

/**
 * A handler of the command `name`: long work, which is queued until an instance has a free slot, tried again when it
 * fails, and kept a record of. Making one does nothing; a service serves it from `start()` to `stop()`.
 *
 * @throws {TypeError} for a name that is none, an option that is none, or a schema that is no Standard Schema.
 * @throws {RangeError} for a number out of range.
 *
 * @example
 * ```ts
 * import { command, connect, createClient, createService } from "@aegis/sdk";
 * import * as v from "valibot";
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * const resize = command("resize", {
 *   payload: v.object({ images: v.array(v.string()) }),
 *   concurrency: 4,
 * }, async ({ payload: { images } }, ctx) => {
 *   for (const [index, image] of images.entries()) {
 *     ctx.signal.throwIfAborted();
 *     await ctx.progress((index + 1) * 100 / images.length, image);
 *   }
 *   return { resized: images.length };
 * });
 *
 * await using bus = await connect({ servers: "memory:" });
 * await using service = createService("images", { bus, handlers: [resize] });
 * await service.start();
 *
 * const images = createClient({ bus }).service<typeof service>("images");
 * const job = await images.send("resize", { images: ["a.png", "b.png"] });
 * deepStrictEqual(await job.result(), { resized: 2 });
 * ```
 */
export function command<const Name extends string, Result>(
  name: Name,
  handler: (command: ReceivedCommand, context: CommandContext) => Result | Promise<Result>,
): CommandHandler<Name, unknown, Result>;
/** A handler with a schema for its result. */
export function command<
  const Name extends string,
  ResultSchema extends Schema,
  const Returned extends Frozen<InputOf<ResultSchema>>,
  PayloadSchema extends Schema<object, unknown> | undefined = undefined,
>(
  name: Name,
  options: CommandOptions<PayloadSchema, ResultSchema> & { readonly result: ResultSchema },
  handler: (
    command: ReceivedCommand<OutputOf<PayloadSchema>>,
    context: CommandContext,
  ) => Returned | Promise<Returned>,
): CommandHandler<Name, InputOf<PayloadSchema>, OutputOf<ResultSchema>>;
/** A handler whose result is what it returns. */
export function command<
  const Name extends string,
  Result,
  PayloadSchema extends Schema<object, unknown> | undefined = undefined,
>(
  name: Name,
  options: CommandOptions<PayloadSchema, undefined>,
  handler: (
    command: ReceivedCommand<OutputOf<PayloadSchema>>,
    context: CommandContext,
  ) => Result | Promise<Result>,
): CommandHandler<Name, InputOf<PayloadSchema>, Result>;
export function command(
  name: string,
  optionsOrHandler: unknown,
  handler?: unknown,
): CommandHandler {
  assertCommandName(name);
  const run = handler ?? optionsOrHandler;
  const options = handler === undefined ? {} : optionsOrHandler;
  if (typeof run !== "function") {
    throw new TypeError(
      `Cannot make command "${name}": its handler must be a function, not ${show(run)}`,
    );
  }
  if (!isPlainObject(options)) {
    throw new TypeError(
      `Cannot make command "${name}": its options must be an object, not ${show(options)}`,
    );
  }
  return Object.freeze({
    kind: "command",
    command: name,
    settings: Object.freeze(settingsOf(name, options)),
    run: run as CommandHandler["run"],
  });
}

function settingsOf(
  name: string,
  options: CommandOptions<Schema<object, unknown>, Schema>,
): CommandSettings {
  const where = `of command "${name}"`;
  assertKeys(options, OPTIONS, where);
  const { payload, result, concurrency = 16, retry = {}, ackWaitMs = 30_000 } = options;
  const { timeoutMs = Infinity, exclusive = false, description } = options;
  if (payload !== undefined) assertSchema(payload, `option "payload" ${where}`);
  if (result !== undefined) assertSchema(result, `option "result" ${where}`);
  assertConcurrency(concurrency, `option "concurrency" ${where}`);
  if (timeoutMs !== Infinity) assertTimeout(timeoutMs, `option "timeoutMs" ${where}`);
  assertTimeout(ackWaitMs, `option "ackWaitMs" ${where}`);
  if (
    !Number.isInteger(ackWaitMs) || ackWaitMs < MIN_ACK_WAIT_MS || ackWaitMs > MAX_ACK_WAIT_MS
  ) {
    throw new RangeError(
      `Cannot use ${ackWaitMs} as option "ackWaitMs" ${where}: it must be a whole number of milliseconds from ${MIN_ACK_WAIT_MS} to ${MAX_ACK_WAIT_MS}`,
    );
  }
  assertBoolean(exclusive, `option "exclusive" ${where}`);
  if (description !== undefined && typeof description !== "string") {
    throw new TypeError(
      `Cannot use ${show(description)} as option "description" ${where}: it must be a string`,
    );
  }
  return {
    payload,
    result,
    concurrency,
    retry: resolveRetry(retry === false ? ONCE : retry, DEFAULT_RETRY),
    timeoutMs,
    ackWaitMs,
    exclusive,
    description,
  };
}
