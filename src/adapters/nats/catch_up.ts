// Catching up: when all that a stream held at some moment has come to whoever follows it.

/**
 * How often it is looked at most whether that is so. Only what is stored in the short time of each look has it looked again,
 * and only a message that is replaced each time by another one of its subject could be missing then.
 */
const MAX_LOOKS = 5;

/**
 * Catches up with one stream. What servers say of how many messages are still to come is not to be had for this: older ones
 * count wrong, and where messages are replaced by newer ones of their subject all do for a moment.
 */
export class CatchUp {
  readonly #last: () => Promise<number>;
  #reached = 0;
  #goal = Infinity;
  #arrive: (() => void) | undefined;

  /** Makes it; `last` asks for the sequence of the last message that is followed, 0 where there is none. */
  constructor(last: () => Promise<number>) {
    this.#last = last;
  }

  /** Everything up to a sequence has come. */
  reach(sequence: number): void {
    if (sequence > this.#reached) this.#reached = sequence;
    if (this.#reached < this.#goal) return;
    this.#goal = Infinity;
    this.#arrive?.();
  }

  /** Resolves when everything has come that was there as it was called. */
  async done(): Promise<void> {
    for (let looks = 0; looks < MAX_LOOKS; looks++) {
      // What had come before it was asked cannot have been replaced before it came.
      const reached = this.#reached;
      const last = await this.#last();
      if (last <= reached) return;
      await this.#until(last);
    }
  }

  #until(sequence: number): Promise<void> {
    return new Promise((resolve) => {
      this.#arrive = resolve;
      this.#goal = sequence;
      this.reach(0);
    });
  }
}
