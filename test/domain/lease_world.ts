// Virtual time for the simulation of leases: what happens when, numbers from a seed, and clocks that run too fast or too slow.

/** Numbers from 0 to 1, the same for the same seed, and what is made of them. */
export class Chance {
  #a: number;

  constructor(seed: number) {
    this.#a = Math.imul(seed, 0x9e3779b1) >>> 0;
  }

  next(): number {
    this.#a = (this.#a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(this.#a ^ (this.#a >>> 15), 1 | this.#a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  }

  between(least: number, most: number): number {
    return least + this.next() * (most - least);
  }

  whole(least: number, most: number): number {
    return Math.floor(this.between(least, most + 1));
  }

  is(share: number): boolean {
    return this.next() < share;
  }

  of<T>(items: readonly T[]): T {
    return items[Math.floor(this.next() * items.length)]!;
  }
}

interface Happening {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

/** True time, in milliseconds. */
export class World {
  now = 0;
  readonly #heap: Happening[] = [];
  #order = 0;

  /** Calls `run` at a time, in the order of times. */
  at(at: number, run: () => void): void {
    const heap = this.#heap;
    const happening = { at: Math.max(at, this.now), order: this.#order++, run };
    let index = heap.length;
    heap.push(happening);
    while (index > 0) {
      const above = (index - 1) >> 1;
      if (!isBefore(happening, heap[above]!)) break;
      heap[index] = heap[above]!;
      index = above;
    }
    heap[index] = happening;
  }

  after(ms: number, run: () => void): void {
    this.at(this.now + ms, run);
  }

  /** Lets everything happen that does so until then. */
  run(until: number): void {
    for (let first = this.#heap[0]; first !== undefined; first = this.#heap[0]) {
      if (first.at > until) break;
      this.#pop();
      this.now = first.at;
      first.run();
    }
    this.now = until;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let index = 0;
    for (;;) {
      let below = index * 2 + 1;
      if (below >= heap.length) break;
      if (below + 1 < heap.length && isBefore(heap[below + 1]!, heap[below]!)) below++;
      if (!isBefore(heap[below]!, last)) break;
      heap[index] = heap[below]!;
      index = below;
    }
    heap[index] = last;
  }
}

function isBefore(a: Happening, b: Happening): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/** The monotonic clock of one machine; its zero is its own, and its rate changes. */
export class LocalClock {
  readonly #world: World;
  #since: number;
  #shown: number;
  #rate: number;

  constructor(world: World, shown: number, rate: number) {
    this.#world = world;
    this.#since = world.now;
    this.#shown = shown;
    this.#rate = rate;
  }

  get now(): number {
    return this.#shown + (this.#world.now - this.#since) * this.#rate;
  }

  set rate(rate: number) {
    this.#shown = this.now;
    this.#since = this.#world.now;
    this.#rate = rate;
  }

  /** It has stood still for so long in true time. */
  forget(ms: number): void {
    this.#shown -= ms * this.#rate;
  }

  /** When it will show that time, at this rate: never a moment too early. */
  trueTime(shown: number): number {
    return this.#world.now + Math.max(0, shown - this.now) / this.#rate + 1e-6;
  }
}
