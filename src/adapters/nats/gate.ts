// A gate: one goes through at a time, and none keeps the others waiting for long.

/** Lets one through after the other, in their order. */
export class Gate {
  readonly #withinMs: number;
  readonly #waiting: (() => void)[] = [];
  #taken = false;

  /** Makes it; the next one goes on after `withinMs` at the latest. */
  constructor(withinMs: number) {
    this.#withinMs = withinMs;
  }

  /** Resolves when it is one's turn, with what ends that turn. */
  async enter(): Promise<() => void> {
    if (this.#taken) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#taken = true;
    const timer = setTimeout(() => leave(), this.#withinMs);
    let left = false;
    const leave = (): void => {
      if (left) return;
      left = true;
      clearTimeout(timer);
      const next = this.#waiting.shift();
      if (next === undefined) this.#taken = false;
      else next();
    };
    return leave;
  }
}
