// Catching up: when all that a stream held at some moment has come to whoever follows it.

/**
 * For how long it is looked again, once what was there first has come, in milliseconds: a message that has been replaced
 * before it came is there no longer, and the one in its place comes later.
 */
const AGAIN_MS = 1_000;

/**
 * Catches up with one stream. What servers say of how many messages are still to come is not to be had for this: older ones
 * count wrong, and where messages are replaced by newer ones of their subject all do for a moment.
 */
export class CatchUp {
  readonly #last: () => Promise<number>;
  #reached = 0;
  #goal = Infinity;
  #arrive: (() => void) | undefined;
  #isOver = false;

  /** Makes it; `last` asks for the sequence of the last message that is followed, 0 where there is none. */
  constructor(last: () => Promise<number>) {
    this.#last = last;
  }

  /** Everything up to a sequence has come. */
  reach(sequence: number): void {
    if (sequence > this.#reached) this.#reached = sequence;
    if (this.#reached >= this.#goal) this.#arrive?.();
  }

  /** Nothing more comes: nobody waits for it any longer. */
  end(): void {
    this.#isOver = true;
    this.#arrive?.();
  }

  /** Resolves when everything has come that was there as it was called, or nothing more comes. */
  async done(): Promise<void> {
    for (let end = Infinity; performance.now() < end && !this.#isOver;) {
      // What had come before it was asked cannot have been replaced before it came.
      const reached = this.#reached;
      const last = await this.#last();
      if (last <= reached || this.#isOver) return;
      await this.#until(last, end - performance.now());
      end = Math.min(end, performance.now() + AGAIN_MS);
    }
  }

  #until(sequence: number, withinMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = withinMs < Infinity ? setTimeout(() => this.#arrive?.(), withinMs) : undefined;
      this.#goal = sequence;
      this.#arrive = () => {
        clearTimeout(timer);
        this.#goal = Infinity;
        this.#arrive = undefined;
        resolve();
      };
      this.reach(0);
    });
  }
}
