// Handlers that are left alone: told to end, and not waited for, while they still run.

/** How many handlers of a command still run of which nobody waits for anything, by its token. */
export class LeftHandlers {
  readonly #counts = new Map<string, number>();

  /** Whether one of the command still runs. */
  has(token: string): boolean {
    return this.#counts.has(token);
  }

  /** One is left alone. */
  add(token: string): void {
    this.#counts.set(token, (this.#counts.get(token) ?? 0) + 1);
  }

  /** One has returned. */
  remove(token: string): void {
    const count = (this.#counts.get(token) ?? 1) - 1;
    if (count > 0) this.#counts.set(token, count);
    else this.#counts.delete(token);
  }
}
