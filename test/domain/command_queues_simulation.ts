// A broker and workers in virtual time, to see what decisions of the command queues add up to.

import { CommandQueues, type CommandQueuesOptions } from "../../src/domain/command_queues.ts";

/** A command in the simulation. */
export interface Sent {
  readonly id: number;
  readonly queue: number;
  readonly storedAt: number;
  deliveries: number;
  startedAt: number;
  worker: number;
}

/** How a simulation is set up. */
export interface SimulationOptions extends CommandQueuesOptions {
  readonly seed?: number;
  readonly workers?: number;
  /** From worker to broker, or back. */
  readonly latencyMs?: (random: () => number) => number;
  readonly workMs?: (sent: Sent, random: () => number) => number;
  /** Whether looks are answered. */
  readonly looks?: boolean;
  /** Called with each that ended. */
  readonly onEnd?: (sent: Sent) => void;
}

interface Worker {
  readonly index: number;
  readonly queues: CommandQueues;
  readonly running: number[];
  wakeAt: number;
}

interface Waiting {
  readonly worker: Worker;
  count: number;
}

interface Event {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

/** What the broker's clock shows more than the workers'. */
export const SKEW = 1_000_000;

/** Numbers from 0 to 1, the same for the same seed. */
function randomFrom(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** One broker, and workers that ask it as their command queues say. */
export class Simulation {
  now = 0;
  /** What has begun, in that order. */
  readonly started: Sent[] = [];
  ended = 0;
  sent = 0;
  bounces = 0;
  asks = 0;
  looks = 0;
  plans = 0;
  /** By how many slots too many were reserved, at the most, after anything was asked of a hot queue. */
  excess: number = -Infinity;
  /** The most that ran at once in one worker. */
  most = 0;
  readonly random: () => number;
  readonly #options: SimulationOptions;
  readonly #workers: Worker[] = [];
  readonly #fresh: Sent[][];
  readonly #heads: number[];
  readonly #returned: Sent[][];
  readonly #waiting: Waiting[][];
  readonly #events: Event[] = [];
  #order = 0;

  constructor(options: SimulationOptions) {
    this.#options = options;
    this.random = randomFrom(options.seed ?? 1);
    this.#fresh = options.queues.map(() => []);
    this.#heads = options.queues.map(() => 0);
    this.#returned = options.queues.map(() => []);
    this.#waiting = options.queues.map(() => []);
    for (let index = 0; index < (options.workers ?? 1); index++) {
      const running = options.concurrency.map(() => 0);
      const queues = new CommandQueues(options, 0);
      this.#workers.push({ index, queues, running, wakeAt: Infinity });
    }
    for (const worker of this.#workers) this.after(0, () => this.#plan(worker));
  }

  /** Calls `run` in so many milliseconds. */
  after(ms: number, run: () => void): void {
    push(this.#events, { at: this.now + ms, order: this.#order++, run });
  }

  send(queue: number): Sent {
    const sent: Sent = {
      id: this.sent++,
      queue,
      storedAt: this.now + SKEW,
      deliveries: 0,
      startedAt: 0,
      worker: -1,
    };
    this.#fresh[queue]!.push(sent);
    this.#serve(queue);
    return sent;
  }

  /** Forgets what a worker has asked of a queue; the worker hears of it, and can ask again, after `ms`. */
  lose(worker: number, queue: number, ms: number): void {
    const of = this.#workers[worker]!;
    this.#waiting[queue] = this.#waiting[queue]!.filter((waiting) => waiting.worker !== of);
    this.after(ms, () => {
      this.#waiting[queue] = this.#waiting[queue]!.filter((waiting) => waiting.worker !== of);
      of.queues.gone(queue, this.now);
      this.#plan(of);
    });
  }

  /** Runs until nothing is left to happen, or `until` is over. */
  run(until: number = Infinity): void {
    for (;;) {
      const next = this.#events[0];
      if (next === undefined || next.at > until) break;
      pop(this.#events);
      this.now = next.at;
      next.run();
    }
    if (until !== Infinity) this.now = until;
  }

  #latency(): number {
    return this.#options.latencyMs?.(this.random) ?? 0.2;
  }

  #waitingIn(queue: number): number {
    return this.#fresh[queue]!.length - this.#heads[queue]!;
  }

  #serve(queue: number): void {
    const waiting = this.#waiting[queue]!, returned = this.#returned[queue]!;
    while (waiting.length > 0 && returned.length + this.#waitingIn(queue) > 0) {
      const sent = returned.shift() ?? this.#fresh[queue]![this.#heads[queue]!++]!;
      const request = waiting.shift()!;
      if (--request.count > 0) waiting.push(request);
      sent.deliveries++;
      const pending = this.#waitingIn(queue);
      this.after(this.#latency(), () => this.#deliver(request.worker, sent, pending));
    }
  }

  #deliver(worker: Worker, sent: Sent, pending: number): void {
    const { queue, storedAt } = sent;
    const command = this.#options.queues[queue]!.command;
    if (worker.queues.delivered(queue, { storedAt, pending }, this.now)) {
      worker.queues.began(queue);
      worker.running[command]!++;
      const all = worker.running.reduce((sum, count) => sum + count, 0);
      if (
        worker.running[command]! > this.#options.concurrency[command]! ||
        all > this.#options.serviceConcurrency
      ) throw new Error("More run than there are slots");
      this.most = Math.max(this.most, all);
      sent.startedAt = this.now;
      sent.worker = worker.index;
      this.started.push(sent);
      this.after(this.#options.workMs?.(sent, this.random) ?? 1, () => {
        worker.running[command]!--;
        worker.queues.ended(queue);
        this.ended++;
        this.#options.onEnd?.(sent);
        this.#plan(worker);
      });
    } else {
      this.bounces++;
      worker.queues.handedBack(queue, storedAt, this.now);
      this.after(this.#latency(), () => {
        this.#returned[queue]!.push(sent);
        this.#serve(queue);
      });
    }
    this.#plan(worker);
  }

  #plan(worker: Worker): void {
    const { asks, looks, againInMs } = worker.queues.plan(this.now);
    this.plans++;
    const ofHot = new Set<number>();
    for (const { queue, count } of asks) {
      if (!(Number.isInteger(count) && count > 0)) throw new Error(`${count} were asked for`);
      this.asks++;
      if (worker.queues.view(queue).backlog > 0) ofHot.add(this.#options.queues[queue]!.command);
      this.after(this.#latency(), () => {
        this.#waiting[queue]!.push({ worker, count });
        this.#serve(queue);
      });
    }
    if (ofHot.size > 0) this.#measure(worker, ofHot);
    for (const queue of looks) this.#look(worker, queue);
    if (againInMs === undefined) return;
    const at = this.now + againInMs;
    // One timer is enough: what wakes the worker earlier plans anew.
    if (worker.wakeAt > this.now && worker.wakeAt <= at) return;
    worker.wakeAt = at;
    this.after(againInMs, () => {
      if (worker.wakeAt === at) this.#wake(worker);
    });
  }

  #wake(worker: Worker): void {
    worker.wakeAt = Infinity;
    this.#plan(worker);
  }

  #measure(worker: Worker, commands: ReadonlySet<number>): void {
    const { concurrency, serviceConcurrency, queues } = this.#options;
    const free = concurrency.map((slots, command) => slots - worker.running[command]!);
    let ofService = serviceConcurrency - worker.running.reduce((sum, count) => sum + count, 0);
    queues.forEach(({ command }, queue) => {
      const { asked, backlog } = worker.queues.view(queue);
      free[command]! -= Math.min(asked, backlog);
      ofService -= Math.min(asked, backlog);
    });
    const lefts = [ofService, ...[...commands].map((command) => free[command]!)];
    this.excess = Math.max(this.excess, ...lefts.map((left) => -left));
  }

  #look(worker: Worker, queue: number): void {
    this.looks++;
    if (this.#options.looks === false) return;
    this.after(this.#latency(), () => {
      const found = this.#returned[queue]![0] ?? this.#fresh[queue]![this.#heads[queue]!];
      this.after(this.#latency(), () => {
        worker.queues.looked(queue, found?.storedAt, this.now);
        this.#plan(worker);
      });
    });
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

function push(heap: Event[], event: Event): void {
  let at = heap.length;
  heap.push(event);
  while (at > 0) {
    const above = (at - 1) >> 1;
    if (!isBefore(event, heap[above]!)) break;
    heap[at] = heap[above]!;
    at = above;
  }
  heap[at] = event;
}

function pop(heap: Event[]): void {
  const last = heap.pop()!;
  if (heap.length === 0) return;
  let at = 0;
  for (;;) {
    let below = at * 2 + 1;
    if (below >= heap.length) break;
    if (below + 1 < heap.length && isBefore(heap[below + 1]!, heap[below]!)) below++;
    if (!isBefore(heap[below]!, last)) break;
    heap[at] = heap[below]!;
    at = below;
  }
  heap[at] = last;
}
