// The rest that a stream has from bursts after one that broke.
//
// A server whose stream changes its leader may go on taking messages for duplicates that it had begun to store, and which were
// lost with the leader before. One that is published by itself is refused then, and published again; in a burst it is counted
// as stored, and is not. Until their ids are forgotten nothing goes there in bursts.

/** Knows which streams take no bursts for a while. */
export class IngestRest {
  readonly #windowMs: (stream: string) => Promise<number>;
  /** Until when, in monotonic milliseconds; Infinity where it is not known how long ids are kept. */
  readonly #until = new Map<string, number>();
  readonly #asking = new Set<string>();

  /** `windowMs` gives for how long a stream knows the ids of its messages. */
  constructor(windowMs: (stream: string) => Promise<number>) {
    this.#windowMs = windowMs;
  }

  /** A burst has broken: from now on it rests. */
  begin(stream: string): void {
    this.#until.set(stream, Infinity);
    void this.#ask(stream);
  }

  /** Whether a stream rests. */
  has(stream: string): boolean {
    const until = this.#until.get(stream);
    if (until === undefined) return false;
    if (until === Infinity) void this.#ask(stream);
    else if (performance.now() >= until) this.#until.delete(stream);
    return this.#until.has(stream);
  }

  async #ask(stream: string): Promise<void> {
    if (this.#asking.has(stream)) return;
    this.#asking.add(stream);
    try {
      const ms = await this.#windowMs(stream);
      this.#until.set(stream, performance.now() + ms);
    } catch {
      // It is asked again when a burst is wanted.
    } finally {
      this.#asking.delete(stream);
    }
  }
}
