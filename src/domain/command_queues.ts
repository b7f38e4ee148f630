// Command queues: which of its queues a worker asks for how many commands, so that priority is strict and nobody starves.

import { CommandOrder } from "./command_order.ts";
import { COLD_MS, CommandQueue, Slots } from "./command_queue.ts";

/** By how many milliseconds of waiting one level of priority is outweighed, unless a service says otherwise. */
export const AGEING_MS = 30_000;

/** How the queues of a worker are set up. */
export interface CommandQueuesOptions {
  /** How many commands of each name may run here at once; a queue names its command by the index in this list. */
  readonly concurrency: readonly number[];
  /** How many of all names together; Infinity is no limit. */
  readonly serviceConcurrency: number;
  /** The queues, by whose index all is said: which command, and which level, 0 (low) to 3 (critical). */
  readonly queues: readonly { readonly command: number; readonly level: number }[];
  /**
   * How long one has to wait to go before one that is a level above and has just come, in milliseconds.
   *
   * @default 30_000
   */
  readonly ageingMs?: number;
  /**
   * After how long without a delivery a queue that was asked is taken for empty, in milliseconds; more than it takes to
   * ask the broker and hear from it.
   *
   * @default 25
   */
  readonly coldMs?: number;
}

/** What to do now. */
export interface CommandPlan {
  /** Which queues to ask for how many commands more, in this order. It counts as done. */
  readonly asks: readonly CommandAsk[];
  /** Which queues to look at, see {@linkcode CommandQueues.looked}. */
  readonly looks: readonly number[];
  /** After how many milliseconds to plan again at the latest; undefined while only what happens can change anything. */
  readonly againInMs: number | undefined;
}

/** One request for commands. */
export interface CommandAsk {
  readonly queue: number;
  readonly count: number;
}

/**
 * Decides what one worker asks for.
 *
 * Queues have an order, see {@linkcode CommandOrder}; a level of priority is worth `ageingMs` of waiting. A queue is hot while something is known to wait there: what is asked of it is sure to come, so it takes slots, and queues of
 * lower order get what is left. A cold queue has a small standing request, which takes no slots: most likely nothing comes.
 * What comes and finds no slot is handed back, and the queue is hot. Requests cannot be taken back.
 *
 * All times are monotonic milliseconds of the worker, but `storedAt`, which is the broker's.
 */
export class CommandQueues {
  readonly #queues: readonly CommandQueue[];
  readonly #order: CommandOrder;
  readonly #commands: readonly Slots[];
  readonly #service: Slots;
  readonly #asks: CommandAsk[] = [];
  readonly #looks: number[] = [];
  readonly #plan: { -readonly [K in keyof CommandPlan]: CommandPlan[K] } = {
    asks: this.#asks,
    looks: this.#looks,
    againInMs: undefined,
  };
  /** The broker's clock less the worker's, at least: a command may have waited, but not come before it was stored. */
  #offset: number | undefined;
  #hot = 0;
  #unasked: number;
  #changed: CommandQueue | undefined;
  #severalChanged = true;
  #dueAt = Infinity;

  /** Sets the queues up, of which nothing is known at `now`. */
  constructor(options: CommandQueuesOptions, now: number) {
    const { ageingMs = AGEING_MS, coldMs = COLD_MS } = options;
    this.#service = new Slots(options.serviceConcurrency);
    this.#commands = options.concurrency.map((concurrency) => new Slots(concurrency));
    this.#queues = options.queues.map(({ command, level }, index) => {
      const slots = this.#commands[command]!;
      slots.queues++;
      this.#service.queues++;
      return new CommandQueue(index, slots, level, ageingMs, coldMs, now);
    });
    const slots = options.concurrency.reduce((sum, concurrency) => sum + concurrency, 0);
    this.#order = new CommandOrder(this.#queues, this.#service, slots);
    this.#unasked = this.#queues.length;
  }

  /** Takes queues for empty a few round trips after they were asked, each of which takes `roundTripMs`. */
  adapt(roundTripMs: number): void {
    for (const queue of this.#queues) queue.coldMs = Math.max(COLD_MS, 3 * roundTripMs);
  }

  /** What is known of a queue: how many were asked for and have not come, and how many wait there. */
  view(queue: number): { readonly asked: number; readonly backlog: number } {
    return this.#queues[queue]!;
  }

  /**
   * A command came. True when there is a slot for it: call `began` at once, or neither if it is not to run. False when all
   * are taken, or will be by what is on its way and goes first: hand it back, and call `handedBack`.
   */
  delivered(
    queue: number,
    delivery: { readonly storedAt: number; readonly pending: number },
    now: number,
  ): boolean {
    const from = this.#queues[queue]!;
    const { storedAt, pending } = delivery;
    this.#observe(storedAt, now);
    from.came(storedAt, pending, now);
    this.#note(from);
    return this.#hasSlot(from, storedAt, now);
  }

  /** A command that was stored at `storedAt` went back to its queue, to be delivered again at once. */
  handedBack(queue: number, storedAt: number, now: number): void {
    const to = this.#queues[queue]!;
    to.wentBack(storedAt, now);
    this.#note(to);
  }

  /** A command takes a slot. */
  began(queue: number): void {
    this.#order.began(this.#queues[queue]!);
    this.#queues[queue]!.command.running++;
    this.#service.running++;
  }

  /** A command gives its slot back. */
  ended(queue: number): void {
    const from = this.#queues[queue]!;
    from.command.running--;
    this.#service.running--;
    this.#note(from);
  }

  /**
   * Somebody has looked which command of a queue would be delivered next: when it was stored, or undefined for none. One
   * that runs somewhere does not count. A look that is not answered is asked for again. `pending` is how many wait for their first
   * delivery, where somebody knows: with less a backlog would be asked for one by one, and queues behind it take the slots.
   */
  looked(queue: number, storedAt: number | undefined, now: number, pending: number = 0): void {
    const at = this.#queues[queue]!;
    if (storedAt !== undefined) this.#observe(storedAt, now);
    at.seen(storedAt, now, pending);
    this.#note(at);
  }

  /**
   * What was asked of a queue will not come: its consumer was lost, or it is pulled from anew. Call it when the queue can be
   * asked again.
   */
  gone(queue: number, now: number): void {
    const at = this.#queues[queue]!;
    at.forget(now);
    this.#note(at);
  }

  /** What to do now: call it after whatever was told here. It is the same object each time, and holds until the next call. */
  plan(now: number): CommandPlan {
    const plan = this.#plan;
    this.#asks.length = this.#looks.length = 0;
    const only = this.#changed;
    if (this.#severalChanged || now >= this.#dueAt) this.#planAll(now);
    else if (only !== undefined) {
      if (this.#concernsOnly(only)) this.#planOne(only, now);
      else this.#planAll(now);
    }
    this.#changed = undefined;
    this.#severalChanged = false;
    plan.againInMs = this.#dueAt === Infinity ? undefined : Math.max(0, this.#dueAt - now);
    return plan;
  }

  /** Whether all others have their standing request and nothing to wait for. */
  #concernsOnly(queue: CommandQueue): boolean {
    return this.#hot === (queue.countedHot ? 1 : 0) &&
      this.#unasked === (queue.countedUnasked ? 1 : 0);
  }

  #planOne(queue: CommandQueue, now: number): void {
    this.#dueAt = Infinity;
    this.#service.reset();
    queue.command.reset();
    queue.settle(now);
    this.#turn(queue, now);
  }

  #planAll(now: number): void {
    this.#dueAt = Infinity;
    this.#service.reset();
    for (const command of this.#commands) command.reset();
    for (const queue of this.#queues) {
      queue.settle(now);
      queue.command.coming += queue.coming;
      this.#service.coming += queue.coming;
    }
    this.#order.place(now, this.#offset ?? 0);
    for (const queue of this.#order.queues) {
      queue.command.coming -= queue.coming;
      this.#service.coming -= queue.coming;
      if (this.#turn(queue, now)) this.#look(queue, now);
      if (!queue.isFresh(now)) continue;
      queue.command.decided = true;
      // One whose handler has no slot leaves those of the service to others.
      if (queue.command.free > 0) this.#service.decided = true;
    }
    if (this.#unasked === 0) return;
    // Somebody waits for slots: of those that are kept for a hot queue some may become free.
    for (const queue of this.#queues) if (queue.coming > 0) this.#due(queue.coldAt);
  }

  /** Asks a queue for what there are slots for. True when nothing is asked of it, because there are none. */
  #turn(queue: CommandQueue, now: number): boolean {
    const { command } = queue;
    const service = this.#service;
    let left = Math.min(command.free - command.taken, service.free - service.taken);
    if (queue.backlog > 0) {
      left = Math.min(left, command.free - command.taken - command.coming);
      left = Math.min(left, service.free - service.taken - service.coming);
    }
    const { share } = this.#order;
    if (left > share && this.#hot > 1 && this.#order.passes(queue, queue.key)) {
      left = Math.min(left, queue.asked + share);
    }
    const fresh = queue.isFresh(now);
    const target = queue.target(left, now);
    const slots = Math.min(command.concurrency, service.concurrency);
    const at = queue.askAt(target, left, slots, now);
    if (at > now) this.#due(at);
    else this.#asks.push({ queue: queue.index, count: queue.ask(target, now) });
    // What is kept back to be asked for with more is not for others either, nor what a queue of which nothing was heard for
    // a while may still have: it is asked for a few at first, and those behind it wait until it has answered.
    const takes = Math.min(queue.backlog, Math.max(queue.asked, fresh ? target : left, 0));
    command.taken += takes;
    service.taken += takes;
    this.#count(queue);
    return queue.asked === 0 && target === 0;
  }

  /**
   * A queue waits for a slot. What is known of it is the longest that anything can have waited there: a look can only put
   * it later in the order, so it is of use only where it might be the next, and others want slots too.
   */
  #look(queue: CommandQueue, now: number): void {
    const { command } = queue;
    const slots = command.free - command.taken < 1 && this.#service.free > 0
      ? command
      : this.#service;
    if (slots.queues < 2 || slots.decided) return;
    if (queue.lookAt <= now) {
      queue.listed(now);
      this.#looks.push(queue.index);
    }
    this.#due(queue.lookAt);
  }

  /** Whether there is a slot for what was stored then, but for what is on its way and goes first. */
  #hasSlot(queue: CommandQueue, storedAt: number, now: number): boolean {
    const { command } = queue, { byAge } = this.#order, key = queue.place(storedAt, byAge);
    let ofCommand = command.free, ofService = this.#service.free;
    if (ofCommand > 0 && ofService > 0 && this.#hot > (queue.countedHot ? 1 : 0)) {
      for (const other of this.#queues) {
        if (other === queue || other.coming === 0 || other.isCold(now)) continue;
        if (other.place(other.since(now, 0), byAge) >= key) continue;
        ofService -= other.coming;
        if (other.command === command) ofCommand -= other.coming;
      }
    }
    return ofCommand > 0 && ofService > 0;
  }

  #observe(storedAt: number, now: number): void {
    const offset = storedAt - now;
    if (this.#offset === undefined || offset > this.#offset) this.#offset = offset;
  }

  #due(at: number): void {
    if (at < this.#dueAt) this.#dueAt = at;
  }

  #note(queue: CommandQueue): void {
    if (this.#changed === undefined) this.#changed = queue;
    else if (this.#changed !== queue) this.#severalChanged = true;
    this.#count(queue);
  }

  #count(queue: CommandQueue): void {
    const hot = queue.backlog > 0, unasked = queue.asked === 0;
    if (hot !== queue.countedHot) this.#hot += hot ? 1 : -1;
    if (unasked !== queue.countedUnasked) this.#unasked += unasked ? 1 : -1;
    queue.countedHot = hot;
    queue.countedUnasked = unasked;
  }
}
