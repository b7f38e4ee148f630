// Sending commands: what is given, and what comes of it.

import type { Priority } from "../domain/command.ts";
import type { CommandRecord, ProgressStep } from "../domain/command_record.ts";
import type { Jsonified } from "../domain/jsonified.ts";
import type { CommandOf, CommandTypesOf, ServiceClient, Typed } from "./context.ts";

/** Options of sending a command. */
export interface SendOptions {
  /** Which commands go before which: critical before high before normal before low. @default {"normal"} */
  readonly priority?: Priority;
  /** How long an attempt may take from its start, in milliseconds; then the command ends as `timed_out`. @default {300000} */
  readonly timeoutMs?: number;
  /** How many further attempts it has when one fails. @default {3} */
  readonly maxRetries?: number;
  /**
   * The id of the command, at most 128 bytes, as long as its record is kept: what is sent twice with one id runs once, and
   * both senders get what it comes to.
   *
   * @default {a new one}
   */
  readonly id?: string;
  /** How long it waits at least before it begins, in milliseconds. @default {0} */
  readonly delayMs?: number;
  /** Ends the waiting for the stream: it rejects with the signal's reason. The command may be sent all the same. */
  readonly signal?: AbortSignal;
}

/** Options of waiting for a result. */
export interface ResultOptions {
  /** How long to wait, in milliseconds; the command goes on. @default {Infinity} */
  readonly timeoutMs?: number;
  /** Ends the waiting: it rejects with the signal's reason. The command goes on. */
  readonly signal?: AbortSignal;
}

/** Options of asking for a command, and of taking it back. */
export type SignalOptions = Pick<ResultOptions, "signal">;

/**
 * A command that was sent, by whomever.
 *
 * @example
 * ```ts
 * import { command, connect, createClient, createService } from "@aegis/sdk";
 * import { deepStrictEqual, strictEqual } from "node:assert/strict";
 *
 * await using bus = await connect({ servers: "memory:" });
 * const print = command("print", async (_, ctx) => {
 *   await ctx.progress(50, "half of it");
 *   return { pages: 12 };
 * });
 * await using press = createService("press", { bus, handlers: [print] });
 * await press.start();
 *
 * const client = createClient({ bus });
 * const job = await client.send("press", "print");
 * for await (const { percent, status } of job.progress()) console.log(percent, status);
 * deepStrictEqual(await job.result(), { pages: 12 });
 *
 * const same = await client.command(job.id); // in any process, for seven days
 * strictEqual((await same.status()).state, "completed");
 * ```
 */
export interface CommandHandle<Result = unknown> {
  /** Its id, with which any process finds it again: `client.command(id)`. */
  readonly id: string;
  /** The service that it is for. */
  readonly service: string;
  /** What it asks for. */
  readonly command: string;
  /**
   * The steps of its progress as they come, from the last one that is known; it ends when the command does. Percentages
   * never go back. Who takes them slowly gets the latest. The last one is what the handler said last, which need not be
   * 100 percent; another process that asks only when the command is completed gets one step of 100, as the record says it.
   */
  progress(options?: SignalOptions): AsyncIterableIterator<ProgressStep>;
  /**
   * What it comes to. It waits over outages of the bus, as long as it takes.
   *
   * @throws {CommandError} when it failed: with the code and message of its last error, and `attempts`.
   * @throws {ValidationError} when its payload was not what the handler's schema asks for.
   * @throws {TimeoutError} when its time was over, or that of `options`, whose error has `details.waiting`.
   * @throws {AegisError} with code `CANCELLED` (`details` say who and why), `COMMAND_NOT_FOUND` when its record is gone.
   * @throws {ClosedError} when the bus is closed.
   */
  result(options?: ResultOptions): Promise<Result>;
  /**
   * Takes it back: what has not begun never does, what runs is aborted. The record as it then is: that of a command which
   * had ended before is left as it was. When a signal ends the waiting it may be taken back all the same.
   *
   * What waits in a queue to which no instance comes is taken back for good, also when its record is gone by then. In a
   * stream of the AegisSDK for Python it is for as long as the record is kept (seven days). A command whose record is gone,
   * for it has waited for longer than that, is run, and cannot be taken back any more.
   *
   * @throws {AegisError} with code `COMMAND_NOT_FOUND` when its record is gone.
   * @throws {UnavailableError} while the bus is away.
   */
  cancel(reason?: string, options?: SignalOptions): Promise<CommandRecord<Result>>;
  /**
   * Where it stands, as its record says it.
   *
   * @throws {AegisError} with code `COMMAND_NOT_FOUND` when its record is gone.
   * @throws {UnavailableError} while the bus is away.
   */
  status(options?: SignalOptions): Promise<CommandRecord<Result>>;
}

/** The arguments behind a command's name: the payload may be left out where an empty object would do. */
export type SendArguments<S extends Typed, Name extends string> = Record<string, never> extends
  CommandTypesOf<S, Name>["payload"]
  ? [payload?: CommandTypesOf<S, Name>["payload"], options?: SendOptions]
  : [payload: CommandTypesOf<S, Name>["payload"], options?: SendOptions];

/** The handle of a typed command. */
export type SentBy<S extends Typed, Name extends string> = CommandHandle<
  Jsonified<CommandTypesOf<S, Name>["result"]>
>;

/** Sends commands. */
export interface Send {
  /** Sends a command of a typed service. */
  <S extends Typed, const Name extends CommandOf<S>>(
    service: ServiceClient<S>,
    command: Name,
    ...args: SendArguments<S, Name>
  ): Promise<SentBy<S, Name>>;
  /** Sends a command by names. */
  <Result = unknown>(
    service: string,
    command: string,
    payload?: object,
    options?: SendOptions,
  ): Promise<CommandHandle<Result>>;
}

/** The limits of the options, and their defaults. */
export const SEND_DEFAULTS = { timeoutMs: 300_000, maxRetries: 3 } as const;
