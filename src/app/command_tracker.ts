// The tracker: the commands that a process has sent or asks for, their progress and their ends, as they are told.

import { notFound } from "../domain/command_error.ts";
import {
  type CommandRecord,
  isFinal,
  progressOf,
  type ProgressStep,
} from "../domain/command_record.ts";
import { ClosedError, TimeoutError, UnavailableError } from "../domain/error.ts";
import type { Timer } from "../ports/clock.ts";
import { hear, type Heard } from "./command_hearing.ts";
import type { Ending, Observer, Tracked } from "./command_tracked.ts";
import type { CommandRecords } from "./command_records.ts";
import { assertHere, type Runtime } from "./runtime.ts";

/** How many commands are remembered that nobody asks for; of older ones the record is read when somebody does. */
const MAX_UNOBSERVED = 100_000;
/** How often the records of commands are read whose end is waited for, in milliseconds: what is told once may be lost. */
const LOOK_MS = 30_000;
/** The same where nothing is told, since the server does not let this process hear it. */
const DEAF_LOOK_MS = 1_000;
/** How soon a record is read again that could not be, in milliseconds. */
const AGAIN_MS = 1_000;
/** No connection. */
const NEVER = -1;

/** Follows the commands of one bus. */
export class CommandTracker {
  readonly #runtime: Runtime;
  readonly #records: CommandRecords;
  readonly #prefix: string;
  readonly #tracked = new Map<string, Tracked>();
  readonly #observed = new Set<Tracked>();
  /** Those that are remembered and that nobody asks for, the oldest first. */
  readonly #idle = new Set<Tracked>();
  #sent = 0;
  #listening = false;
  #lookMs = LOOK_MS;
  #timer: Timer | undefined;
  readonly #asking = new Set<Timer>();
  /** Which connection it is: what was told between two of them nobody has heard. */
  #epoch = 0;
  #closed = false;

  constructor(runtime: Runtime, records: CommandRecords) {
    this.#runtime = runtime;
    this.#records = records;
    // Whatever this process sends it hears of by two subscriptions, since all its ids begin alike.
    this.#prefix = runtime.random.spanId();
    runtime.transport.onStatus((status) => {
      if (status === "connected") {
        this.#epoch++;
        for (const tracked of this.#observed) void this.#look(tracked);
      }
      if (status === "closed") this.#close();
    });
  }

  /** A new id, of which this process hears everything. */
  nextId(): string {
    return `${this.#prefix}.${(++this.#sent).toString(36)}`;
  }

  /**
   * Begins to follow a command, or goes on with it: `isNew` is one that is about to be sent with an id of this process. Of
   * any other it may have missed something, and its record is read when somebody asks.
   */
  track(token: string, names: Pick<Tracked, "id" | "service" | "command">, isNew = false): Tracked {
    const { id, service, command } = names;
    const known = this.#tracked.get(token);
    if (known !== undefined) return known;
    const tracked: Tracked = {
      id,
      service,
      command,
      token,
      own: isNew,
      last: undefined,
      ending: undefined,
      observers: new Set(),
      subscriptions: [],
      looking: false,
      again: false,
      epoch: this.#epoch,
    };
    if (isNew) {
      this.#listen();
      this.#tracked.set(token, tracked);
      this.#idle.add(tracked);
      if (this.#tracked.size > MAX_UNOBSERVED) this.#dropOldest();
    }
    return tracked;
  }

  /** Forgets one that was not sent. */
  forget(tracked: Tracked): void {
    if (!tracked.own) return;
    this.#tracked.delete(tracked.token);
    this.#idle.delete(tracked);
  }

  /** What is known of one from its record. */
  known(tracked: Tracked, record: CommandRecord): void {
    const step = progressOf(record);
    const { last } = tracked;
    const ended = isFinal(record.state);
    // What was told is mostly newer than what was written.
    const isNews = step !== undefined &&
      (last === undefined || step.percent > last.percent ||
        (ended && step.status !== last.status));
    if (isNews) this.#step(tracked, step);
    if (ended) this.#end(tracked, { record });
  }

  /** Tells `observer` of all that becomes of a command from now on, and of its end if that was before; the function ends that. */
  observe(tracked: Tracked, observer: Observer): () => void {
    if (tracked.ending !== undefined) {
      observer.end(tracked.ending);
      return () => {};
    }
    if (this.#closed) {
      observer.end({ error: closed() });
      return () => {};
    }
    assertHere(this.#runtime);
    tracked.observers.add(observer);
    if (tracked.observers.size === 1) this.#follow(tracked);
    return () => {
      tracked.observers.delete(observer);
      if (tracked.observers.size === 0) this.#unfollow(tracked);
    };
  }

  #listen(): void {
    if (this.#listening) return;
    this.#listening = true;
    const onHeard = (token: string, heard: Heard): void => {
      const tracked = this.#tracked.get(token);
      if (tracked !== undefined) this.#hear(tracked, heard);
    };
    hear(this.#runtime, `${this.#prefix}.*`, onHeard, () => this.#deaf());
  }

  #follow(tracked: Tracked): void {
    this.#observed.add(tracked);
    this.#idle.delete(tracked);
    this.#arm();
    if (!tracked.own) {
      tracked.subscriptions = hear(
        this.#runtime,
        tracked.token,
        (_token, heard) => this.#hear(tracked, heard),
        () => this.#deaf(),
      );
      void this.#lookWhenHeard(tracked);
    } else if (tracked.epoch !== this.#epoch) void this.#look(tracked);
    // Else it was told of everything since it was sent.
  }

  #unfollow(tracked: Tracked): void {
    this.#observed.delete(tracked);
    if (tracked.own && tracked.ending === undefined) this.#idle.add(tracked);
    if (this.#observed.size === 0) {
      this.#timer?.cancel();
      this.#timer = undefined;
    }
    for (const subscription of tracked.subscriptions) void subscription.drain().catch(() => {});
    tracked.subscriptions = [];
  }

  /** Whoever hears nothing looks the oftener. */
  #deaf(): void {
    this.#lookMs = DEAF_LOOK_MS;
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#observed.size > 0) this.#arm();
  }

  #hear(tracked: Tracked, heard: Heard): void {
    if (heard.kind === "step") this.#step(tracked, heard.step);
    else if (heard.kind === "result") this.#end(tracked, { result: heard.result });
    // Why it has ended is in its record.
    else void this.#look(tracked);
  }

  #step(tracked: Tracked, { percent, status, data }: ProgressStep): void {
    if (tracked.ending !== undefined) return;
    // Another attempt may begin again at the beginning; who looks at a bar is not to see it go back.
    const step = { percent: Math.max(percent, tracked.last?.percent ?? 0), status, data };
    tracked.last = step;
    for (const observer of tracked.observers) observer.step?.(step);
  }

  #end(tracked: Tracked, ending: Ending): void {
    if (tracked.ending !== undefined) return;
    tracked.ending = ending;
    this.forget(tracked);
    const observers = [...tracked.observers];
    tracked.observers.clear();
    this.#unfollow(tracked);
    for (const observer of observers) observer.end(ending);
  }

  async #lookWhenHeard(tracked: Tracked): Promise<void> {
    // What is told before the subscription stands is in the record by then.
    await this.#runtime.transport.messaging.flush().catch(() => undefined);
    await this.#look(tracked);
  }

  async #look(tracked: Tracked): Promise<void> {
    if (tracked.ending !== undefined) return;
    // What is being read may be older than what was heard just now.
    tracked.again = tracked.looking;
    if (tracked.looking) return;
    tracked.looking = true;
    const epoch = this.#epoch;
    try {
      const { record } = await this.#records.read(tracked.token);
      tracked.epoch = epoch;
      if (record !== undefined) this.known(tracked, record);
      else if (tracked.observers.size > 0) this.#end(tracked, { error: notFound(tracked.id) });
      else tracked.epoch = NEVER;
    } catch (error) {
      this.#unread(tracked, error);
    } finally {
      tracked.looking = false;
    }
    if (tracked.again) void this.#look(tracked);
  }

  #unread(tracked: Tracked, error: unknown): void {
    // Whoever asks next has it read again.
    tracked.epoch = NEVER;
    if (tracked.observers.size === 0 || this.#closed) return;
    if (!UnavailableError.is(error) && !TimeoutError.is(error)) {
      this.#end(tracked, { error });
    } else if (this.#runtime.transport.status === "connected") {
      // The server cannot tell at the moment; while it is away its return is waited for.
      const timer = this.#runtime.clock.setTimer(AGAIN_MS, () => {
        this.#asking.delete(timer);
        void this.#look(tracked);
      });
      this.#asking.add(timer);
    }
  }

  #arm(): void {
    if (this.#timer !== undefined) return;
    this.#timer = this.#runtime.clock.setTimer(this.#lookMs, () => {
      this.#timer = undefined;
      for (const tracked of this.#observed) void this.#look(tracked);
      if (this.#observed.size > 0) this.#arm();
    });
  }

  #dropOldest(): void {
    for (const tracked of this.#idle) {
      this.forget(tracked);
      tracked.own = false;
      return;
    }
  }

  #close(): void {
    this.#closed = true;
    const error = closed();
    for (const tracked of [...this.#observed]) this.#end(tracked, { error });
    this.#timer?.cancel();
    for (const timer of this.#asking) timer.cancel();
  }
}

function closed(): ClosedError {
  return new ClosedError("Cannot wait for a command: the bus is closed; it goes on");
}
