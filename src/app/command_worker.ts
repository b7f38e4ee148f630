// The worker: the commands of one instance, taken as there are free slots.

import type { Priority } from "../domain/command.ts";
import type { CommandQueues } from "../domain/command_queues.ts";
import { DELAY_HEADER } from "../domain/command_subject.ts";
import { type AegisError, UnavailableError } from "../domain/error.ts";
import type { Timer } from "../ports/clock.ts";
import type { Delivery } from "../ports/stream.ts";
import type { CommandHandler } from "./command.ts";
import { goesBack, type ReadCommand, readDelivery, restOf } from "./command_arrival.ts";
import { LeaseKeeper, leaseOf } from "./command_lease.ts";
import { CommandRun } from "./command_run.ts";
import { keptBy, type RunParts } from "./command_run_parts.ts";
import { CommandRunner, type RunnerParts } from "./command_runner.ts";
import { buryUnread } from "./command_unread.ts";
import type { DeadLetterWriter } from "./dead_letter_writer.ts";
import type { Measures } from "./measures.ts";
import type { Source } from "./source.ts";
import type { Work } from "./work.ts";

/** The queue of a handler's commands of one priority. */
export interface CommandQueue {
  readonly handler: CommandHandler;
  readonly priority: Priority;
  readonly subject: string;
  readonly source: Source;
  readonly deadLetters: DeadLetterWriter;
  readonly measures: Measures;
}

/** What a worker is made of. */
export interface WorkerParts extends RunParts, RunnerParts {
  readonly queues: readonly CommandQueue[];
  readonly scheduling: CommandQueues;
}

/** How soon one comes again whose handler of an earlier attempt has not noticed here that it is to end. */
const OCCUPIED_MS = 1_000;

/** Runs commands. */
export class CommandWorker implements Work {
  readonly #parts: WorkerParts;
  readonly #runner: CommandRunner;
  readonly #keeper: LeaseKeeper;
  readonly #idle: (() => void)[] = [];
  #burying = 0;
  #returning = 0;
  /** How often the bus went away. */
  #outages = 0;
  #stopping = false;
  #planned = false;
  #opened = false;
  #timer: Timer | undefined;
  #unsubscribe: (() => void) | undefined;

  constructor(parts: WorkerParts) {
    this.#parts = parts;
    const { runtime, queues } = parts;
    this.#runner = new CommandRunner(parts, (run) => this.#left(run));
    const shortest = () =>
      Math.min(...queues.map(({ handler, source }) => keptBy(handler, source)));
    this.#keeper = new LeaseKeeper(runtime.clock, shortest, this.#runner.held);
  }

  get inFlight(): number {
    return this.#runner.held.size + this.#burying + this.#returning;
  }

  get unsettled(): number {
    return 0; // what the broker has not heard of it delivers again
  }

  /** Why the last dead letter is not stored, if it is not. */
  get trouble(): Error | undefined {
    return this.#runner.trouble;
  }

  /** How many commands of a queue are at hand. */
  inFlightOf(queue: number): number {
    let count = 0;
    for (const run of this.#runner.held) if (run.queue === queue) count++;
    return count;
  }

  /** Begins to listen for cancels, which must stand before the first command is taken. */
  listen(): void {
    this.#runner.listen();
  }

  /** Looks how far the server is and what waits, so that the first command that is taken is the one that goes before all others. */
  async survey(): Promise<void> {
    const { queues, scheduling, runtime } = this.#parts;
    // Without an answer the server is gone again, and what comes next says so.
    scheduling.adapt(await runtime.transport.ping().catch(() => 0));
    await Promise.all(queues.map(async ({ source }, index) => {
      const { pending } = source.health();
      if (pending !== 0) await this.#look(index, pending);
    }));
  }

  /** Begins to take commands. */
  open(): void {
    this.#opened = true;
    const { queues, scheduling, runtime: { transport, clock } } = this.#parts;
    this.#keeper.start();
    this.#unsubscribe = transport.onStatus((status) => {
      if (status !== "connected") {
        this.#outages++;
        return this.#keeper.away();
      }
      this.#keeper.tellAll();
      this.#runner.returned();
    });
    queues.forEach(({ source }, index) =>
      source.open((delivery) => this.#receive(index, delivery), () => {
        scheduling.gone(index, clock.monotonic());
        this.#plan();
      })
    );
  }

  async drain(withinMs: number): Promise<void> {
    this.handBack();
    this.#timer?.cancel();
    const { queues } = this.#parts;
    await Promise.all(queues.map(({ source }) => source.drain(withinMs)));
  }

  handBack(): void {
    // Nothing waits here for a slot; what is being claimed goes back as soon as that is done.
    this.#stopping = true;
    this.#runner.stop();
  }

  whenIdle(): Promise<void> {
    return this.inFlight === 0
      ? Promise.resolve()
      : new Promise((resolve) => this.#idle.push(resolve));
  }

  abort(reason?: AegisError): void {
    for (const run of this.#runner.held) {
      const { service, handler } = run;
      run.abort(
        reason ?? new UnavailableError(
          `${service} stops and waits no longer for the handler of ${handler.command}`,
        ),
      );
    }
  }

  async whenSettled(): Promise<void> {
    await Promise.all(this.#parts.queues.map(({ source }) => source.whenSettled()));
  }

  async close(withinMs: number): Promise<void> {
    this.handBack();
    this.#unsubscribe?.();
    this.#timer?.cancel();
    this.#keeper.stop();
    this.#parts.sweeper.close();
    await Promise.all([
      this.#runner.close(withinMs),
      ...this.#parts.queues.map(({ source }) => source.close(withinMs)),
    ]);
  }

  #receive(index: number, delivery: Delivery): void {
    const { runtime: { clock }, queues, scheduling } = this.#parts;
    const queue = queues[index]!;
    const now = clock.monotonic();
    // One that was to wait is as old as it is due.
    const dueAt = delivery.storedAt + this.#delayOf(delivery);
    const hasSlot = scheduling.delivered(
      index,
      { storedAt: dueAt, pending: delivery.pending },
      now,
    );
    this.#plan();
    const { handler, source } = queue;
    const sentAt = this.#keeper.sentAfter(now);
    // What was sent before a standstill others may have by now: no word of it, and the server delivers it when it is due.
    if (now >= sentAt + leaseOf(keptBy(handler, source))) return;
    // How long it is to wait that a server without schedules delivers at once.
    const waitMs = dueAt > delivery.storedAt ? dueAt - clock.now() : 0;
    if (waitMs > 0) return delivery.giveBack(waitMs);
    let read: ReadCommand;
    try {
      read = readDelivery(this.#parts.runtime, handler.command, source.stream, delivery);
    } catch (error) {
      return void this.#buryUnreadable(queue, delivery, error);
    }
    const other = this.#runner.find(read.token);
    if (other !== undefined) {
      // The one that runs here acknowledges it; another message of the same command waits until that has ended.
      if (other.delivery.sequence !== delivery.sequence) delivery.giveBack(OCCUPIED_MS);
      else other.cameAgain(delivery, sentAt);
      return;
    }
    const occupied = this.#runner.isOccupied(read.token);
    if (!hasSlot || occupied || this.#stopping) {
      return void this.#giveBack(index, delivery, read.token, occupied ? OCCUPIED_MS : 0);
    }
    const run = new CommandRun(
      this.#parts,
      handler,
      index,
      source,
      delivery,
      read,
      sentAt,
    );
    scheduling.began(index);
    this.#runner.start(run);
    this.#keeper.began(run);
  }

  /** Gives back what does not begin here, while the connection lasts that it came over. */
  async #giveBack(
    index: number,
    delivery: Delivery,
    token: string,
    delayMs: number,
  ): Promise<void> {
    const { runtime: { clock }, queues, scheduling, records } = this.#parts;
    const outages = this.#outages;
    this.#returning++;
    const { stream } = queues[index]!.source;
    if (await goesBack(records, { token, stream, delivery }) && outages === this.#outages) {
      const dueAt = delivery.storedAt + this.#delayOf(delivery);
      if (delayMs === 0) scheduling.handedBack(index, dueAt, clock.monotonic());
      delivery.giveBack(delayMs > 0 || this.#stopping ? delayMs : restOf(delivery.attempt));
      this.#plan();
    }
    this.#returning--;
    this.#checkIdle();
  }

  #delayOf({ message }: Pick<Delivery, "message">): number {
    const { messaging } = this.#parts.runtime.transport;
    return Number(messaging.header(message, DELAY_HEADER)) || 0;
  }

  async #buryUnreadable(queue: CommandQueue, delivery: Delivery, error: unknown): Promise<void> {
    this.#burying++;
    await buryUnread(this.#parts, queue, delivery, error);
    this.#burying--;
    queue.measures.failed("INVALID_REQUEST", 0);
    this.#checkIdle();
  }

  #left(run: CommandRun): void {
    this.#parts.scheduling.ended(run.queue);
    this.#plan();
    this.#checkIdle();
  }

  #checkIdle(): void {
    if (this.inFlight > 0) return;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  /** Asks for more once all that came together has been looked at. */
  #plan(): void {
    if (this.#planned || this.#stopping || !this.#opened) return;
    this.#planned = true;
    void Promise.resolve().then(() => {
      this.#planned = false;
      if (!this.#stopping) this.#ask();
    });
  }

  #ask(): void {
    const { runtime: { clock }, queues, scheduling } = this.#parts;
    const { asks, looks, againInMs } = scheduling.plan(clock.monotonic());
    for (const { queue, count } of asks) queues[queue]!.source.ask(count);
    for (const queue of looks) void this.#look(queue);
    this.#timer?.cancel();
    this.#timer = againInMs === undefined
      ? undefined
      : clock.setTimer(againInMs, () => this.#plan());
  }

  /** Looks when the oldest command of a queue was stored. */
  async #look(index: number, pending?: number): Promise<void> {
    const { runtime: { clock }, queues, scheduling, streams } = this.#parts;
    const { source, subject } = queues[index]!;
    try {
      const head = await streams.ports.store.read(source.stream, 1, subject);
      const delayMs = Number(head?.headers[DELAY_HEADER] ?? 0) || 0;
      const dueAt = head === undefined ? undefined : head.storedAt + delayMs;
      scheduling.looked(index, dueAt, clock.monotonic(), pending);
    } catch {
      // It is looked again in a while.
      scheduling.looked(index, undefined, clock.monotonic());
    }
    this.#plan();
  }
}
