// The order of the queues of a worker: by priority, with a share for what has waited long.

import { type CommandQueue, type Slots, sortByKey } from "./command_queue.ts";

/** How many of the more urgent ones begin for each of the aged that goes before them. */
const URGENT_EACH = 3;
/** One in so many slots is for the aged at a time, and one at least. */
const SLOTS_EACH = 4;

/**
 * Queues are in the order of their priority, and those of one priority in the order of how long their oldest command has
 * waited. For a share of the commands a level of priority is worth only so much of that: nobody starves, and what has waited
 * long does not keep the urgent from their turn.
 */
export class CommandOrder {
  /** The queues, those that go first first, as {@linkcode place} has put them. */
  readonly queues: readonly CommandQueue[];
  /** How many commands may be asked for before more urgent ones, as {@linkcode place} has found. */
  share = 0;
  readonly #order: CommandQueue[];
  readonly #service: Slots;
  readonly #most: number;
  /** How many may still go before more urgent ones. */
  #left: number;

  /** Puts queues in order that want the slots of `service`, and `slots` of their commands. */
  constructor(queues: readonly CommandQueue[], service: Slots, slots: number) {
    this.queues = this.#order = [...queues];
    this.#service = service;
    const all = Math.min(slots, service.concurrency);
    this.#most = Number.isFinite(all) ? Math.max(1, Math.floor(all / SLOTS_EACH)) : 1;
    this.#left = this.#most;
  }

  /** Whether age counts for what comes now. */
  get byAge(): boolean {
    return Math.floor(this.#left + 1e-9) > 0;
  }

  /** A command of a queue begins. */
  began(queue: CommandQueue): void {
    if (this.passes(queue)) this.#left = Math.max(0, this.#left - 1);
    else this.#left = Math.min(this.#most, this.#left + 1 / URGENT_EACH);
  }

  /** Whether what begins of a queue goes before something more urgent that waits, in a place after `key`. */
  passes(queue: CommandQueue, key: number = -Infinity): boolean {
    const ofService = this.#service.concurrency < Infinity;
    for (const other of this.#order) {
      if (other.key > key && other.isPassedBy(queue, ofService)) return true;
    }
    return false;
  }

  /** Puts the queues in order. `offset` leads from the worker's clock to the broker's. */
  place(now: number, offset: number): void {
    let underWay = 0;
    for (const queue of this.#order) {
      if (queue.backlog > 0 && this.passes(queue)) underWay += queue.asked;
    }
    this.share = Math.max(0, Math.floor(this.#left + 1e-9) - underWay);
    for (const queue of this.#order) {
      queue.key = queue.place(queue.since(now, offset), this.share > 0);
    }
    // A request to a queue in which nothing is known to wait takes no slot, and tells that something urgent has come.
    for (const queue of this.#order) {
      if (queue.backlog > 0) continue;
      for (const other of this.#order) {
        if (other.backlog > 0 && other.level < queue.level) {
          queue.key = Math.min(queue.key, other.key - 1);
        }
      }
    }
    sortByKey(this.#order);
  }
}
