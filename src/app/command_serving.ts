// Serving commands: all handlers of commands of one instance of a service.

import { PRIORITIES } from "../domain/command.ts";
import { CommandQueues } from "../domain/command_queues.ts";
import { commandStream } from "../domain/command_subject.ts";
import type { Stamp } from "../domain/stamp.ts";
import type { BusStreams } from "./bus_streams.ts";
import type { CommandHandler } from "./command.ts";
import { CommandLater } from "./command_later.ts";
import { CommandLedger } from "./command_ledger.ts";
import { queueConsumer } from "./command_plan.ts";
import type { CommandRecords } from "./command_records.ts";
import type { RunParts } from "./command_run_parts.ts";
import { CommandSweeper } from "./command_sweeper.ts";
import { type CommandQueue, CommandWorker } from "./command_worker.ts";
import { DeadLetterWriter } from "./dead_letter_writer.ts";
import { Measures } from "./measures.ts";
import { patiently } from "./patience.ts";
import { Source } from "./source.ts";
import { together, type Work } from "./work.ts";

/** How a handler of commands is doing. */
export interface CommandHealth {
  /** Whether they come, the consumers of all priorities being there and served, and dead letters can be stored. */
  readonly ok: boolean;
  /** Its name. */
  readonly command: string;
  /** The stream. */
  readonly stream: string;
  /** How many wait that have not been delivered yet, as of a while ago; undefined where nobody knows. */
  readonly pending: number | undefined;
  /** How many are at hand. */
  readonly inFlight: number;
  /** What is wrong, if anything is. */
  readonly error: Error | undefined;
}

/** How the handlers of commands of an instance are set up. */
export interface CommandServingOptions extends RunParts {
  readonly version: string;
  readonly streams: BusStreams;
  readonly records: CommandRecords;
  readonly handlers: readonly CommandHandler[];
  /** How many commands run at once, of all handlers together. */
  readonly concurrency: number;
  /** By how much waiting a command counts as one of the next higher priority, in milliseconds. */
  readonly ageingMs: number;
}

/** Runs the commands of one instance of a service. */
export class CommandServing {
  /** What stop() waits for. */
  readonly work: Work;
  readonly #options: CommandServingOptions;
  readonly #queues: readonly CommandQueue[];
  readonly #worker: CommandWorker | undefined;
  readonly #later: CommandLater | undefined;

  constructor(options: CommandServingOptions) {
    this.#options = options;
    const { runtime, handlers, concurrency, ageingMs, instanceId, records } = options;
    this.#queues = handlers.flatMap((handler) => queuesOf(handler, options));
    this.#worker = handlers.length === 0 ? undefined : new CommandWorker({
      runtime,
      service: options.service,
      instanceId,
      outboundFrom: options.outboundFrom,
      leading: options.leading,
      streams: options.streams,
      records,
      ledger: new CommandLedger(runtime, records, instanceId),
      sweeper: new CommandSweeper(runtime, options.streams, options.service),
      queues: this.#queues,
      scheduling: new CommandQueues({
        queues: this.#queues.map(({ handler, priority }) => ({
          command: handlers.indexOf(handler),
          level: PRIORITIES.length - 1 - PRIORITIES.indexOf(priority),
        })),
        concurrency: handlers.map(({ settings }) => settings.concurrency),
        serviceConcurrency: concurrency,
        ageingMs,
      }, runtime.clock.monotonic()),
    });
    const { service, version, streams } = options;
    const stamp: Stamp = { by: service, version };
    this.#later = this.#worker === undefined
      ? undefined
      : new CommandLater({ runtime, streams, service, stamp });
    this.work = together([this.#worker, this.#later].filter((work) => work !== undefined));
  }

  /** Makes what the handlers need on the server, or compares it. @throws {ConflictError} when it cannot be as it must be. */
  async prepare(): Promise<void> {
    if (this.#worker === undefined) return;
    const { runtime, records } = this.#options;
    // First whatever cannot be: then nothing is made.
    for (const { source } of this.#queues) await patiently(runtime, () => source.plan());
    await patiently(runtime, () => records.prepare());
    for (const { source } of this.#queues) await patiently(runtime, () => source.prepare());
    await this.#warn();
    await this.#worker.survey();
    if (this.#hasLater()) await patiently(runtime, () => this.#later!.prepare());
    this.#worker.listen();
  }

  /** Says so where commands can be lost by the settings of somebody else's stream. */
  async #warn(): Promise<void> {
    const { runtime, streams, service } = this.#options;
    const { stream } = this.#queues[0]!.source;
    if (stream === commandStream(service)) return;
    const state = await patiently(runtime, () => streams.ports.admin.stream(stream));
    if (state?.config.discard !== "old") return;
    const { maxMessages, maxBytes } = state.config;
    runtime.logger.warn(
      `Commands of ${service} can be lost: their stream ${stream} is somebody else's, and deletes the oldest ones when it is full; set its "discard" to "new"`,
      { maxMessages, maxBytes },
    );
  }

  /** Begins to take commands. */
  open(): void {
    this.#worker?.open();
    if (this.#worker !== undefined && this.#hasLater()) this.#later?.open();
  }

  /** Whether the server publishes later what is to wait; elsewhere it is delivered at once, and handed back for a while. */
  #hasLater(): boolean {
    return this.#options.streams.ports.store.publishLater !== undefined;
  }

  /** How they are doing, in the order of the handlers. */
  health(): CommandHealth[] {
    return this.#options.handlers.map((handler) => {
      const queues = this.#queues.flatMap((queue, index) =>
        queue.handler === handler ? [{ health: queue.source.health(), index }] : []
      );
      const pending = queues.map(({ health }) => health.pending);
      return {
        ok: queues.every(({ health }) => health.ok) && this.#worker!.trouble === undefined,
        command: handler.command,
        stream: queues[0]!.health.stream,
        pending: pending.includes(undefined)
          ? undefined
          : pending.reduce<number>((sum, count) => sum + count!, 0),
        inFlight: queues.reduce((sum, { index }) => sum + this.#worker!.inFlightOf(index), 0),
        error: queues.find(({ health }) => health.error !== undefined)?.health.error ??
          this.#worker!.trouble,
      };
    });
  }
}

function queuesOf(handler: CommandHandler, options: CommandServingOptions): CommandQueue[] {
  const { runtime, streams, service, version, instanceId } = options;
  const stamp: Stamp = { by: service, version };
  const measures = new Measures(runtime, "run", { service, command: handler.command });
  return PRIORITIES.map((priority) => {
    const config = queueConsumer(handler, service, priority);
    const key = `commands.${service}` as const;
    const source = new Source({ runtime, streams, key, config, stamp, ephemeral: false });
    const deadLetters = new DeadLetterWriter({
      runtime,
      streams,
      stamp,
      service,
      instanceId,
      handlerId: config.name,
      kind: "commands",
      handles: handler.command,
      mode: "compete",
      source,
    });
    return { handler, priority, subject: config.filter, source, deadLetters, measures };
  });
}
