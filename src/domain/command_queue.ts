// One queue of commands as a worker knows it: what waits there, since when, and how much to ask it for.

/** After how long without a delivery a queue that was asked is taken for empty, in milliseconds. */
export const COLD_MS = 25;
/** After how long what is known of a queue is to be looked at again, in milliseconds. */
export const LOOK_AGAIN_MS = 1_000;
/** The most that is asked of one queue at a time, however many slots there are. */
const MAX_ASK = 1_024;
/** Half of what was asked for came in less than this: asking for more at a time saves requests. */
const QUICK_MS = 2;
/** For each time this passes between two asks, half as much is asked for. */
const SLOW_MS = 40;
/** Slots that become free one by one are gathered for this long before they are asked for. */
const GATHER_MS = 2;

/** What a level of priority is worth where age counts for nothing against it, in milliseconds. */
const STRICT_MS = 1e13;

/** Slots of a command's handler, or of the service; and, while a plan is made, what of them is given away. */
export class Slots {
  readonly concurrency: number;
  /** How many queues want slots here. */
  queues = 0;
  running = 0;
  /** What queues of higher order take. */
  taken = 0;
  /** What is on its way from hot queues that have not had their turn. */
  coming = 0;
  /** Whether it is known which queue gets the next slot: no look at a later one can change that. */
  decided = false;

  /** Makes `concurrency` slots, all of them free. */
  constructor(concurrency: number) {
    this.concurrency = concurrency;
  }

  /** How many are free. */
  get free(): number {
    return Math.max(0, this.concurrency - this.running);
  }

  /** Begins a plan. */
  reset(): void {
    this.taken = this.coming = 0;
    this.decided = false;
  }
}

/** A queue: the commands of one name and one priority. */
export class CommandQueue {
  readonly index: number;
  readonly command: Slots;
  /** Its priority: 0 (low) to 3 (critical). */
  readonly level: number;
  /** What its priority is worth, in milliseconds of waiting. */
  readonly bonus: number;
  /** After how long without a delivery it is taken for empty, in milliseconds. */
  coldMs: number;
  /** How many were asked for and have not come. */
  asked = 0;
  /** How many waited there for their first delivery when last heard of. */
  #pending = 0;
  /** How many were handed back and have not come again: the broker does not count them as pending. */
  #returned = 0;
  /** When the oldest was stored at the earliest, on the broker's clock; holds while the queue is hot. */
  #head = 0;
  /** When nothing was there for the last time, in monotonic milliseconds; holds while nothing is asked for. */
  #emptyAt: number;
  #askedAt = -Infinity;
  #heardAt = -Infinity;
  #knownAt = -Infinity;
  #listedAt = -Infinity;
  /** What to ask for at a time, as how fast it came has shown. */
  #window = 0;
  /** Its place in the order of the plan that is being made. */
  key = 0;
  /** The owner's: what it was counted as. */
  countedHot = false;
  countedUnasked = true;

  /** Makes a queue of which nothing is known. */
  constructor(
    index: number,
    command: Slots,
    level: number,
    ageingMs: number,
    coldMs: number,
    now: number,
  ) {
    this.index = index;
    this.command = command;
    this.level = level;
    this.bonus = level * ageingMs;
    this.coldMs = coldMs;
    this.#emptyAt = now;
  }

  /** How many wait there, as far as is known. */
  get backlog(): number {
    return this.#pending + this.#returned;
  }

  /** How many of those that were asked for are there, and so on their way. */
  get coming(): number {
    return Math.min(this.asked, this.#pending + this.#returned);
  }

  /** When it will be taken for empty unless something comes. */
  get coldAt(): number {
    return Math.max(this.#askedAt, this.#heardAt) + this.coldMs;
  }

  /** When to look at it. */
  get lookAt(): number {
    return Math.max(this.#knownAt, this.#listedAt) + LOOK_AGAIN_MS;
  }

  /** Whether something is known to wait there, and was a moment ago. */
  isFresh(now: number): boolean {
    return this.backlog > 0 && (this.asked > 0 || now - this.#knownAt < LOOK_AGAIN_MS);
  }

  /** Since when its oldest has waited, at the longest. `offset` leads from the worker's clock to the broker's. */
  since(now: number, offset: number): number {
    // Nobody can have waited there for longer than since it was last seen empty. So a queue that nobody can look at grows
    // old as well, and is asked in time.
    return this.backlog > 0 ? this.#head : offset + (this.asked > 0 ? now : this.#emptyAt);
  }

  /** The place of one that was stored at `since`, smallest first: by age, a level being worth some of it, or strictly by level. */
  place(since: number, byAge: boolean): number {
    return since - this.bonus - (byAge ? 0 : this.level * STRICT_MS);
  }

  /** Whether a command of another queue that begins now goes before one that waits here, and could begin as well. */
  isPassedBy(other: CommandQueue, ofService: boolean): boolean {
    return this.level > other.level && this.backlog > this.coming &&
      (this.command === other.command || (ofService && this.command.free > 0));
  }

  /** One came. */
  came(storedAt: number, pending: number, now: number): void {
    const wasHot = this.backlog > 0;
    this.asked = Math.max(0, this.asked - 1);
    this.#returned = Math.max(0, this.#returned - 1);
    this.#pending = pending;
    this.#heardAt = this.#knownAt = now;
    if (this.backlog === 0) this.#emptyAt = now;
    // What is delivered again may be much older than all that wait behind it.
    else this.#head = wasHot ? Math.max(this.#head, storedAt) : storedAt;
  }

  /** One went back. */
  wentBack(storedAt: number, now: number): void {
    this.#head = this.backlog > 0 ? Math.min(this.#head, storedAt) : storedAt;
    this.#returned++;
    this.#knownAt = now;
    this.#window >>= 1;
  }

  /** Somebody has looked. */
  seen(storedAt: number | undefined, now: number, pending: number): void {
    this.#knownAt = now;
    // What was asked for and has not come tells more, and later.
    if (this.asked > 0) return;
    if (storedAt === undefined) return this.#cool(now);
    if (pending > 0) this.#pending = pending;
    else if (this.backlog === 0) this.#returned = 1;
    this.#head = storedAt;
  }

  /** Somebody is asked to look. */
  listed(now: number): void {
    this.#listedAt = now;
  }

  /** What was asked for will not come. */
  forget(now: number): void {
    if (this.backlog === 0 && this.asked > 0) this.#emptyAt = now;
    this.asked = 0;
  }

  /** Takes it for empty when what was asked for has not come in time: others have taken what was there. */
  settle(now: number): void {
    if (this.isCold(now)) this.#cool(now);
  }

  /** Whether what was asked for should have come. */
  isCold(now: number): boolean {
    return this.asked > 0 && this.backlog > 0 && now >= this.coldAt;
  }

  #cool(now: number): void {
    this.#pending = this.#returned = 0;
    this.#emptyAt = this.#knownAt = now;
  }

  /** How many to have asked for, where there are slots for `left`. */
  target(left: number, now: number): number {
    const most = Math.min(left, MAX_ASK);
    if (most < 1) return 0;
    const small = 1 + (most >> 4);
    // Others may have taken all of it long ago, and the slots would stand empty until that is known.
    if (this.backlog > 0 && !this.isFresh(now)) return Math.min(most, small);
    return Math.min(most, Math.max(small, this.#window, this.backlog));
  }

  /**
   * When to ask for `target`, where there are slots for `left` of `slots`: not after `now` to ask now, Infinity while enough
   * is asked for.
   */
  askAt(target: number, left: number, slots: number, now: number): number {
    if (target < 1 || this.asked * 2 > target) return Infinity;
    const few = (target - this.asked) * 16 < Math.min(slots, MAX_ASK);
    return few && target === left ? this.#askedAt + GATHER_MS : now;
  }

  /** Asks for as many as make `target`; gives how many that are. */
  ask(target: number, now: number): number {
    const count = target - this.asked;
    const took = now - this.#askedAt;
    if (took >= SLOW_MS) this.#window >>>= Math.min(31, took / SLOW_MS);
    // What comes from a long backlog says nothing of how fast more will come after it.
    else if (took < QUICK_MS && this.backlog <= target) {
      this.#window = Math.max(this.#window, Math.min(MAX_ASK, target * 2));
    }
    this.#askedAt = now;
    this.asked = target;
    return count;
  }
}

/** Puts queues in order. They nearly are already, so it is one pass, and allocates nothing. */
export function sortByKey(queues: CommandQueue[]): void {
  for (let i = 1; i < queues.length; i++) {
    const queue = queues[i]!;
    let at = i;
    for (; at > 0 && queues[at - 1]!.key > queue.key; at--) queues[at] = queues[at - 1]!;
    queues[at] = queue;
  }
}
