// The limiter: at most so many at once, a bounded number waiting behind them, and no more.

/** Something that may have to wait for its turn. */
export interface Waiter {
  /** Whether it has ended while it waited; its turn is then passed on. */
  readonly ended: boolean;
  /** Called when its turn has come. */
  begin(): void;
}

/** Lets `limit` run at once and `maxWaiting` wait, first come, first served. */
export class Limiter {
  readonly #limit: number;
  readonly #maxWaiting: number;
  #running = 0;
  #waiting: Waiter[] = [];
  #head = 0;
  #freed = 0;

  /** Makes a limiter. */
  constructor(limit: number, maxWaiting: number) {
    this.#limit = limit;
    this.#maxWaiting = maxWaiting;
  }

  /** Whether it may run now (it must then {@linkcode leave}), waits for {@linkcode Waiter.begin}, or is one too many. */
  enter(waiter: Waiter): "run" | "wait" | "busy" {
    if (this.#running < this.#limit) {
      this.#running++;
      return "run";
    }
    if (this.#waiting.length - this.#head >= this.#maxWaiting) {
      // Those that gave up still stand in the queue: make room before turning anybody away.
      this.#waiting = this.#waiting.slice(this.#head).filter((other) => !other.ended);
      this.#head = 0;
      if (this.#waiting.length >= this.#maxWaiting) return "busy";
    }
    this.#waiting.push(waiter);
    return "wait";
  }

  /** Gives a turn back; the next in the queue begins. */
  leave(): void {
    // One that is done as soon as it has begun leaves within this very call: a loop, since thousands may follow.
    if (++this.#freed > 1) return;
    try {
      for (; this.#freed > 0; this.#freed--) this.#passOn();
    } finally {
      this.#freed = 0;
    }
  }

  #passOn(): void {
    while (this.#head < this.#waiting.length) {
      const next = this.#waiting[this.#head++]!;
      if (this.#head === this.#waiting.length) {
        this.#waiting = [];
        this.#head = 0;
      } else if (this.#head > 1_024) {
        this.#waiting = this.#waiting.slice(this.#head);
        this.#head = 0;
      }
      if (next.ended) continue;
      next.begin();
      return;
    }
    this.#running--;
  }
}

/** How many calls may wait for each one that may run. */
const WAITING_PER_RUNNING = 10;

/** The limiter for a concurrency; none where there is no limit. */
export function limiterOf(concurrency: number): Limiter | undefined {
  return concurrency === Infinity
    ? undefined
    : new Limiter(concurrency, concurrency * WAITING_PER_RUNNING);
}
